"""What one run of `load` did, table by table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import dlt

from dataverse_source.client.counters import Counters
from dataverse_source.loading.trace import last_trace


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
        left_out: tables that patterns match but Dataverse cannot list, with the reason.
    """

    tables: tuple[TableReport, ...]
    seconds: float
    destination: str
    dataset: str
    counters: Counters = field(default_factory=Counters)
    left_out: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        """A few lines for the terminal."""
        lines = [str(table) for table in self.tables]
        lines += [f"{name}: left out, Dataverse cannot list it" for name in self.left_out]
        if self.counters.requests:
            lines.append(str(self.counters))
        lines.append(f"{self.seconds:.1f} s, dataset {self.dataset} in {self.destination}")
        return "\n".join(lines)


def destination_name(pipeline: dlt.Pipeline) -> str:
    """Where the rows are, such as the path of a DuckDB file; no secret in it."""
    trace = last_trace(pipeline)
    loaded = trace.last_load_info if trace else None
    shown = loaded.destination_displayable_credentials if loaded else None
    return str(shown or pipeline.destination.destination_name).removeprefix("duckdb:///")
