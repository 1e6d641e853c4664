"""Remembers what a run left in the destination, and finds what has changed there since.

A delta link or a watermark only describes what changes in Dataverse. If somebody empties or drops
a loaded table, restores the destination from a backup, or another machine loads older rows, the
rows that are missing do not come back with the next changes. So each run records in the
pipeline's working folder what it left, and the next one compares.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TypedDict, cast

import dlt
from dlt.destinations.job_client_impl import SqlJobClientBase

from dataverse_source.loading.destination_queries import Query, row_counts, select
from dataverse_source.loading.run_context import EVERY_TABLE

KEY = "dataverse_source"
"""Of dlt's local state."""

EMPTY = "it is empty in the destination"
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
    """

    state: str
    load: str
    states: int
    rows: dict[str, int | None]


class DestinationMemory:
    """Compares the destination before a run, and records what the run left.

    Args:
        pipeline: before the run, without pending packages.
    """

    def __init__(self, pipeline: dlt.Pipeline) -> None:
        if pipeline.config.restore_from_destination and not pipeline.dev_mode:
            pipeline.sync_destination()  # as dlt does when it runs: the state to compare with
        self.rows = row_counts(pipeline, data_tables(pipeline))
        self._states = _states(pipeline)
        self._memory = _memory(pipeline)

    def reasons_to_read_again(self, pipeline: dlt.Pipeline) -> dict[str, str]:
        """Why tables have to be read in full, by table of the destination or `EVERY_TABLE`."""
        memory = self._memory
        if memory is None or memory["state"] != _state_hash(pipeline):
            # The state was restored from the destination, or another program ran the pipeline.
            return {table: EMPTY for table, count in self.rows.items() if count == 0}
        if self._states != memory["states"] or not _has_load(pipeline, memory["load"]):
            return {EVERY_TABLE: OTHER_LOADS}
        reasons = {}
        for table, left in memory["rows"].items():
            now = self.rows.get(table, 0)
            if left is not None and now is not None and now != left:
                reasons[table] = f"it has {now:,} rows in the destination instead of {left:,}"
        for table in _without_columns(pipeline, list(self.rows)):
            reasons.setdefault(table, "columns of it are missing in the destination")
        return reasons

    def record(
        self, pipeline: dlt.Pipeline, rows: Mapping[str, int | None], loads: Sequence[str]
    ) -> None:
        """Records what a run left.

        If another machine has written this pipeline's state during the run, the next run finds
        more than this and the run's own, and reads all tables again.

        Args:
            pipeline: after the run.
            rows: in the destination, by table.
            loads: ids of the run's load packages.
        """
        own = _states(pipeline, loads)
        if own is None or self._states is None:
            return
        before = self._memory["load"] if self._memory else ""
        memory = Memory(
            state=_state_hash(pipeline),
            load=loads[-1] if loads else before,
            states=self._states + own,
            rows=dict(rows),
        )
        pipeline.set_local_state_val(KEY, memory)


def data_tables(pipeline: dlt.Pipeline) -> list[str]:
    """The destination's tables with rows of Dataverse, by name; not the catalog's."""
    if not pipeline.default_schema_name:
        return []
    names = (str(table["name"]) for table in pipeline.default_schema.data_tables())
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
    if not pipeline.default_schema_name:
        return 0
    schema = pipeline.default_schema
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
    if not load:
        return True
    table = pipeline.default_schema.loads_table_name
    (found,) = select(pipeline, [Query(table, where="load_id = %s", values=(load,))])
    return found is None or (bool(found) and int(found[0][0]) > 0)


def _without_columns(pipeline: dlt.Pipeline, tables: Sequence[str]) -> Iterator[str]:
    """The tables that lack columns which dlt has loaded into them."""
    if not tables:
        return
    schema = pipeline.default_schema
    with pipeline.destination_client() as client:
        if not isinstance(client, SqlJobClientBase):
            return
        for table, columns in client.get_storage_tables(tables):
            # Names may differ in case; a table without any column does not exist.
            if columns and schema.get_new_table_columns(table, columns, case_sensitive=False):
                yield table
