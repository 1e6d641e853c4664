"""Loads one huge table with many processes: plan the load, read its parts, finish it.

    plan = plan_load("accounts", pipeline, parts=64)
    for number in plan["numbers"]:  # in any order, by any number of processes on any machines
        read_part(plan, number)
    finish_load(plan, pipeline)

What goes from one to the other is the plan, which is JSON, and a number, so any scheduler can hand
it on. Once the table is loaded, a plan has no parts, and the same steps are the ordinary run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import dlt

from dataverse_source.errors import ConfigurationError

if TYPE_CHECKING:
    from dataverse_source.loading.parts.forecast import Forecast
    from dataverse_source.loading.report import LoadReport
    from dataverse_source.loading.table_source import TableSource

MOST_PARTS = 100_000


def plan_load(
    table: str,
    pipeline: dlt.Pipeline,
    parts: int = 64,
    *,
    environment: str | None = None,
    users: int = 1,
    servers: int = 1,
    on_forecast: Callable[[str, Forecast], bool] | None = None,
    **settings: Any,
) -> dict[str, Any]:
    """Plans the first load of a table in parts.

    It takes the delta link or the cursor, for which the keys of all rows are read once, counts the
    rows, and cuts the table into parts of about the same size. Nothing is loaded.

    Args:
        table: entity set name (``accounts``) or logical name.
        pipeline: that `finish_load` will load it with; its state is read.
        parts: most parts. Take several for each worker, so that a slow one holds nobody up.
        environment: name of one of several environments.
        users: application users that share the work, for the forecast.
        servers: web servers of the environment, for the forecast.
        on_forecast: is told the table's name and the forecast before the keys are read; if it
            returns False, no parts are planned.
        **settings: of `dataverse`; those not given come from ``[sources.dataverse]``.

    Returns:
        The plan, as JSON values without credentials. ``numbers`` lists the numbers of its parts; it
        is empty if the table is loaded, or cannot be divided, and ``why`` says which. ``forecast``
        says what it costs.

    Raises:
        ConfigurationError: settings are missing, unknown or cannot be used.
        DataverseError: the table can't be read.
    """
    from dataverse_source.loading.parts.landing import default_landing
    from dataverse_source.loading.parts.making import Wish, make_load_plan
    from dataverse_source.loading.parts.opened import open_loaded, restored

    if isinstance(parts, bool) or not isinstance(parts, int) or not 1 <= parts <= MOST_PARTS:
        raise ConfigurationError(
            f"A table cannot be divided into {parts!r} parts",
            where="parts",
            remedy=f"Give a whole number from 1 to {MOST_PARTS:,}.",
        )
    wish = Wish(parts, users, servers)
    if on_forecast is not None:
        wish = replace(wish, on_forecast=on_forecast)
    pipeline = restored(pipeline, loads=False)
    source = _source(table, environment, settings)
    connection = source.connection
    opened = open_loaded(pipeline, connection, table, source.name)
    given = connection.settings.landing_url
    plan = make_load_plan(opened, connection, lambda: given or default_landing(pipeline), wish)
    return plan.to_json()


def read_part(
    plan: Mapping[str, Any] | str,
    number: int,
    *,
    environment: str | None = None,
    **settings: Any,
) -> dict[str, Any]:
    """Reads one part of a plan into the landing place.

    Any process on any machine may do so at any time, and again: a part that has been read is not
    read a second time, and two processes that read the same part do no harm. The destination is not
    needed.

    Args:
        plan: from `plan_load`, as a dict, as JSON text, or as path or URL of its file.
        number: of the part, from 0. A number below the ``parts`` that were asked for is accepted
            even if the plan has fewer: there is nothing to do then.
        environment: name of one of several environments.
        **settings: as for `plan_load`.

    Returns:
        What the part holds, as JSON values: ``rows``, ``files``, ``requests``, ``seconds``.

    Raises:
        ConfigurationError: the plan has no such part, is finished, or is of another environment;
            or the table's columns have changed since.
        DataverseError: the rows can't be read.
    """
    from dataverse_source.loading.parts.load_plan import load_plan
    from dataverse_source.loading.parts.reading import read_part_of

    found = load_plan(plan)
    source = _source(found.table, environment, settings)
    return read_part_of(found, int(number), source.connection).to_json()


def finish_load(
    plan: Mapping[str, Any] | str,
    pipeline: dlt.Pipeline,
    *,
    environment: str | None = None,
    **settings: Any,
) -> LoadReport:
    """Loads the parts of a plan, and then what has changed meanwhile.

    It is the only step that writes to the destination, and the only one that must not run twice at
    the same time. Rows and state are loaded in one package. If the table has been loaded since the
    plan was made, the parts are not needed, and it is an ordinary run.

    Args:
        plan: from `plan_load`; all of its parts have been read.
        pipeline: to load with.
        environment: name of one of several environments.
        **settings: as for `plan_load`.

    Raises:
        ConfigurationError: a part is missing, the table's columns have changed, or the delta link
            has expired; the message says what to do.
        DataverseError: see `load`.
    """
    from dataverse_source.loading.catalog.resource import CATALOG
    from dataverse_source.loading.parts.finishing import landed_rows_of
    from dataverse_source.loading.parts.landing import Landing
    from dataverse_source.loading.parts.load_plan import load_plan
    from dataverse_source.loading.parts.one_by_one import file_by_file
    from dataverse_source.loading.parts.opened import open_loaded, restored
    from dataverse_source.loading.run import load
    from dataverse_source.loading.run_context import RunContext, current_run, running

    found = load_plan(plan)
    pipeline = restored(pipeline, loads=True)
    source = _source(found.table, environment, settings)
    landed = landed_rows_of(
        found,
        source.connection,
        lambda: open_loaded(pipeline, source.connection, found.table, source.name),
    )
    context = RunContext(observer=current_run().observer)
    if landed is not None:
        context.landed[found.logical_name] = landed
    with running(context), file_by_file(pipeline):
        report = load(pipeline, source.with_resources(found.table, CATALOG))
    if found.landing:
        Landing(found.landing).remove_all()
    return report


def _source(table: str, environment: str | None, settings: Mapping[str, Any]) -> TableSource:
    """The source with the table among its tables, so that its settings hold for the table."""
    from typing import cast

    from dataverse_source.config.values import names_in
    from dataverse_source.scale_out.buckets import EVERY_TABLE
    from dataverse_source.scale_out.sources import configured_tables, settings_of, source_of

    with settings_of(environment):
        configured = names_in(settings.get("tables") or configured_tables())
    tables = [*dict.fromkeys([*configured, table])]
    given = {**settings, "bucket": EVERY_TABLE, "tables": tables}
    return cast("TableSource", source_of(environment, given))
