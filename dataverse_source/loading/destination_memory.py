"""Remembers what a run left in the destination, and finds what has changed there since.

A delta link or a watermark only describes what changes in Dataverse. If somebody empties or drops
a loaded table, restores the destination from a backup, or another machine loads older rows, the
rows that are missing do not come back with the next changes. So each run records in the
pipeline's working folder what it left, and the next one compares.
"""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypedDict, cast

import dlt

from dataverse_source.config.log import logger
from dataverse_source.errors import PipelineError
from dataverse_source.loading.destination_queries import (
    Query,
    one_client,
    row_counts,
    schema_of,
    select,
    storage_of,
)
from dataverse_source.loading.environment_check import environments_in
from dataverse_source.loading.file_row_counts import file_rows, lost_files
from dataverse_source.loading.other_pipelines import (
    loads_in_dataset,
    newest_loads_of_others,
    other_pipeline,
)
from dataverse_source.loading.run_context import EVERY_TABLE
from dataverse_source.sync.audit_changes import AUDIT_CHANGES, AUDITS
from dataverse_source.sync.write.history import COLUMNS

KEY = "dataverse_source"
"""Of dlt's local state."""

EMPTY = "it is empty in the destination"
NEW_FOLDER = "this working folder is new, or was lost"
OTHER_RUNS = "another machine or program has run the pipeline since the last run here"
OTHER_LOADS = (
    "the destination is not as the last run left it: it was restored from a backup, or another "
    "machine has loaded into it since"
)


class Memory(TypedDict):
    """What a run left.

    Attributes:
        state: hash of the pipeline's state.
        load: id of its last load package that is in the destination; empty if there is none.
        states: how often this pipeline's state was written to the destination.
        rows: rows by table.
        others: newest load package of each other pipeline in the dataset, before the run.
        read_again: why tables that the run did not load have to be read in full.
        compare: why such tables have to be compared.
        files: rows of files by table; None if unknown.
    """

    state: str
    load: str
    states: int
    rows: dict[str, int | None]
    others: dict[str, str]
    read_again: dict[str, str]
    compare: dict[str, str]
    files: dict[str, int] | None


@dataclass(frozen=True)
class Seen:
    """What a run finds in the destination before it reads anything.

    Attributes:
        state: hash of the pipeline's state.
        states: how often this pipeline's state was written; None if unknown.
        has_load: whether the last load package that the memory knows is there.
        rows: rows by table; None if they cannot be counted.
        without_columns: tables that lack columns which were loaded into them.
        others: newest load package of each other pipeline in the dataset.
        files: rows of files by table; None if unknown.
    """

    state: str
    states: int | None
    has_load: bool
    rows: Mapping[str, int | None]
    without_columns: Sequence[str] = ()
    others: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, int] | None = None


@dataclass(frozen=True)
class Moved:
    """What has to be done as the destination is not as the last run left it.

    Attributes:
        read_again: why tables have to be read in full, by table of the destination or
            `EVERY_TABLE`.
        compare: why tables have to be compared, in the same form.
        other_pipelines: pipelines that have loaded since; tables of theirs have to be compared.
    """

    read_again: dict[str, str] = field(default_factory=dict)
    compare: dict[str, str] = field(default_factory=dict)
    other_pipelines: list[str] = field(default_factory=list)

    def left(self, tables: Iterable[str], done: Container[str]) -> Moved:
        """What the next run has to do still.

        Args:
            tables: of the destination.
            done: those that the run has loaded.
        """
        return Moved(_left(self.read_again, tables, done), _left(self.compare, tables, done))


def _left(
    reasons: Mapping[str, str], tables: Iterable[str], done: Container[str]
) -> dict[str, str]:
    every = reasons.get(EVERY_TABLE)
    whole = {**(dict.fromkeys(tables, every) if every else {}), **reasons}
    return {name: why for name, why in whole.items() if name not in done and name != EVERY_TABLE}


