"""Makes the plan of a load: takes the delta link, counts the rows, cuts the table into parts."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from dataverse_source.config.log import logger
from dataverse_source.loading.connection import Connection
from dataverse_source.loading.parts.forecast import Forecast, first_page, forecast
from dataverse_source.loading.parts.landing import PLAN, Landing
from dataverse_source.loading.parts.load_plan import LoadPlan, Part
from dataverse_source.loading.parts.opened import OpenedTable
from dataverse_source.loading.progress import TableWatch
from dataverse_source.loading.run_context import current_run
from dataverse_source.sync.landed import begin, whole_because
from dataverse_source.sync.read.created_on import CreatedOnCounts, Interval
from dataverse_source.sync.read.query import MODIFIED_ON
from dataverse_source.sync.state import write_state


@dataclass(frozen=True)
class Wish:
    """What is asked of a plan.

    Attributes:
        parts: most parts.
        users: application users that will share the work, for the forecast.
        servers: web servers of the environment, for the forecast.
        on_forecast: is told the table's name and the forecast before the keys are read; if it
            returns False, they are not, and the plan has no parts.
    """

    parts: int
    users: int = 1
    servers: int = 1
    on_forecast: Callable[[str, Forecast], bool] = lambda _name, _found: True


def make_load_plan(
    opened: OpenedTable, connection: Connection, landing: Callable[[], str], wish: Wish
) -> LoadPlan:
    """The plan for a table; it has no parts if the table is loaded, or cannot be divided.

    Args:
        opened: the table.
        connection: to the environment.
        landing: returns the URL of the landing place; called if there are parts.
        wish: what is asked.

    Raises:
        DataverseError: the table can't be read.
    """
    run = opened.run
    plan = LoadPlan(
        secrets.token_hex(6),
        run.name,
        run.reader.table.logical_name,
        connection.environment,
        connection.organization_id,
        wish.parts,
        "",
        columns=run.columns,
        column_names=tuple(sorted(one.name for one in run.reader.columns)),
    )
    if opened.is_loaded and opened.moved is None:
        why = "the table is loaded: finish reads what has changed"
        plan = replace(plan, why=why, must_be_loaded=True)
    elif reason := whole_because(run, opened.plan):
        plan = replace(plan, why=f"finish reads the table as a whole: {reason}")
    else:
        plan = _with_parts(plan, opened, landing, wish)
    logger.info("%s: %d parts: %s", plan.table, len(plan.parts), plan.why)
    return plan


def _with_parts(
    plan: LoadPlan, opened: OpenedTable, landing: Callable[[], str], wish: Wish
) -> LoadPlan:
    run = replace(opened.run, watch=TableWatch(opened.run.name, current_run().observer, {}))
    page, size = first_page(run), run.reader.page_size
    shares = {"users": wish.users, "servers": wish.servers}
    found = forecast(run.reader.count(), page, size, **shares)
    if not wish.on_forecast(run.name, found):
        return replace(plan, why="only the forecast was asked for", forecast=found.to_json())
    place = landing().rstrip("/")
    Landing(place).check_writable()  # before the keys are read, which may take hours
    counts = CreatedOnCounts()
    mode, state = begin(run, opened.plan, opened.state, counts)
    if reason := whole_because(run, mode):
        return replace(plan, why=f"finish reads the table as a whole: {reason}")
    # Later than the delta link, so that whatever has a higher number is among its changes.
    highest = run.reader.highest_version()
    stored: dict[str, Any] = {}
    write_state(state, stored)
    plan = replace(
        plan,
        why=f"{counts.rows:,} rows have to be read",
        landing=f"{place}/{run.name}-{plan.id}",
        state=stored,
        highest=highest,
        leaves_out_newer=mode.column != MODIFIED_ON,
        page_bytes=page.bytes,
        parts=_parts(counts, plan.asked),
        forecast=forecast(counts.rows, replace(page, is_all=False), size, **shares).to_json(),
    )
    Landing(plan.landing).put(PLAN, plan.to_json())
    return plan


def _parts(counts: CreatedOnCounts, most: int) -> tuple[Part, ...]:
    """The parts; the rows without a createdon are with the first one."""
    cut = counts.parts(most)
    parts = [Part.of((interval,), rows) for interval, rows in cut]
    (first, rows), *_ = cut
    parts[0] = Part.of((first, Interval(undated=True)), rows + counts.undated)
    return tuple(parts)
