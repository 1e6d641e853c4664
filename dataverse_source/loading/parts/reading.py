"""Reads one part of a table into Parquet files in the landing place."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import IO, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dataverse_source.config.log import logger
from dataverse_source.errors import ConfigurationError
from dataverse_source.loading.connection import Connection
from dataverse_source.loading.parts.landing import PLAN, Landing
from dataverse_source.loading.parts.load_plan import LoadPlan, Part
from dataverse_source.loading.parts.opened import open_run
from dataverse_source.sync.context import RowBatch, SyncSteps
from dataverse_source.sync.landed import PLAN_AGAIN
from dataverse_source.sync.read.recreated_rows import is_recent
from dataverse_source.sync.read.table_reader import VERSION
from dataverse_source.sync.read.whole_table import read_intervals
from dataverse_source.sync.state import TableState
from dataverse_source.sync.write.batches import large_batches
from dataverse_source.sync.write.row_files import FORMAT, file_schema, with_mark

ROWS_A_FILE = 1_000_000
BYTES_A_FILE = 512 * 2**20
"""Of a file's rows in memory; the file is several times smaller."""


@dataclass(frozen=True)
class LandedFile:
    """A file of a part.

    Attributes:
        name: in the plan's folder.
        rows: in it.
        recent: its rows may also be in other parts, under the same key.
    """

    name: str
    rows: int
    recent: bool


@dataclass
class PartReport:
    """What a part holds; as a JSON file, it is the part's manifest.

    Attributes:
        plan: id of the plan.
        table: entity set name.
        number: of the part.
        attempt: id of the attempt that read it.
        files: its files.
        rows: in all of them.
        left_out: rows newer than the plan, which the ordinary run brings.
        requests: that were sent.
        seconds: that it took.
    """

    plan: str
    table: str
    number: int
    attempt: str = ""
    files: list[LandedFile] = field(default_factory=list)
    rows: int = 0
    left_out: int = 0
    requests: int = 0
    seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """The report as JSON values."""
        return asdict(self)


def manifest_name(number: int) -> str:
    """Name of the manifest of a part."""
    return f"part-{number:05d}.json"


def manifest(landing: Landing, plan: LoadPlan, number: int) -> PartReport | None:
    """What a part holds; None if it has not been read."""
    found = landing.get(manifest_name(number))
    if found is None:
        return None
    files = [LandedFile(**one) for one in found.pop("files")]
    report = PartReport(files=files, **found)
    return report if report.plan == plan.id else None


def read_part_of(plan: LoadPlan, number: int, connection: Connection) -> PartReport:
    """Reads a part, unless that is done; any number of processes may do so at any time.

    Raises:
        ConfigurationError: the plan has no such part, is finished or does not fit any more.
        DataverseError: the rows can't be read.
    """
    report = PartReport(plan.id, plan.table, number)
    if not 0 <= number < max(plan.asked, len(plan.parts)):
        raise ConfigurationError(
            f"The plan of {plan.table} has no part {number}",
            where=f"part {number}",
            why=f"its parts are 0 to {len(plan.parts) - 1}" if plan.parts else "it has no parts",
            remedy="The plan lists the numbers of its parts as `numbers`.",
        )
    if number >= len(plan.parts):
        logger.info("%s: there is no part %d, so nothing to read", plan.table, number)
        return report
    landing = Landing(plan.landing)
    check_plan_is_there(landing, plan)
    done = manifest(landing, plan, number)
    if done is not None:
        logger.info("%s: part %d has been read already", plan.table, number)
        return done
    began = time.monotonic()
    run = open_run(connection, plan.table, refused_columns=plan.state.get("refused_columns", ()))
    check_fits(plan, connection, run.columns, [one.name for one in run.reader.columns])
    before = connection.client.counters
    report.attempt = secrets.token_hex(4)
    schema = file_schema(run.reader.schema.arrow)
    files = _Files(landing, f"part-{number:05d}.{report.attempt}", schema)
    try:
        batches = read_intervals(
            run.reader, run.workers, plan.parts[number].as_intervals, plan.page_bytes
        )
        report.left_out = _write(plan, batches, files)
    except BaseException:
        files.discard()
        raise
    report.files = files.close()
    report.rows = sum(one.rows for one in report.files)
    report.requests = connection.client.counters.since(before).requests
    report.seconds = round(time.monotonic() - began, 3)
    landing.put(manifest_name(number), report.to_json())
    if landing.get(PLAN) is None:  # finished meanwhile, with the part of another process
        landing.remove_all()
    _tell(plan.parts[number], report)
    return report


def check_plan_is_there(landing: Landing, plan: LoadPlan) -> None:
    """Checks that the plan's folder is there, and not that of another plan.

    Raises:
        ConfigurationError: it is not.
    """
    found = landing.get(PLAN)
    if found is not None and found.get("id") == plan.id:
        return
    elsewhere = (
        " It is a folder of one machine: for parts on several machines, set landing_url to a "
        "bucket or folder that all of them reach."
        if landing.is_local
        else ""
    )
    raise ConfigurationError(
        f"The landing place has no plan {plan.id} of {plan.table}",
        where=plan.landing,
        why="it is finished, or was removed" if found is None else "another plan is there",
        remedy=f"Nothing is left to do if the plan is finished; otherwise plan again.{elsewhere}",
    )


