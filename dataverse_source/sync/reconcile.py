"""Compares a table in Dataverse with the destination, row by row, and corrects every difference.

One pass reads the key and version of all rows, which costs about a fiftieth of reading the rows;
the destination returns the same. Rows that are missing or have another version are read again,
extra rows are deleted. Every suspect is looked at a second time, as rows may change meanwhile.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta

import pyarrow as pa
import pyarrow.compute as pc

from dataverse_source.arrow.keys import concat, difference
from dataverse_source.arrow.schema import TEXT
from dataverse_source.config.log import logger
from dataverse_source.sync.comparison import Comparison, Fingerprint, Kind
from dataverse_source.sync.context import (
    COMPARING_KEYS,
    DeletedKeys,
    Output,
    RowBatch,
    SyncSteps,
    TableRun,
)
from dataverse_source.sync.read.table_reader import KEYS_A_REQUEST, VERSION
from dataverse_source.sync.read.whole_table import read_keys
from dataverse_source.sync.state import Proof, TableState
from dataverse_source.sync.versions import keys_and_versions
from dataverse_source.sync.write.history import ROW_VERSION
from dataverse_source.sync.written_rows import WrittenRows, digests, version_column

DEFAULT_HOURS = {"cursor": 24.0, "changes": 168.0}
"""Hours between two comparisons by sync mode, unless ``reconcile_interval`` is set."""

FEW = 500
"""Up to this many rows are always read again by key."""

COST_OF_A_PAGE = 5
"""A page of a full read costs about as much as this many requests by key."""


def is_due(run: TableRun, state: TableState) -> bool:
    """Whether this run has to compare the table: after its first load, then at an interval.

    The last load package of a run does it, when all that was read before is loaded.
    Rows that were kept by ``deletes = 'keep'`` are removed as soon as it is ``'remove'``.
    """
    if not state.complete or state.more or len(run.reader.table.key_columns) > 1:
        return False
    if run.reader.table.is_log:  # what Dataverse has purged stays
        return False
    if state.compared is None:
        return True
    given = (run.settings.reconcile_interval, run.settings.sweep_interval)
    hours = next((one for one in given if one is not None), DEFAULT_HOURS.get(state.mode))
    if hours is not None and run.now() - state.compared >= timedelta(hours=hours):
        return True
    return run.settings.deletes == "remove" and len(run.destination.recorded()) > 0


def compared_column(run: TableRun) -> str | None:
    """The version column, if the destination has it too; None: keys alone are compared."""
    column = version_column(run)
    return column if column in run.destination.columns() else None


@dataclass(frozen=True)
class Report:
    """How a table in Dataverse compares with the destination.

    Attributes:
        dataverse: rows and digest there.
        destination: rows and digest there.
        counts: how many keys differ, by kind.
        examples: some of these keys, by kind.
    """

    dataverse: Fingerprint
    destination: Fingerprint
    counts: dict[Kind, int]
    examples: dict[Kind, list[str]]

    @property
    def is_equal(self) -> bool:
        """Whether no row differs."""
        return not any(self.counts.values())


def compare(run: TableRun, examples: int = 10) -> Report | None:
    """Compares the table without changing anything; None if the destination cannot be asked.

    Args:
        run: the run of the table; call it on dlt's own thread, while its pipeline is active.
        examples: how many keys of each kind to return.

    Raises:
        DataverseError: the table can't be read.
    """
    with _new_comparison(run) as comparison:
        if not _read_both(run, comparison):
            return None
        counts = comparison.differences()
        if run.reader.table.is_log:  # Dataverse has purged them
            counts["extra"] = 0
        keys: dict[Kind, list[str]] = {
            kind: concat(list(comparison.keys([kind], examples))).to_pylist() if count else []
            for kind, count in counts.items()
        }
        return Report(*comparison.fingerprints(), counts, keys)


def reconcile(run: TableRun, state: TableState, written: WrittenRows) -> SyncSteps:
    """Compares the table and outputs what corrects the destination.

    Args:
        run: the run of the table.
        state: of the table.
        written: what this run has output; it is not loaded yet.

    Returns:
        The state. If too many rows differ to be read by key, the next load package reads all.
    """
    began = run.now()
    if run.files is not None:
        run.files.check()
    with _new_comparison(run) as comparison:
        if not _read_both(run, comparison):
            logger.warning(
                "%s: deleted rows are not found, because this destination cannot return its keys",
                run.name,
            )
            return replace(state, compared=began)
        written.add_to(comparison)
        comparison.add_suspects(run.suspects)
        yield from _end_altered(run, comparison, comparison.rewritten())
        counts = comparison.differences()
        if any(counts.values()):
            logger.info(
                "%s: the destination differs: %d rows are missing, %d outdated, %d extra",
                run.name,
                *counts.values(),
            )
        wrong = counts["missing"] + counts["outdated"]
        moved = wrong or comparison.has_written
        back = comparison.gone_back() if moved and version_column(run) == VERSION else 0
        if (back or not _are_few(run, comparison, wrong)) and state.reread_by != run.run_id:
            logger.warning(
                "%s: %s; all its rows are read again",
                run.name,
                f"the versions of {back:,} rows have gone back, as when an environment is restored"
                if back
                else f"{wrong:,} rows are missing in the destination or outdated there",
            )
            return replace(state, complete=False, more=True, proof=None, reread_by=run.run_id)
        yield from _correct(run, comparison, ["missing", "outdated"])
        yield from _remove(run, comparison, counts["extra"])
        if comparison.begins_anew:
            logger.warning(
                "%s: %d versions were altered in the destination; they end, and begin anew",
                run.name,
                comparison.begins_anew,
            )
            return replace(state, more=True, compared=None, proof=None)
        ours, theirs = comparison.fingerprints()
        if ours != theirs:
            logger.warning(
                "%s: rows changed while they were compared; the next run compares them again",
                run.name,
            )
            return replace(state, compared=None, proof=None)
    logger.info("%s: proved equal: %s rows, digest %s", run.name, f"{ours.rows:,}", ours.digest)
    return replace(state, compared=began, proof=Proof(ours.rows, ours.digest))


def _new_comparison(run: TableRun) -> Comparison:
    return Comparison(
        versions=compared_column(run) is not None, newest_wins=version_column(run) == VERSION
    )


def _read_both(run: TableRun, comparison: Comparison) -> bool:
    """Reads the destination first, so that a row created since does not look deleted."""
    loaded = run.destination.versions(run.reader.table.key_columns, compared_column(run))
    if loaded is None:
        return False
    for rows in loaded:
        comparison.add_loaded(rows)
    for page in _dataverse_rows(run):
        comparison.add_dataverse(page)
    recorded = run.destination.recorded()
    if run.settings.deletes == "keep" and len(recorded):
        comparison.add_kept(recorded)
    return True


def _dataverse_rows(run: TableRun) -> Iterator[pa.Table]:
    column = compared_column(run)
    run.watch.doing(COMPARING_KEYS)
    for rows in read_keys(run.reader, run.workers, column):
        run.watch.page(rows.num_rows)
        yield keys_and_versions(rows, run.reader.table.key_columns, column)


def _are_few(run: TableRun, comparison: Comparison, count: int) -> bool:
    """Whether reading so many rows by key is cheaper than reading the table."""
    if count <= FEW:
        return True
    pages = comparison.count() / run.reader.page_size
    return count / KEYS_A_REQUEST <= pages * COST_OF_A_PAGE


def _correct(
    run: TableRun, comparison: Comparison, kinds: list[Kind], most: int | None = None
) -> Generator[Output, None, int]:
    """Reads rows by key and outputs them, or their keys if they are deleted.

    Returns:
        How many of them Dataverse has.
    """
    count = 0
    for keys in comparison.keys(kinds, most):
        found = []
        for rows in run.reader.rows_of(keys):
            found.append(keys_and_versions(rows, [run.reader.key], version_column(run)))
            yield RowBatch(rows)
            if run.settings.history:
                told = pa.table({"key": rows[run.reader.key], "digest": digests(run, rows)})
                yield from _end_altered(run, comparison, iter([told]))
        there = concat([rows["key"] for rows in found])
        count += len(there)
        deleted = difference(keys, there)
        if len(deleted):
            comparison.add_written(_keys_only(deleted), deleted=True)
            yield DeletedKeys(deleted)
        for rows in found:
            comparison.add_written(rows)
        comparison.look_again(keys, pa.concat_tables([*found, _keys_only(keys[:0])]))
    return count


def _end_altered(
    run: TableRun, comparison: Comparison, written: Iterator[pa.Table]
) -> Generator[Output, None, None]:
    """Ends the present versions of a history that were altered in the destination.

    Such a version has the digest of the row as it is in Dataverse, so a merge would leave it
    alone. As the key of a deleted row, its key ends it, and the next load package finds the row
    missing.

    Args:
        run: the run of the table.
        comparison: takes the keys.
        written: key and digest of rows that this run writes and that are loaded differently.
    """
    for rows in written:
        keys = concat([rows["key"]])
        loaded = run.destination.rows([run.reader.key, ROW_VERSION], keys.to_pylist())
        there = {str(digest) for chunk in loaded or () for _, digest in chunk}
        same = pc.is_in(rows["digest"], value_set=pa.array(sorted(there), TEXT))
        altered = concat([rows["key"].filter(same)])
        if len(altered):
            comparison.begins_anew += len(altered)
            comparison.add_written(_keys_only(altered), deleted=True)
            yield DeletedKeys(altered)


def _remove(run: TableRun, comparison: Comparison, count: int) -> Generator[Output, None, None]:
    """Outputs the keys of extra rows, after a second look at them."""
    if _are_few(run, comparison, count):
        yield from _correct(run, comparison, ["extra"])
        return
    # A second pass is cheaper; but if it can't be trusted, every key is asked for.
    if (yield from _correct(run, comparison, ["extra"], FEW)):
        yield from _correct(run, comparison, ["extra"])
        return
    comparison.restart_dataverse()
    for page in _dataverse_rows(run):
        comparison.add_dataverse(page)
    comparison.differences()
    for keys in comparison.keys(["extra"]):
        comparison.add_written(_keys_only(keys), deleted=True)
        yield DeletedKeys(keys)


def _keys_only(keys: pa.Array) -> pa.Table:
    return keys_and_versions(pa.table({"key": keys}), ["key"], None)
