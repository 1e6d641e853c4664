"""Finds a table's state in dlt's: its resource's, whatever name an earlier version stored it by."""

from __future__ import annotations

from typing import Any, cast

import dlt
from dlt.common.schema.typing import TTableSchema

from dataverse_source.loading.load_package import Package

BY_TABLE = ("tables", "organizations", "rights")
"""What is stored of a resource, each by the logical name of the table."""


def resource_state(
    package: Package, name: str, logical_name: str, *, loads: bool
) -> dict[str, Any]:
    """The state of a table's resource, to be written to. Call it on dlt's own thread.

    Up to version 0.1 a table's state was stored by the name or pattern in the settings. It is
    taken over, so that only changes are read.

    Args:
        package: that is being filled.
        name: of the table and of its resource.
        logical_name: of the table.
        loads: whether its rows are loaded. Those that only feed transformers have a state of their
            own: the table itself does not have them.
    """
    own = dlt.current.resource_state(name)
    if not loads:
        feeding: dict[str, Any] = own.setdefault("feeding_transformers", {})
        return feeding
    take_over(dlt.current.source_state().get("resources", {}), name, logical_name)
    _rename_resource(package, name)
    return own


def take_over(resources: dict[str, dict[str, Any]], name: str, logical_name: str) -> dict[str, Any]:
    """The state of a table's resource, with what others have stored of the table.

    Args:
        resources: states by name of the resource; they are changed.
        name: of the table and of its resource.
        logical_name: of the table.
    """
    own = resources.setdefault(name, {})
    for other in resources.values():
        if other is own or logical_name not in other.get("tables", {}):
            continue
        for part in BY_TABLE:
            found = other.get(part, {}).pop(logical_name, None)
            if found is not None and not own.get(part, {}).get(logical_name):
                own.setdefault(part, {})[logical_name] = found
    return own


def _rename_resource(package: Package, name: str) -> None:
    """Has dlt's schema call the table's resource by its name, as ``dlt pipeline drop`` does."""
    if package.schema is None:
        return
    table = package.loaded_as(name)
    known = package.schema.tables.get(table)
    if known is not None and known.get("resource") != name:
        renamed = {"name": table, "columns": {}, "resource": name}
        package.schema.update_table(cast("TTableSchema", renamed))
