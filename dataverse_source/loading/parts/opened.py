"""Opens one table for a plan, a part or a finish: outside of a load package, as it is now."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

import dlt

from dataverse_source.config.log import logger
from dataverse_source.errors import ConfigurationError
from dataverse_source.loading.connection import Connection
from dataverse_source.loading.destination_memory import DestinationMemory
from dataverse_source.loading.destination_queries import one_client
from dataverse_source.loading.load_package import Package
from dataverse_source.loading.recovery import drop_pending, settle_pending, will_be_loaded
from dataverse_source.loading.run_context import EVERY_TABLE
from dataverse_source.loading.table_runs import TableRuns
from dataverse_source.sync.context import TableRun
from dataverse_source.sync.landed import is_loaded
from dataverse_source.sync.plan import Plan
from dataverse_source.sync.run_table import choose
from dataverse_source.sync.state import TableState, read_state
from dataverse_source.sync.write.nothing_loaded import NothingLoaded


@dataclass(frozen=True)
class OpenedTable:
    """A table as a plan or a finish finds it.

    Attributes:
        run: reads it.
        plan: its sync mode.
        state: what is stored of it, or that before a first read if it has to be read again.
        stored: what is stored, as it is.
        is_loaded: the next ordinary run reads only what has changed, as far as Dataverse tells.
        moved: why it has to be read again, as the destination is not as the last run left it.
    """

    run: TableRun
    plan: Plan
    state: TableState
    stored: TableState
    is_loaded: bool
    moved: str | None


def open_run(
    connection: Connection,
    table: str,
    states: Mapping[str, Mapping[str, Any]] | None = None,
    refused_columns: Sequence[str] | None = None,
) -> TableRun:
    """A run of the table without a load package.

    Args:
        connection: to the environment.
        table: entity set name or logical name.
        states: of all resources of the source.
        refused_columns: see `TableRuns.new`.

    Raises:
        DataverseError: metadata cannot be read.
    """
    found = connection.metadata.resolve(table)
    if found.kind == "query":
        raise ConfigurationError(
            f"The query {table} cannot be read in parts: only tables are divided by createdon",
            where=table,
            remedy="Load it by an ordinary run, or divide it by a filter into several queries.",
        )
    logical_name = found.logical_name
    now = datetime.now(timezone.utc)
    package = Package(None, now, _nothing_loaded, states or {})
    return TableRuns(connection).new(logical_name, package, refused_columns)


def open_table(
    connection: Connection,
    table: str,
    states: Mapping[str, Mapping[str, Any]],
    moved: Callable[[str], str | None] = lambda _name: None,
) -> OpenedTable:
    """The table as it is in Dataverse, in the pipeline's state and in the destination.

    Args:
        connection: to the environment.
        table: entity set name or logical name.
        states: of all resources of the source.
        moved: returns why a table has to be read again, by entity set name.

    Raises:
        DataverseError: metadata cannot be read, or the settings ask for what the table does not
            allow.
    """
    run = open_run(connection, table, states)
    logical_name = run.reader.table.logical_name
    package = Package(None, datetime.now(timezone.utc), _nothing_loaded, states)
    stored = read_state(package.state_of(run.name, logical_name))
    plan, state = choose(run, stored)
    reason = moved(run.name)
    known = states.get(run.name, {}).get("organizations", {}).get(logical_name)
    organization = connection.organization_id
    if organization and known not in (None, organization):
        reason = reason or "the environment is another one than before"
    return OpenedTable(run, plan, state, stored, is_loaded(run, plan, state), reason)


def open_loaded(
    pipeline: dlt.Pipeline, connection: Connection, table: str, source: str
) -> OpenedTable:
    """The table as a pipeline has loaded it.

    Args:
        pipeline: its state is restored from the destination.
        connection: to the environment.
        table: entity set name or logical name.
        source: name of the dlt source.

    Raises:
        DataverseError: see `open_table`.
    """
    sources: dict[str, Any] = dict(pipeline.state.get("sources") or {})
    states = sources.get(source, {}).get("resources", {})
    return open_table(connection, table, states, lambda name: _moved(pipeline, name, source))


def restored(pipeline: dlt.Pipeline, *, loads: bool) -> dlt.Pipeline:
    """The pipeline with its state from the destination, and without pending packages.

    Args:
        pipeline: as an interrupted run may have left it.
        loads: whether a pending package may be loaded now; if not, it stays for the next finish.
    """
    if loads:
        pipeline = settle_pending(pipeline)
    elif pipeline.has_pending_data and not will_be_loaded(pipeline):
        logger.warning(
            "Pipeline %s: dropping the load package of an interrupted run",
            pipeline.pipeline_name,
        )
        pipeline = drop_pending(pipeline)
    if pipeline.has_pending_data:
        return pipeline
    if pipeline.config.restore_from_destination and not pipeline.dev_mode:
        pipeline.sync_destination()
    return pipeline


def _moved(pipeline: dlt.Pipeline, table: str, source: str) -> str | None:
    """Why the table has to be read again, as the destination is not as the last run left it."""
    if source not in pipeline.schemas or pipeline.has_pending_data:
        return None
    with one_client(pipeline):
        found = DestinationMemory(pipeline).moved(pipeline).read_again
    name = pipeline.schemas[source].naming.normalize_table_identifier(table)
    return found.get(name) or found.get(EVERY_TABLE)


def _nothing_loaded(*_: object) -> NothingLoaded:
    return NothingLoaded()
