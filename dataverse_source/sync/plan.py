"""Chooses how a table is kept in step, and says why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from dataverse_source.errors import ConfigurationError
from dataverse_source.metadata import Table
from dataverse_source.query import MODIFIED_ON
from dataverse_source.settings import Sync


@dataclass(frozen=True)
class Plan:
    """How one table is kept in step."""

    mode: Literal["cursor", "full"]
    reason: str


def plan(table: Table, sync: Sync) -> Plan:
    """The way to keep ``table`` in step under the setting ``sync``.

    Raises:
        ConfigurationError: ``cursor`` was asked for, and the table has no modifiedon.
    """
    has_cursor = table.has(MODIFIED_ON) and table.column(MODIFIED_ON).readable
    if sync == "cursor" and not has_cursor:
        raise ConfigurationError(
            f"Table {table.entity_set_name} can't be kept in step with sync = 'cursor': "
            f"it has no column {MODIFIED_ON}",
            where=f"[sources.dataverse.table_settings.{table.entity_set_name}] sync",
            remedy="Use sync = 'auto' or 'full' for this table.",
        )
    if sync == "full":
        return Plan("full", "sync = 'full' is set")
    if has_cursor:
        return Plan("cursor", f"it has {MODIFIED_ON}" if sync == "auto" else "sync = 'cursor'")
    return Plan("full", f"it has no {MODIFIED_ON}")