def check_fits(plan: LoadPlan, connection: Connection, columns: str, names: list[str]) -> None:
    """Checks that the table is the one that was planned.

    Raises:
        ConfigurationError: environment, columns or filter are others.
    """
    ours = connection.environment, connection.organization_id
    if ours != (plan.environment, plan.organization):
        why = f"it is of {plan.environment}, and the settings lead to {connection.environment}"
        if connection.environment == plan.environment:
            why = "the environment was replaced by another one of the same address"
        raise ConfigurationError(
            f"This plan of {plan.table} is of another environment",
            where="environment_url",
            why=why,
            remedy="Use the same settings for plan, parts and finish, or plan again.",
        )
    if columns == plan.columns:
        return
    added = sorted(set(names) - set(plan.column_names))
    removed = sorted(set(plan.column_names) - set(names))
    changes = [f"added: {', '.join(added)}"] * bool(added)
    changes += [f"removed: {', '.join(removed)}"] * bool(removed)
    raise ConfigurationError(
        f"The columns of {plan.table} have changed since the plan was made",
        where=plan.table,
        why="; ".join(changes) or "types, filter, labels or history are others",
        remedy=PLAN_AGAIN,
    )


def _write(plan: LoadPlan, batches: Iterator[pa.Table], files: _Files) -> int:
    """Writes the rows; returns how many are left out as they are newer than the plan."""
    left_out = 0

    def steps() -> SyncSteps:
        nonlocal left_out
        for rows in batches:
            recent = is_recent(rows, plan.highest)
            if not pc.any(recent).as_py():  # nearly always; filters of many columns are slow
                yield RowBatch(rows)
                continue
            yield RowBatch(rows.filter(pc.invert(recent)))
            rows = rows.filter(recent)
            if plan.leaves_out_newer:
                known = rows.filter(pc.fill_null(pc.less_equal(rows[VERSION], plan.highest), True))
                left_out += rows.num_rows - known.num_rows
                rows = known
            files.add_recent(rows)
        return TableState()

    for output in large_batches(steps()):
        if isinstance(output, RowBatch):
            files.add(output.table)
    return left_out


class _Files:
    """The files of one attempt at a part.

    Args:
        landing: the plan's folder.
        prefix: of their names.
        schema: of the rows.
    """

    def __init__(self, landing: Landing, prefix: str, schema: pa.Schema) -> None:
        self._landing, self._prefix, self._schema = landing, prefix, schema
        self._done: list[LandedFile] = []
        self._open: dict[bool, _File] = {}

    def add(self, rows: pa.Table, *, recent: bool = False) -> None:
        """Writes rows, as a row group of their own."""
        if not rows.num_rows:
            return
        rows = with_mark(rows)
        one = self._open.get(recent)
        if one is None:
            number = len(self._done) + len(self._open)
            name = f"{self._prefix}.{number:03d}.parquet"
            with self._landing.writing():
                one = _File(name, self._landing.write(name), self._schema)
            self._open[recent] = one
        with self._landing.writing():
            one.add(rows)
        if one.is_full:
            self._close(recent)

    def add_recent(self, rows: pa.Table) -> None:
        """Writes rows that may come twice."""
        self.add(rows, recent=True)

    def close(self) -> list[LandedFile]:
        """Ends all files; returns what they hold."""
        for recent in list(self._open):
            self._close(recent)
        return self._done

    def discard(self) -> None:
        """Removes all files that it can."""
        for name in [*(one.name for one in self._open.values()), *(one.name for one in self._done)]:
            with suppress(Exception):  # the first error is the one that counts
                self._landing.remove(name)

    def _close(self, recent: bool) -> None:
        one = self._open.pop(recent)
        with self._landing.writing():
            one.close()
        self._done.append(LandedFile(one.name, one.rows, recent))


class _File:
    """A Parquet file that is being written."""

    def __init__(self, name: str, stream: IO[bytes], schema: pa.Schema) -> None:
        self.name, self.rows, self._bytes = name, 0, 0
        self._stream = stream
        self._writer = pq.ParquetWriter(stream, schema, **FORMAT)

    @property
    def is_full(self) -> bool:
        return self.rows >= ROWS_A_FILE or self._bytes >= BYTES_A_FILE

    def add(self, rows: pa.Table) -> None:
        self._writer.write_table(rows, row_group_size=rows.num_rows)
        self.rows += rows.num_rows
        self._bytes += rows.nbytes

    def close(self) -> None:
        self._writer.close()
        self._stream.close()


def _tell(part: Part, report: PartReport) -> None:
    logger.info(
        "%s: part %d: %d rows (%d when planned), %d newer ones left out, %d requests",
        report.table,
        report.number,
        report.rows,
        part.rows,
        report.left_out,
        report.requests,
    )
