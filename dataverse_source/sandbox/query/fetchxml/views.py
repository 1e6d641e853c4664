"""Finds the FetchXML that a read asks for: in its query string, or in a stored view.

``savedQuery`` names a view of the system (table savedquery), ``userQuery`` one of a user (docs
page "Retrieve and execute predefined queries").
"""

from __future__ import annotations

from dataverse_source.sandbox.environment.access_rules import require_read
from dataverse_source.sandbox.http.messages import DataverseFault
from dataverse_source.sandbox.query.collection.query import Query
from dataverse_source.sandbox.query.fetchxml.parser import refused
from dataverse_source.sandbox.query.filter.keys import no_such_row
from dataverse_source.sandbox.query.syntax.odata import bad_query
from dataverse_source.sandbox.store.values import ValueRefused, parse_guid

VIEW_TABLES = {"savedQuery": "savedquery", "userQuery": "userquery"}


def fetch_text(query: Query) -> str | None:
    """The FetchXML that a read asks for, None when it asks for none.

    Raises:
        DataverseFault: there is no such view, or it is one of another table.
    """
    options = query.options
    asked = [name for name in ("fetchXml", *VIEW_TABLES) if options.get(name) is not None]
    if not asked:
        return None
    if len(asked) > 1:
        raise bad_query(f"The query options {' and '.join(asked)} can't be combined.")
    text = options.values[asked[0]]
    return text if asked[0] == "fetchXml" else _of_view(query, VIEW_TABLES[asked[0]], text)


def _of_view(query: Query, logical_name: str, text: str) -> str:
    environment, caller = query.scope.environment, query.scope.caller
    views = environment.schema.by_logical_name.get(logical_name)
    if views is None:
        raise DataverseFault(501, "0x8006088a", f"This schema has no table {logical_name}.")
    require_read(environment, caller, views)
    try:
        key = parse_guid(text)
    except ValueRefused:
        raise bad_query(f"The value '{text}' is not a GUID.") from None
    view = environment.store.row(logical_name, key)
    if view is None:
        raise no_such_row(views, key)
    table = query.scope.table.logical_name
    if view["returnedtypecode"] != table or not view["fetchxml"]:
        raise refused(f"The view {key} is not one of the table '{table}'.")
    return str(view["fetchxml"])
