"""Chooses the sync mode of a table, and says why."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal, NoReturn

from dataverse_source.config.settings import TableSettings
from dataverse_source.errors import ConfigurationError
from dataverse_source.metadata.model import Table
from dataverse_source.sync.read.created_on import CREATED_ON
from dataverse_source.sync.read.query import MODIFIED_ON
from dataverse_source.sync.read.table_reader import VERSION
from dataverse_source.sync.state import TableState

Mode = Literal["changes", "cursor", "full"]

ASK_AGAIN_AFTER = timedelta(hours=24)
"""After Dataverse refuses to track changes, how long to wait before asking again."""

_ALWAYS_IN_FULL = {
    "virtual": "it is virtual, and its provider's filters are not known",
    "elastic": "it is elastic: its key has two columns, and it reports no deleted keys",
}


@dataclass(frozen=True)
class Plan:
    """The sync mode of one table.

    Attributes:
        mode: ``changes`` follows change tracking, ``cursor`` reads the rows that are newer by
            modifiedon or versionnumber, ``full`` reads all rows each time.
        reason: why this mode, in words.
        column: the cursor's column; None for the other modes. With createdon, of a log, no row is
            ever removed.
        fell_back: the settings ask for another mode that the table cannot use.
    """

    mode: Mode
    reason: str
    column: str | None = None
    fell_back: bool = False

    def __str__(self) -> str:
        """One sentence, for logs and for the table's description."""
        modes = {
            "changes": "by change tracking",
            "cursor": f"by {self.column}, deleted rows by comparing keys",
            "log": "by createdon, rows are only added; those that Dataverse purges stay",
            "full": "by reading all rows each time",
        }
        how = "log" if self.column == CREATED_ON else self.mode
        return f"Synced {modes[how]}: {self.reason}."


class _SyncRefusedError(ConfigurationError):
    """The table can't use the sync mode that the settings ask for.

    Attributes:
        obstacle: why not, in words.
    """

    obstacle: str = ""


def make_plan(
    table: Table, settings: TableSettings, state: TableState, now: datetime, *, explicit: bool
) -> Plan:
    """Chooses the sync mode of ``table``.

    A `sync` set for all tables is a preference: a table that cannot use it falls back to the next
    best mode.

    Args:
        table: with its columns.
        settings: those of the table.
        state: what earlier runs have stored.
        now: Dataverse's time.
        explicit: `sync` is set for this very table, so no other mode may stand in.

    Raises:
        ConfigurationError: the table cannot use the mode that is set for this very table.
    """
    try:
        return _plan_as_set(table, settings, state, now)
    except _SyncRefusedError as refusal:
        if explicit:
            raise
        best = _plan_as_set(table, replace(settings, sync="auto"), state, now)
        reason = f"sync = {settings.sync!r} is not possible, as {refusal.obstacle}"
        return replace(best, reason=reason, fell_back=True)


def _plan_as_set(table: Table, settings: TableSettings, state: TableState, now: datetime) -> Plan:
    if settings.deletes == "keep" and len(table.key_columns) > 1:
        raise ConfigurationError(
            f"Table {table.entity_set_name} can't have deletes = 'keep': it is elastic, and keys "
            "of two columns are not compared",
            where=f"[sources.dataverse.table_settings.{table.entity_set_name}] deletes",
            remedy="Set deletes = 'remove' for this table.",
        )
    if table.kind == "query":
        return Plan("full", "it is a query, of which Dataverse does not say what has changed")
    if settings.sync == "full":
        return Plan("full", "sync = 'full' is set")
    special = _ALWAYS_IN_FULL.get(table.kind)
    if special is not None:
        if settings.sync != "auto":
            _refuse(table, settings.sync, special, "Set sync = 'auto' or 'full' for this table.")
        return Plan("full", special)
    if settings.sync == "cursor":
        found = _cursor(table, "sync = 'cursor' is set")
        if found is None:
            _refuse(
                table,
                "cursor",
                f"it has no column {MODIFIED_ON} and no {VERSION}",
                "Set sync = 'auto' or 'full' for this table.",
            )
        return found
    obstacle = _obstacle(table, settings, state, now)
    if obstacle is None:
        reason = (
            "sync = 'changes' is set"
            if settings.sync == "changes"
            else "it is enabled for the table"
        )
        return Plan("changes", reason)
    if settings.sync == "changes" and not state.tracking_refusal:
        remedy = "Enable change tracking for the table in Dataverse, or set sync = 'auto'."
        if settings.filter:
            remedy = "Remove the filter, or set sync = 'auto', 'cursor' or 'full'."
        _refuse(table, "changes", obstacle, remedy)
    return without_tracking(table, obstacle)


def without_tracking(table: Table, obstacle: str) -> Plan:
    """The next best mode for a table whose changes can't be followed, for the given reason."""
    chosen = _cursor(table, obstacle)
    return chosen or Plan("full", f"{obstacle}, and it has no {MODIFIED_ON} nor {VERSION}")


def _obstacle(
    table: Table, settings: TableSettings, state: TableState, now: datetime
) -> str | None:
    """Why the changes of ``table`` cannot be followed; None if they can."""
    if not table.change_tracking:
        return "change tracking is off for it"
    if settings.filter:
        return "Dataverse takes no filter together with change tracking"
    refusal = state.tracking_refusal
    if refusal is not None and now - refusal.time < ASK_AGAIN_AFTER:
        return refusal.reason
    return None


def _cursor(table: Table, reason: str) -> Plan | None:
    if table.is_log:
        return Plan("cursor", "its rows never change", CREATED_ON)
    for name in (MODIFIED_ON, VERSION):
        if table.has(name) and table.column(name).in_rows:
            return Plan("cursor", reason, name)
    return None


def _refuse(table: Table, sync: str, why: str, remedy: str) -> NoReturn:
    name = table.entity_set_name
    refusal = _SyncRefusedError(
        f"Table {name} can't use sync = {sync!r}: {why}",
        where=f"[sources.dataverse.table_settings.{name}] sync",
        remedy=remedy,
    )
    refusal.obstacle = why
    raise refusal
