"""The tables that a new sandbox has: those of a Dynamics 365 Sales and Service organization."""

from __future__ import annotations

from functools import lru_cache

from dataverse_source.sandbox.schema.catalog import (
    activities,
    audit,
    custom,
    files,
    people,
    sales,
    service,
    views,
)
from dataverse_source.sandbox.schema.catalog.account import ACCOUNT
from dataverse_source.sandbox.schema.catalog.columns import options
from dataverse_source.sandbox.schema.catalog.contact import CONTACT
from dataverse_source.sandbox.schema.catalog.groups import Draft
from dataverse_source.sandbox.schema.catalog.intersects import INTERSECTS
from dataverse_source.sandbox.schema.catalog.settings import (
    ORGANIZATION,
    TRANSACTIONCURRENCY,
    USERSETTINGS,
)
from dataverse_source.sandbox.schema.tables import Schema

DRAFTS: tuple[Draft, ...] = (
    ACCOUNT,
    CONTACT,
    people.SYSTEMUSER,
    people.TEAM,
    people.BUSINESSUNIT,
    people.OWNER,
    TRANSACTIONCURRENCY,
    ORGANIZATION,
    USERSETTINGS,
    sales.LEAD,
    sales.OPPORTUNITY,
    sales.PRODUCT,
    sales.PRICELEVEL,
    sales.COMPETITOR,
    sales.CAMPAIGN,
    service.INCIDENT,
    service.SUBJECT,
    service.ANNOTATION,
    *service.SMALL_TABLES,
    activities.ACTIVITYPOINTER,
    activities.TASK,
    activities.PHONECALL,
    activities.EMAIL,
    activities.APPOINTMENT,
    activities.ACTIVITYPARTY,
    audit.AUDIT,
    files.FILE_ATTACHMENT,
    views.SAVEDQUERY,
    views.USERQUERY,
    custom.PROJECT,
    custom.LEDGER_ENTRY,
    custom.SETTING,
    custom.ARCHIVE,
    custom.SENSOR_READING,
    custom.EXTERNAL_PRODUCT,
    custom.ACCESS,
    *(draft for draft, _ in INTERSECTS),
)


@lru_cache(maxsize=1)
def default_schema() -> Schema:
    """The schema of a sandbox that is given none."""
    known = frozenset(draft.table.logical_name for draft in DRAFTS)
    return Schema(
        tables=tuple(draft.table for draft in DRAFTS),
        one_to_many=tuple(r for draft in DRAFTS for r in draft.relationships(known)),
        many_to_many=tuple(relationship for _, relationship in INTERSECTS),
        global_choices={name: options(text) for name, text in service.GLOBAL_CHOICES.items()},
    )
