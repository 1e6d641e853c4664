"""Stored views: those of the system (savedquery) and those of users (userquery)."""

from dataverse_source.sandbox.schema.catalog.columns import (
    Part,
    key,
    lookup,
    memo,
    one,
    state,
    status,
    text,
    whole,
    yes_no,
)
from dataverse_source.sandbox.schema.catalog.groups import created_and_modified, owned, table

# Docs page "SavedQuery table reference": the longest FetchXML that a view holds.
LONGEST_XML = 1_073_741_823


def _view() -> tuple[Part, ...]:
    """The columns of both kinds of view."""
    return (
        text("Name", 200, required="ApplicationRequired"),
        memo("Description"),
        memo("FetchXml", LONGEST_XML),
        memo("LayoutXml", LONGEST_XML),
        memo("ColumnSetXml", LONGEST_XML),
        one("ReturnedTypeCode", "EntityName", "Entity Name", required="SystemRequired"),
        whole("QueryType", 0.0, display_name="Query Type"),
        state(),
        status(),
    )


SAVEDQUERY = table(
    "SavedQuery",
    "savedqueries",
    1039,
    key("SavedQueryId", "View"),
    _view(),
    yes_no("IsDefault"),
    yes_no("IsQuickFindQuery"),
    yes_no("IsUserDefined"),
    lookup("OrganizationId", "organization", "organization_saved_queries"),
    created_and_modified("savedquerybase"),
    display_name="View",
    collection_name="Views",
    ownership="OrganizationOwned",
    change_tracking=False,
)

USERQUERY = table(
    "UserQuery",
    "userqueries",
    4230,
    key("UserQueryId", "Saved View"),
    _view(),
    owned("userquery"),
    created_and_modified("userquery"),
    display_name="Saved View",
    collection_name="Saved Views",
    change_tracking=False,
)
