"""What one run of `load` did, table by table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import dlt
from dlt.common.exceptions import DltException

from dataverse_source.client.counters import Counters
from dataverse_source.config.query_settings import RETAINED
from dataverse_source.errors import mask_secrets

CHANGES = ("inserted", "updated", "unchanged", "deleted")
"""What a run may do to a row, as attributes of `TableReport`."""


@dataclass(frozen=True)
class TableReport:
    """What one run did to one table of the destination; None is unknown.

    Attributes:
        name: the destination's table.
        rows_read: rows and deleted keys read from Dataverse, including those of the lookback.
        rows_before: rows in the destination before the run; with a history, all versions.
        rows_after: rows in the destination after it; with a history, all versions.
        logical_name: the table's name in Dataverse.
        mode: sync mode.
        inserted: rows that the destination did not have.
        updated: rows that it had in another version.
        unchanged: rows that were read although it had them already.
        deleted: rows that it had and Dataverse no longer has. With ``deletes = "keep"`` they are
            recorded in ``_dataverse_deletions``; with a history, their version has ended.
        rows_now: rows in the destination after the run; with a history, present versions.
        seconds: time in which the table was read.
        requests: requests to the table's own address.
        token_given_at: when Dataverse gave the delta link that the next run follows.
        schema_changes: what has changed in its metadata, such as ``column added: code (String)``.
        error: why it failed; None if it did not.
        seconds_waited: time in which its requests were held back, by limits or faults.
        files_stored: files of its rows that were stored.
        files_size: their bytes.
        files_failed: files of its rows that could not be read; the next run tries again.
        files_gone: files that its rows no longer have.
    """

    name: str
    rows_read: int
    rows_before: int | None
    rows_after: int | None
    logical_name: str = ""
    mode: str | None = None
    inserted: int | None = 0
    updated: int | None = 0
    unchanged: int | None = 0
    deleted: int | None = 0
    rows_now: int | None = None
    seconds: float = 0.0
    requests: int = 0
    token_given_at: datetime | None = None
    schema_changes: tuple[str, ...] = ()
    error: str | None = None
    seconds_waited: float = 0.0
    files_stored: int = 0
    files_size: int = 0
    files_failed: int = 0
    files_gone: int = 0

    def __str__(self) -> str:
        """One line: what was done, and the rows now."""
        if self.error is not None:
            return f"{self.name}: failed"
        done = (f"{number(getattr(self, word))} {word}" for word in CHANGES)
        return f"{self.name}: {', '.join(done)}, {number(self.rows_now)} rows now"

    @property
    def about_files(self) -> str:
        """One line about its files; empty if none has changed."""
        if not (self.files_stored or self.files_failed or self.files_gone):
            return ""
        text = f"{self.name}: {self.files_stored:,} files stored ({size(self.files_size)})"
        text += f", {self.files_gone:,} gone" if self.files_gone else ""
        if self.files_failed:
            text += f", {self.files_failed:,} failed: _dataverse_files says why"
        return text


def size(count: int) -> str:
    """A number of bytes for people, such as ``3.4 MB``."""
    shown, unit = float(count), "bytes"
    for larger in ("kB", "MB", "GB", "TB"):
        if shown < 1000:
            break
        shown, unit = shown / 1000, larger
    return f"{count:,} bytes" if unit == "bytes" else f"{shown:.1f} {unit}"


def number(value: int | None) -> str:
    """A number for people; ``?`` if it is unknown."""
    return "?" if value is None else f"{value:,}"


def add_up(tables: Iterable[TableReport], word: str) -> int | None:
    """The sum of a number over tables that did not fail; None if one of them is unknown."""
    values = [getattr(one, word) for one in tables if one.error is None]
    return None if None in values else sum(values)


@dataclass(frozen=True)
class LoadReport:
    """What one run did.

    Attributes:
        tables: those of the run, by name; failed ones too.
        seconds: wall time of the run.
        destination: where the rows are, such as the path of the DuckDB file; no secret in it.
        dataset: the schema in the destination that holds the tables.
        counters: requests to Dataverse, and the time lost to limits and faults.
        left_out: tables that patterns match but Dataverse cannot list, with the reason.
        is_loaded: whether the run went on to its end; if not, the numbers are those of the load
            packages that were loaded before.
    """

    tables: tuple[TableReport, ...]
    seconds: float
    destination: str
    dataset: str
    counters: Counters = field(default_factory=Counters)
    left_out: Mapping[str, str] = field(default_factory=dict)
    is_loaded: bool = True

    def __str__(self) -> str:
        """A few lines for the terminal."""
        return "\n".join([*map(str, self.tables), *self.lines_below])

    @property
    def lines_below(self) -> list[str]:
        """What the text says below its tables; the last line closes the run."""
        lines: list[str] = []
        for table in self.tables:
            lines += [f"{table.name}: {change}" for change in table.schema_changes]
        lines += [table.about_files for table in self.tables if table.about_files]
        lines += self._archived
        lines += [f"{name}: left out, Dataverse cannot list it" for name in self.left_out]
        if self.counters.requests:
            lines.append(str(self.counters))
        lines.append(f"dataset {self.dataset} in {self.destination}")
        return [*lines, self.summary]

    @property
    def _archived(self) -> list[str]:
        """What to say of deletes in tables whose archived rows are loaded, too."""
        names = {one.name.lower(): one.name for one in self.tables}
        return [
            f"{one.name}: rows that retention archives count as deleted; "
            f"{names[one.name.lower() + RETAINED]} has them"
            for one in self.tables
            if one.deleted and one.name.lower() + RETAINED in names
        ]

    @property
    def summary(self) -> str:
        """One line that closes the run: how long it took, and what was done."""
        loaded = [one for one in self.tables if one.error is None]
        words = ("inserted", "updated", "deleted")
        done = ", ".join(f"{number(add_up(loaded, word))} {word}" for word in words)
        failed = len(self.tables) - len(loaded)
        tables = f"{len(self.tables):,} table{'' if len(self.tables) == 1 else 's'}"
        if not self.is_loaded:  # which tables would have failed is not known
            return f"Ended early after {duration(self.seconds)}: {tables}, {done}"
        return f"Done in {duration(self.seconds)}: {tables}, {done}, {failed:,} failed"


def duration(seconds: float) -> str:
    """A time in words of at most two units, such as ``4m 12s``."""
    if seconds < 60:
        return f"{seconds:.1f}s"
    minutes, left = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h {minutes}m" if hours else f"{minutes}m {left}s"


def destination_name(pipeline: dlt.Pipeline) -> str:
    """Where the rows are, such as the absolute path of a DuckDB file; no secret in it."""
    name = str(pipeline.destination.destination_name)
    try:
        shown = str(pipeline.destination_client().config)
    except DltException:  # settings are missing
        return name
    return mask_secrets(shown).removeprefix("duckdb:///") if shown not in ("", "None") else name