def what_moved(memory: Memory | None, seen: Seen) -> Moved:
    """Compares the destination with what the last run on this machine left.

    Args:
        memory: of that run; None if this working folder knows of none.
        seen: what is there now.
    """
    known = memory.get("others", {}) if memory else {}
    others = [name for name, load in seen.others.items() if known.get(name) != load]
    read_again = dict(memory.get("read_again", {})) if memory else {}
    compare = dict(memory.get("compare", {})) if memory else {}
    if memory is None or memory["state"] != seen.state:
        # The state was restored from the destination, or another program ran the pipeline: how
        # many rows it left is not known, so only a comparison tells whether they are all there.
        read_again |= {table: EMPTY for table, count in seen.rows.items() if count == 0}
        compare[EVERY_TABLE] = NEW_FOLDER if memory is None else OTHER_RUNS
    elif seen.states != memory["states"] or not seen.has_load:
        read_again[EVERY_TABLE] = OTHER_LOADS
    else:
        for table, left in memory["rows"].items():
            now = seen.rows.get(table, 0)
            if left is not None and now is not None and now != left:
                read_again[table] = f"it has {now:,} rows in the destination instead of {left:,}"
        for table, why in lost_files(memory.get("files"), seen.files).items():
            read_again.setdefault(table, why)
        for table in seen.without_columns:
            read_again.setdefault(table, "columns of it are missing in the destination")
    if AUDIT_CHANGES in read_again:  # they come with the rows of the audit
        read_again.setdefault(AUDITS, f"{AUDIT_CHANGES}: {read_again.pop(AUDIT_CHANGES)}")
    return Moved(read_again, compare, others)


class DestinationMemory:
    """Looks at the destination before a run, and records what the run left.

    Args:
        pipeline: before the run, without pending packages.

    Attributes:
        rows: in the destination, by table.
        environments: those that other pipelines of the dataset have loaded, by pipeline.
        lost_histories: the columns of histories of tables that no longer have them, by table: the
            destination was restored from a backup of before.
        is_in_step: whether the working folder and the destination are both as the last run here
            left them; known once `moved` was called.
    """

    def __init__(self, pipeline: dlt.Pipeline) -> None:
        self.is_in_step = False
        self.lost_histories: dict[str, Collection[str]] = {}
        self.environments: dict[str, Sequence[Mapping[str, str]]] = {}
        self.rows = row_counts(pipeline, data_tables(pipeline))
        self._files = file_rows(pipeline)
        self._states = _states(pipeline)
        self._loads = loads_in_dataset(pipeline)
        self._others = newest_loads_of_others(pipeline)
        self._memory = _memory(pipeline)
        self._moved = Moved()

    def moved(self, pipeline: dlt.Pipeline) -> Moved:
        """What has to be done as the destination is not as the last run left it."""
        memory = self._memory
        missing = dict(_missing_columns(pipeline, list(self.rows))) if memory else {}
        history = set(COLUMNS)
        self.lost_histories = {one: history for one in missing if history <= missing[one]}
        seen = Seen(
            _state_hash(pipeline),
            self._states,
            memory is None or _has_load(pipeline, memory["load"]),
            self.rows,
            list(missing),
            self._others,
            self._files,
        )
        self.is_in_step = (
            memory is not None
            and seen.has_load
            and (seen.state, seen.states) == (memory["state"], memory["states"])
        )
        found = what_moved(memory, seen)
        own = list(environments_in(dict(pipeline.state)))
        for name in self._others if pipeline.refresh else found.other_pipelines:
            other = other_pipeline(pipeline, name)
            self.environments[name] = other.environments
            for table in other.tables if other.shares_rows(own) else ():
                found.compare.setdefault(table, f"pipeline {name} loads it too, and has done so")
        self._moved = found
        return found

    def others_have_loaded(self, pipeline: dlt.Pipeline, loads: Sequence[str]) -> bool:
        """Whether another run has loaded into the dataset since this one looked.

        Args:
            pipeline: after the run.
            loads: ids of the run's load packages.

        Raises:
            PipelineError: it was one of the same pipeline. Each of the two may have emptied what
                the other was about to merge, and only one of their states is kept.
        """
        if self._loads is None or loads_in_dataset(pipeline) == self._loads + len(loads):
            return False
        now, own = _states(pipeline), _states(pipeline, loads)
        if None not in (now, own, self._states) and now != cast(int, self._states) + cast(int, own):
            raise PipelineError(
                f"Another run of pipeline {pipeline.pipeline_name} has loaded at the same time, so "
                "rows may be missing or doubled",
                where=f"dataset {pipeline.dataset_name}",
                remedy="Run again: the next run repairs the tables, by reading them again or by "
                "comparing them. Have the scheduler start one run of a pipeline at a time.",
            )
        return True

    def record(
        self,
        pipeline: dlt.Pipeline,
        rows: Mapping[str, int | None],
        loads: Sequence[str],
        done: Container[str],
    ) -> None:
        """Records what a run left.

        If another machine has written this pipeline's state during the run, the next run finds
        more than this and the run's own, and reads all tables again.

        Args:
            pipeline: after the run.
            rows: in the destination, by table.
            loads: ids of the run's load packages.
            done: the tables that were loaded, by name in the destination and logical name.
        """
        own = _states(pipeline, loads)
        if own is None or self._states is None:
            return
        before = self._memory["load"] if self._memory else ""
        left = self._moved.left(rows, done)
        memory = Memory(
            state=_state_hash(pipeline),
            load=loads[-1] if loads else before,
            states=self._states + own,
            rows=dict(rows),
            others=dict(self._others),
            read_again=left.read_again,
            compare=left.compare,
            files=file_rows(pipeline),
        )
        pipeline.set_local_state_val(KEY, memory)


