"""Runs a pipeline with the source and reports what happened, as scripts want it.

What reads and decodes is imported when a pipeline runs, not when a script is imported.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import dlt
from dlt.common.destination.exceptions import SqlClientNotAvailable
from dlt.common.exceptions import DltException
from dlt.destinations.exceptions import DatabaseUndefinedRelation
from dlt.destinations.sql_client import SqlClientBase
from dlt.extract import DltSource
from dlt.pipeline.exceptions import PipelineStepFailed

from dataverse_source.client.counters import Counters, metered
from dataverse_source.errors import (
    DataverseError,
    PipelineError,
    TablesFailedError,
    causes,
    dataverse_error,
)

_SAME_NAME = "Ambiguous reference to catalog or schema"
"""What DuckDB says of a database and a schema with the same name."""


@dataclass(frozen=True)
class TableReport:
    """What one run did to one table of the destination.

    Attributes:
        name: the destination's table.
        rows_read: rows that came from Dataverse, those of the lookback included.
        rows_before: rows in the destination before the run, None where it can't be counted.
        rows_after: rows in the destination after it, None where it can't be counted.
    """

    name: str
    rows_read: int
    rows_before: int | None
    rows_after: int | None

    def __str__(self) -> str:
        """One line: rows read, and how many rows the table has gained."""
        if self.rows_before is None or self.rows_after is None:
            return f"{self.name}: {self.rows_read:,} rows read"
        new = max(self.rows_after - self.rows_before, 0)
        changed = max(self.rows_read - new, 0)
        return (
            f"{self.name}: {new:,} new, {changed:,} changed or read again, "
            f"{self.rows_after:,} rows in all"
        )


@dataclass(frozen=True)
class LoadReport:
    """What one run did.

    Attributes:
        tables: by name.
        seconds: wall time of the whole run.
        destination: where the rows are, such as the path of the DuckDB file; no secret in it.
        dataset: the schema in the destination that holds the tables.
        counters: what was asked of Dataverse, and what limits and faults have cost.
    """

    tables: tuple[TableReport, ...]
    seconds: float
    destination: str
    dataset: str
    counters: Counters = field(default_factory=Counters)

    def __str__(self) -> str:
        """A few lines for the terminal."""
        lines = [str(table) for table in self.tables]
        if self.counters.requests:
            lines.append(str(self.counters))
        lines.append(f"{self.seconds:.1f} s, dataset {self.dataset} in {self.destination}")
        return "\n".join(lines)


def load(pipeline: dlt.Pipeline, source: DltSource) -> LoadReport:
    """Bring the destination in step with Dataverse.

    A load package that an interrupted run left behind is loaded first; dlt alone would load
    it and return without reading anything new. Long first reads go on, package by package,
    until they are done. A table that fails does not keep the others from being loaded.

    Args:
        pipeline: any dlt pipeline.
        source: what `dataverse_source.dataverse` returned.

    Raises:
        TablesFailedError: some tables failed; the destination and the state of these are as
            before.
        DataverseError: what went wrong with the only table, or with all of them.
        PipelineError: the destination failed, or dlt itself.
        KeyboardInterrupt: the run was interrupted by a signal.
    """
    from dataverse_source.loading.packages import run_to_the_end, settle_pending

    started = time.monotonic()
    failure: DataverseError | None = None
    try:
        pipeline = settle_pending(pipeline)
        before = _row_counts(pipeline, _tables(pipeline))
        with metered() as meter:
            read, failures = run_to_the_end(pipeline, source)
    except DltException as error:
        if any(isinstance(one, KeyboardInterrupt) for one in causes(error)):
            raise KeyboardInterrupt from error
        failure = dataverse_error(error) or _pipeline_error(pipeline, error)
    if failure is not None:
        raise failure
    if failures:
        raise _failed(failures, pipeline, source)
    tables = _tables(pipeline)
    after = _row_counts(pipeline, tables)
    reports = (
        TableReport(
            name,
            read.get(name, 0),
            None if after[name] is None else before.get(name) or 0,
            after[name],
        )
        for name in tables
    )
    return LoadReport(
        tuple(reports),
        time.monotonic() - started,
        _destination(pipeline),
        pipeline.dataset_name,
        meter.counters,
    )


def _failed(
    failures: dict[str, DataverseError], pipeline: dlt.Pipeline, source: DltSource
) -> DataverseError:
    """One error for those of several tables; if it is the same for all, that one."""
    from dataverse_source.loading.packages import tables_of

    names = [name for name in source.selected_resources if not name.startswith("_dataverse_")]
    count = sum(len(tables_of(pipeline, source.name, name)) or 1 for name in names)
    texts = {f"{type(error)} {error.why}" for error in failures.values()}
    if len(texts) == 1 and len(failures) == count:
        return next(iter(failures.values()))
    return TablesFailedError(failures, count)


def _pipeline_error(pipeline: dlt.Pipeline, error: BaseException) -> PipelineError:
    first = [*causes(error)][-1]
    step = f" in step {error.step}" if isinstance(error, PipelineStepFailed) else ""
    remedy = (
        "Dataverse was not at fault. Once the cause is gone, run again: what is loaded stays, "
        "what is not will be."
    )
    if _SAME_NAME in str(first):
        remedy = (
            "Give pipeline (or database) and dataset different names: DuckDB calls a database "
            "as its file is called, and can't tell it from a schema of the same name."
        )
    return PipelineError(
        f"Pipeline {pipeline.pipeline_name} failed{step}",
        where=_destination(pipeline),
        why=f"{type(first).__name__}: {first}",
        remedy=remedy,
    )


def _tables(pipeline: dlt.Pipeline) -> list[str]:
    if not pipeline.default_schema_name:
        return []
    names = (str(table["name"]) for table in pipeline.default_schema.data_tables())
    return sorted(name for name in names if not name.startswith("_dataverse_"))


def _row_counts(pipeline: dlt.Pipeline, tables: list[str]) -> dict[str, int | None]:
    """Rows in the destination by table; None where it can't be asked, 0 where there is none."""
    if not tables:
        return {}
    try:
        with pipeline.sql_client() as client:
            return {name: _row_count(client, name) for name in tables}
    except SqlClientNotAvailable:
        return dict.fromkeys(tables)


def _row_count(client: SqlClientBase[Any], table: str) -> int | None:
    relation = client.make_qualified_table_name(table)
    try:
        found = client.execute_sql(f"SELECT COUNT(*) FROM {relation}")  # noqa: S608
    except DatabaseUndefinedRelation:
        return 0
    return int(found[0][0]) if found else None


def _destination(pipeline: dlt.Pipeline) -> str:
    trace = pipeline.last_trace
    loaded = trace.last_load_info if trace else None
    shown = loaded.destination_displayable_credentials if loaded else None
    return str(shown or pipeline.destination.destination_name).removeprefix("duckdb:///")
