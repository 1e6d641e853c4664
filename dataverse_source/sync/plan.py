"""Chooses how a table is kept in step, and says why."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal, NoReturn

from dataverse_source.config.settings import TableSettings
from dataverse_source.errors import ConfigurationError
from dataverse_source.metadata.model import Table
from dataverse_source.sync.read.query import MODIFIED_ON
from dataverse_source.sync.read.table_reader import VERSION
from dataverse_source.sync.state import TableState, moment

Mode = Literal["changes", "cursor", "full"]

ASK_AGAIN_AFTER = timedelta(hours=24)
"""How long a refusal to track changes is believed, before it is tried once more."""

_ALWAYS_IN_FULL = {
    "virtual": "it is virtual, and what its provider can filter by is not known",
    "elastic": "it is elastic: its key has two columns, and it reports no deleted keys",
}


@dataclass(frozen=True)
class Plan:
    """How one table is kept in step.

    Attributes:
        mode: ``changes`` follows change tracking, ``cursor`` reads what is newer by
            modifiedon or versionnumber, ``full`` reads everything each time.
        reason: why, in words.
        column: the cursor's column, None but for ``cursor``.
        fell_back: it is not the way that the settings ask for.
    """

    mode: Mode
    reason: str
    column: str | None = None
    fell_back: bool = False

    def __str__(self) -> str:
        """One sentence, for logs and for the table's description."""
        ways = {
            "changes": "by change tracking",
            "cursor": f"by {self.column}, deleted rows by comparing keys",
            "full": "by reading all rows each time",
        }
        return f"Kept in step {ways[self.mode]}: {self.reason}."


class _SyncRefusedError(ConfigurationError):
    """The table can't be kept in step in the way that the settings ask for.

    Attributes:
        obstacle: why not, in words.
    """

    obstacle: str = ""


def make_plan(table: Table, settings: TableSettings, state: TableState, now: datetime) -> Plan:
    """The way to keep ``table`` in step.

    What is set for all tables alike is a wish: where it can't be had, the next best way is gone.

    Raises:
        ConfigurationError: the way that the settings ask for, for this very table, can't be gone.
    """
    try:
        return _plan_as_set(table, settings, state, now)
    except _SyncRefusedError as refusal:
        if settings.strict:
            raise
        best = _plan_as_set(table, replace(settings, sync="auto"), state, now)
        reason = f"sync = {settings.sync!r} can't be had, as {refusal.obstacle}"
        return replace(best, reason=reason, fell_back=True)


def _plan_as_set(table: Table, settings: TableSettings, state: TableState, now: datetime) -> Plan:
    if settings.deletes == "keep" and len(table.key_columns) > 1:
        raise ConfigurationError(
            f"deletes = 'keep' can't be had for table {table.entity_set_name}: it is elastic, "
            "and the keys of such tables, which have two columns, are not compared",
            where=f"[sources.dataverse.table_settings.{table.entity_set_name}] deletes",
            remedy="Set deletes = 'remove' for this table.",
        )
    if settings.sync == "full":
        return Plan("full", "sync = 'full' is set")
    special = _ALWAYS_IN_FULL.get(table.kind)
    if special is not None:
        if settings.sync != "auto":
            _refuse(table, settings.sync, special, "Use sync = 'auto' or 'full' for this table.")
        return Plan("full", special)
    if settings.sync == "cursor":
        found = _cursor(table, "sync = 'cursor' is set")
        if found is None:
            _refuse(
                table,
                "cursor",
                f"it has no column {MODIFIED_ON} and no {VERSION}",
                "Use sync = 'auto' or 'full' for this table.",
            )
        return found
    obstacle = _obstacle(table, settings, state, now)
    if obstacle is None:
        asked = "sync = 'changes' is set" if settings.sync == "changes" else "it is tracked"
        return Plan("changes", asked)
    if settings.sync == "changes" and not state.refusal:
        remedy = "Have change tracking enabled for the table, or use sync = 'auto'."
        if settings.filter:
            remedy = "Leave the filter out, or use sync = 'auto', 'cursor' or 'full'."
        _refuse(table, "changes", obstacle, remedy)
    return without_tracking(table, obstacle)


def without_tracking(table: Table, obstacle: str) -> Plan:
    """The next best way for a table whose changes can't be followed, for the given reason."""
    chosen = _cursor(table, obstacle)
    return chosen or Plan("full", f"{obstacle}, and it has no {MODIFIED_ON} nor {VERSION}")


def _obstacle(
    table: Table, settings: TableSettings, state: TableState, now: datetime
) -> str | None:
    """What keeps the changes of ``table`` from being followed."""
    if not table.change_tracking:
        return "change tracking is off for it"
    if settings.filter:
        return "Dataverse takes no filter together with change tracking"
    refused = moment(state.refused)
    if refused is not None and now - refused < ASK_AGAIN_AFTER:
        return state.refusal
    return None


def _cursor(table: Table, reason: str) -> Plan | None:
    for name in (MODIFIED_ON, VERSION):
        if table.has(name) and table.column(name).in_rows:
            return Plan("cursor", reason, name)
    return None


def _refuse(table: Table, sync: str, why: str, remedy: str) -> NoReturn:
    name = table.entity_set_name
    refusal = _SyncRefusedError(
        f"Table {name} can't be kept in step with sync = {sync!r}: {why}",
        where=f"[sources.dataverse.table_settings.{name}] sync",
        remedy=remedy,
    )
    refusal.obstacle = why
    raise refusal