def read_again_next_time(pipeline: dlt.Pipeline, reasons: Mapping[str, str]) -> None:
    """Has the next run read tables in full, after `DestinationMemory.record`.

    Args:
        pipeline: that ran.
        reasons: by table of the destination.
    """
    memory = _memory(pipeline)
    if memory is not None:
        memory["read_again"] = {**memory.get("read_again", {}), **reasons}
        pipeline.set_local_state_val(KEY, memory)


def look_at_destination(pipeline: dlt.Pipeline) -> tuple[DestinationMemory, Moved]:
    """Looks at the destination, and takes its state where it is not the one in the working folder.

    dlt takes the state when it runs, too; but then it is too late to compare it.

    Raises:
        DltException: the destination cannot be reached.
    """
    if _memory(pipeline) is not None:
        with suppress(Exception):  # a destination that cannot be reached: dlt tells it below
            looked = _look(pipeline)
            if looked[0].is_in_step:
                return looked
    if pipeline.config.restore_from_destination and not pipeline.dev_mode:
        pipeline.sync_destination()
    return _look(pipeline)


def _look(pipeline: dlt.Pipeline) -> tuple[DestinationMemory, Moved]:
    with one_client(pipeline):
        memory = DestinationMemory(pipeline)
        return memory, memory.moved(pipeline)


def counted_rows(pipeline: dlt.Pipeline) -> dict[str, int | None]:
    """Rows by table after a run; unknown where they cannot be counted, as the run has loaded."""
    tables = data_tables(pipeline)
    try:
        return row_counts(pipeline, tables)
    except Exception as error:  # each destination's driver has errors of its own
        logger.warning("The rows in the destination cannot be counted: %s", error)
        return dict.fromkeys(tables)


def data_tables(pipeline: dlt.Pipeline) -> list[str]:
    """The destination's tables with rows of Dataverse, by name; not the catalog's."""
    schema = schema_of(pipeline)
    names = [str(table["name"]) for table in schema.data_tables()] if schema else []
    return sorted(name for name in names if not name.startswith("_dataverse_"))


def _memory(pipeline: dlt.Pipeline) -> Memory | None:
    try:
        return cast(Memory, pipeline.get_local_state_val(KEY))
    except KeyError:
        return None


def _state_hash(pipeline: dlt.Pipeline) -> str:
    return str(pipeline.state.get("_version_hash"))


def _states(pipeline: dlt.Pipeline, loads: Sequence[str] | None = None) -> int | None:
    """How often the pipeline's state was written, by ``loads`` if given; None if unknown."""
    schema = schema_of(pipeline)
    if schema is None:
        return 0
    written = f"SELECT load_id FROM {{{schema.loads_table_name}}} WHERE status = 0"  # noqa: S608
    where, values = f"pipeline_name = %s AND _dlt_load_id IN ({written})", [pipeline.pipeline_name]
    if loads is not None:
        if not loads:
            return 0
        where += f" AND _dlt_load_id IN ({', '.join(['%s'] * len(loads))})"
        values += loads
    query = Query(
        schema.state_table_name,
        where=where,
        values=tuple(values),
        tables=(schema.loads_table_name,),
    )
    (found,) = select(pipeline, [query])
    return None if found is None else int(found[0][0]) if found else 0


def _has_load(pipeline: dlt.Pipeline, load: str) -> bool:
    schema = schema_of(pipeline)
    if not load or schema is None:
        return True
    (found,) = select(
        pipeline, [Query(schema.loads_table_name, where="load_id = %s", values=(load,))]
    )
    return found is None or (bool(found) and int(found[0][0]) > 0)


def _missing_columns(
    pipeline: dlt.Pipeline, tables: Sequence[str]
) -> Iterator[tuple[str, set[str]]]:
    """The tables that lack columns which dlt has loaded into them, with these columns."""
    schema = schema_of(pipeline)
    if not tables or schema is None:
        return
    with storage_of(pipeline) as client:
        if client is None:
            return
        for table, columns in client.get_storage_tables(tables):
            # Names may differ in case; a table without any column does not exist.
            if not columns:
                continue
            missing = schema.get_new_table_columns(table, columns, case_sensitive=False)
            if missing:
                yield table, {str(one["name"]) for one in missing}
