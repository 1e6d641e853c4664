"""Checks that the parts of a plan can be loaded, and returns their rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pyarrow as pa

from dataverse_source.config.log import logger
from dataverse_source.errors import ConfigurationError
from dataverse_source.loading.connection import Connection
from dataverse_source.loading.parts.landing import Landing
from dataverse_source.loading.parts.load_plan import LoadPlan
from dataverse_source.loading.parts.opened import OpenedTable
from dataverse_source.loading.parts.part_file import PartFile
from dataverse_source.loading.parts.reading import (
    PartReport,
    check_fits,
    check_plan_is_there,
    manifest,
)
from dataverse_source.sync.changes import is_too_old
from dataverse_source.sync.context import Landed, LandedRows, TableRun
from dataverse_source.sync.landed import PLAN_AGAIN
from dataverse_source.sync.read.recreated_rows import not_repeated
from dataverse_source.sync.state import read_state

MOST_NAMED = 10
"""Most missing parts that an error names."""


def landed_rows_of(
    plan: LoadPlan, connection: Connection, open_table: Callable[[], OpenedTable]
) -> Landed | None:
    """The rows of the plan's parts, if they are needed; None if an ordinary run is right.

    Args:
        plan: all of its parts have been read, if there are any.
        connection: to the environment.
        open_table: opens the table; called unless the plan says that it stays whole.

    Raises:
        ConfigurationError: the table has to be read, and the parts are missing, too old or of
            another table than it is now.
        DataverseError: metadata cannot be read.
    """
    if not plan.parts and not plan.must_be_loaded:
        return None
    opened = open_table()
    if opened.is_loaded and opened.moved is None:
        if plan.parts:
            logger.info("%s: it is loaded already; the parts are not needed", plan.table)
        return None
    if not plan.parts:
        if opened.is_loaded:  # the destination has changed: the next plan may not see that
            return None
        raise _again(
            plan,
            f"{plan.table} was loaded when the plan was made, and has to be read in full now",
            "its columns, filter or sync mode have changed, its delta link has expired, or its "
            "state was removed",
        )
    names = [one.name for one in opened.run.reader.columns]
    check_fits(plan, connection, opened.run.columns, names)
    if opened.stored.landed == plan.id:
        raise _again(
            plan,
            f"The parts of {plan.table} have been loaded already, and the table has to be read in "
            "full again",
            opened.moved or "its state says that it is not complete",
        )
    state = read_state(plan.state)
    if is_too_old(opened.run, state):
        raise _again(
            plan,
            f"The delta link in the plan of {plan.table} has expired",
            "Dataverse keeps tracked changes for so many days only (organization setting "
            "expirechangetrackingindays)",
        )
    if state.mode != opened.plan.mode:
        raise _again(
            plan,
            f"{plan.table} was to be synced by {state.mode}, and now by {opened.plan.mode}",
            opened.plan.reason,
        )
    landing = Landing(plan.landing)
    check_plan_is_there(landing, plan)
    reports = _all_parts(plan, landing)
    return Landed(plan.id, state, lambda: _rows(landing, reports, opened.run))


def _all_parts(plan: LoadPlan, landing: Landing) -> list[PartReport]:
    """What each part holds.

    Raises:
        ConfigurationError: some parts have not been read.
    """
    found = [manifest(landing, plan, number) for number in range(len(plan.parts))]
    missing = [str(number) for number, one in enumerate(found) if one is None]
    if missing:
        more = f" and {len(missing) - MOST_NAMED} more" if len(missing) > MOST_NAMED else ""
        raise ConfigurationError(
            f"Of the {len(plan.parts)} parts of {plan.table}, {len(missing)} have not been read: "
            f"{', '.join(missing[:MOST_NAMED])}{more}",
            where=plan.landing,
            remedy="Read these parts, and finish again; the others need not be read again.",
        )
    return [one for one in found if one is not None]


def _rows(
    landing: Landing, reports: list[PartReport], run: TableRun
) -> Iterator[pa.Table | LandedRows]:
    """The rows of all parts, each once."""
    schema, key = run.reader.schema.arrow, run.reader.key
    files = [PartFile(landing, one, schema) for report in reports for one in report.files]
    settled = [one for one in files if not one.recent]
    yield from settled
    held_back = [rows for one in files if one.recent for rows in one.tables()]
    keys = (rows for one in settled for rows in one.tables([key]))
    yield from not_repeated(key, held_back, keys)


def _again(plan: LoadPlan, what: str, why: str) -> ConfigurationError:
    return ConfigurationError(what, where=f"plan {plan.id}", why=why, remedy=PLAN_AGAIN)
