"""Verifies that loaded tables are equal to Dataverse's, without changing anything."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Any

import dlt

from dataverse_source.config.values import is_pattern
from dataverse_source.errors import AuthenticationError, DataverseError, UnknownNameError
from dataverse_source.loading.connection import Connection
from dataverse_source.loading.file_loading import lost_files
from dataverse_source.loading.load_package import Package
from dataverse_source.loading.pipeline_errors import table_error
from dataverse_source.loading.run_context import RunContext, current_run
from dataverse_source.loading.table_runs import TableRuns
from dataverse_source.metadata.model import AUDIT
from dataverse_source.sync.cells import CellReport, compare_cells
from dataverse_source.sync.context import Destination, TableRun
from dataverse_source.sync.reconcile import Report, compare, compared_column
from dataverse_source.sync.state import table_states
from dataverse_source.sync.write.destination import LoadedTable

NOT_LOADED = "it has not been loaded yet"
NOT_QUERYABLE = "this destination cannot return its rows"


@dataclass(frozen=True)
class LoadedAs:
    """A table that a pipeline has loaded.

    Attributes:
        logical_name: in Dataverse.
        resource: its resource: its name, or with the state of an earlier version the name or
            pattern in the settings.
        source: name of the dlt source, and of its schema.
    """

    logical_name: str
    resource: str
    source: str


@dataclass(frozen=True)
class Verdict:
    """What a verification found out about one table.

    Attributes:
        table: entity set name, the table's name in the destination.
        loaded: as what it is loaded; None if it is not.
        report: of its keys and versions; None if they were not compared.
        compared_by: the version column; None: the keys alone.
        cells: of its cells; None if they were not compared.
        why_not: why the table was not compared; None if it was.
        lost_files: keys of loaded rows whose file has no row, or no bytes.
    """

    table: str
    loaded: LoadedAs | None = None
    report: Report | None = None
    compared_by: str | None = None
    cells: CellReport | None = None
    why_not: str | None = None
    lost_files: Sequence[str] = ()

    @property
    def is_equal(self) -> bool:
        """Whether the table was compared and nothing differs."""
        if self.report is None or not self.report.is_equal or self.lost_files:
            return False
        return self.cells is None or self.cells.is_equal


@dataclass(frozen=True)
class Depth:
    """How thoroughly to compare.

    Attributes:
        cells: compare the cells too.
        sample: rows whose cells are compared; None: all.
        examples: how many keys of each kind of difference to return.
    """

    cells: bool = False
    sample: int | None = None
    examples: int = 10


def loaded_tables(pipeline: dlt.Pipeline, configured: Sequence[str]) -> list[LoadedAs]:
    """The tables that the pipeline has loaded, each once.

    Args:
        pipeline: as its last run left it.
        configured: names and patterns in the settings; a table that was loaded under several
            names is returned with one of these, if possible.
    """
    found: dict[str, LoadedAs] = {}
    for source, resource, tables in table_states(dict(pipeline.state)):
        for logical_name in tables:
            one = LoadedAs(logical_name, resource, source)
            before = found.get(logical_name)
            if before is None or _rank(one, configured) < _rank(before, configured):
                found[logical_name] = one
    return sorted(found.values(), key=lambda one: one.logical_name)


def _rank(loaded: LoadedAs, configured: Sequence[str]) -> tuple[bool, bool]:
    return loaded.resource not in configured, is_pattern(loaded.resource)


def verify(
    pipeline: dlt.Pipeline,
    connection: Connection,
    loaded: Sequence[LoadedAs],
    names: Sequence[str] = (),
    depth: Depth | None = None,
) -> Iterator[Verdict]:
    """Compares tables one by one. Call it on the thread that made the pipeline.

    Args:
        pipeline: as its last run left it.
        connection: to the environment, with the settings that the tables were loaded with.
        loaded: the tables that the pipeline has loaded.
        names: of the tables to compare, or patterns; none: all of ``loaded``, and those in the
            settings that are not loaded.
        depth: how thoroughly to compare.

    Raises:
        UnknownNameError: no table that is loaded has one of these names.
        DataverseError: the environment cannot be reached, or sign-in failed.
    """
    shown = {one.logical_name: one for one in connection.metadata.tables()}

    def name_of(logical_name: str) -> str:
        table = shown.get(logical_name)
        return str(table.entity_set_name) if table and table.entity_set_name else logical_name

    chosen = {one.logical_name: one for one in loaded}
    if names:
        chosen = {}
        for name in names:
            matching = {
                one.logical_name: one
                for one in loaded
                if _means(name, (one.logical_name, name_of(one.logical_name), one.resource))
            }
            if not matching:
                raise UnknownNameError(
                    f"Pipeline {pipeline.pipeline_name!r} has not loaded a table {name!r}",
                    remedy="dataverse-source status lists the tables that it has loaded.",
                )
            chosen |= matching
    runs = TableRuns(connection)
    for one in sorted(chosen.values(), key=lambda one: name_of(one.logical_name)):
        yield _verdict(pipeline, connection, runs, one, name_of(one.logical_name), depth or Depth())
    if not names:
        for table in connection.metadata.configured():
            if table.logical_name not in chosen:
                yield Verdict(str(table.entity_set_name), why_not=NOT_LOADED)


def repairing(verdicts: Sequence[Verdict], pipeline: dlt.Pipeline) -> RunContext:
    """The context of a run that corrects what verdicts have found.

    Tables are compared again; a log, which never is, is read again.
    """
    context = RunContext(observer=current_run().observer)
    for one in verdicts:
        if one.loaded is None or one.is_equal:
            continue
        naming = pipeline.schemas[one.loaded.source].naming
        table = naming.normalize_table_identifier(one.table)
        moved = context.reasons if one.loaded.logical_name == AUDIT else context.comparisons
        moved[table] = "it differs from Dataverse's table"
        if one.cells is not None:
            context.suspects[table] = one.cells.keys
    return context


def _means(name: str, names: Sequence[str]) -> bool:
    return any(fnmatch.fnmatchcase(one.lower(), name.lower()) for one in names) or name in names


def _verdict(
    pipeline: dlt.Pipeline,
    connection: Connection,
    runs: TableRuns,
    loaded: LoadedAs,
    name: str,
    depth: Depth,
) -> Verdict:
    try:
        package = _package(pipeline, loaded)
        run = runs.new(loaded.logical_name, package)
        verdict = _compared(run, loaded, depth)
        if verdict.report is None:
            return verdict
        return replace(verdict, lost_files=lost_files(connection.settings, run, package))
    except AuthenticationError:
        raise
    except DataverseError as error:
        return Verdict(name, loaded, why_not=str(error))
    except Exception as error:  # each destination's driver has errors of its own
        return Verdict(name, loaded, why_not=str(table_error(name, error)))


def _compared(run: TableRun, loaded: LoadedAs, depth: Depth) -> Verdict:
    report = compare(run, depth.examples)
    cells = compare_cells(run, depth.sample, depth.examples) if depth.cells else None
    if report is None or (depth.cells and cells is None):
        return Verdict(run.name, loaded, why_not=NOT_QUERYABLE)
    return Verdict(run.name, loaded, report, compared_column(run), cells)


def _package(pipeline: dlt.Pipeline, loaded: LoadedAs) -> Package:
    """What a load package knows of the destination, without one."""
    schema = pipeline.schemas[loaded.source]
    sources: dict[str, Any] = dict(pipeline.state.get("sources") or {})

    def destination(name: str, key: str, environment: str | None) -> Destination:
        return LoadedTable(pipeline, schema, name, key, environment)

    return Package(
        None,
        datetime.now(timezone.utc),
        destination,
        sources[loaded.source].get("resources", {}),
        schema=schema,
    )
