"""What one run of `load` did, table by table."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import dlt

from dataverse_source.client.counters import Counters
from dataverse_source.loading.destination_queries import row_counts


@dataclass(frozen=True)
class TableReport:
    """What one run did to one table of the destination.

    Attributes:
        name: the destination's table.
        rows_read: rows read from Dataverse, including those of the lookback.
        rows_before: rows in the destination before the run; None if they cannot be counted.
        rows_after: rows in the destination after it; None if they cannot be counted.
    """

    name: str
    rows_read: int
    rows_before: int | None
    rows_after: int | None

    def __str__(self) -> str:
        """One line: new rows, changed rows, rows in total."""
        if self.rows_before is None or self.rows_after is None:
            return f"{self.name}: {self.rows_read:,} rows read"
        new = max(self.rows_after - self.rows_before, 0)
        changed = max(self.rows_read - new, 0)
        return (
            f"{self.name}: {new:,} new, {changed:,} changed or read again, "
            f"{self.rows_after:,} in total"
        )


@dataclass(frozen=True)
class LoadReport:
    """What one run did.

    Attributes:
        tables: by name.
        seconds: wall time of the run.
        destination: where the rows are, such as the path of the DuckDB file; no secret in it.
        dataset: the schema in the destination that holds the tables.
        counters: requests to Dataverse, and the time lost to limits and faults.
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


class ReportBuilder:
    """Counts the rows before a run, and makes the report after it.

    Args:
        pipeline: before the run.
    """

    def __init__(self, pipeline: dlt.Pipeline) -> None:
        self._started = time.monotonic()
        self._before = row_counts(pipeline, data_tables(pipeline))

    def report(
        self, pipeline: dlt.Pipeline, rows_read: Mapping[str, int], counters: Counters
    ) -> LoadReport:
        """The report.

        Args:
            pipeline: after the run.
            rows_read: by table.
            counters: of the run's requests.
        """
        after = row_counts(pipeline, data_tables(pipeline))
        reports = (
            TableReport(
                name,
                rows_read.get(name, 0),
                None if count is None else self._before.get(name) or 0,
                count,
            )
            for name, count in after.items()
        )
        return LoadReport(
            tuple(reports),
            time.monotonic() - self._started,
            destination_name(pipeline),
            pipeline.dataset_name,
            counters,
        )


def data_tables(pipeline: dlt.Pipeline) -> list[str]:
    """The destination's tables with rows of Dataverse, by name; not the catalog's."""
    if not pipeline.default_schema_name:
        return []
    names = (str(table["name"]) for table in pipeline.default_schema.data_tables())
    return sorted(name for name in names if not name.startswith("_dataverse_"))


def destination_name(pipeline: dlt.Pipeline) -> str:
    """Where the rows are, such as the path of a DuckDB file; no secret in it."""
    trace = pipeline.last_trace
    loaded = trace.last_load_info if trace else None
    shown = loaded.destination_displayable_credentials if loaded else None
    return str(shown or pipeline.destination.destination_name).removeprefix("duckdb:///")
