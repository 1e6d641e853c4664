"""The table of the destination in which runs mark that they go on."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import dlt
from dlt.common.schema import Schema
from dlt.common.schema.utils import new_column, new_table
from dlt.destinations.exceptions import DatabaseUndefinedRelation
from dlt.destinations.job_client_impl import SqlJobClientBase

from dataverse_source.sync.write.connections import connected
from dataverse_source.sync.write.destination import ONE_CONNECTION

TABLE = "_dataverse_running"
"""Rows are only inserted and deleted, which every database can do."""

KILLED = -1

_SCHEMA = "dataverse_running"
_COLUMNS = ("pipeline", "run", "holder", "place", "beat")


@dataclass(frozen=True)
class Mark:
    """The mark of a run.

    Attributes:
        run: its id.
        holder: machine and process, in words.
        place: id of its working folder; empty if that is not known.
        beat: how often it was renewed; 0 while the run asks whether it may begin, `KILLED` when
            another one has found that it was killed.
    """

    run: str
    holder: str
    place: str
    beat: int


class MarkTable:
    """Reads and writes the marks; its connection is open only while it does, see `opened`.

    Args:
        client: of the destination, for a schema with this table alone.
    """

    def __init__(self, client: SqlJobClientBase) -> None:
        self._client = client
        self._lock = threading.RLock()
        self._is_open = False

    def create(self) -> None:
        """Makes the table, if it is not there."""
        try:
            self.marks("")
        except DatabaseUndefinedRelation:
            with self.opened():
                self._client.initialize_storage()
                tables = [TABLE, self._client.schema.version_table_name]
                self._client.update_stored_schema(only_tables=tables, force=True)

    def marks(self, pipeline: str) -> list[Mark]:
        """The marks of a pipeline's runs."""
        columns = ", ".join(map(self._column, ("run", "holder", "place", "beat")))
        where = f"{self._column('pipeline')} = %s"
        found = self._execute(f"SELECT {columns} FROM {self._name} WHERE {where}", pipeline)  # noqa: S608
        newest: dict[str, Mark] = {}
        for run, holder, place, beat in found or ():
            if run not in newest or newest[run].beat < beat:
                newest[run] = Mark(run, holder, place or "", int(beat))
        return list(newest.values())

    def write(self, pipeline: str, mark: Mark) -> None:
        """Writes a mark in place of the run's former one, so that one is there at any time."""
        self._insert(pipeline, mark)
        if mark.beat:
            self._execute(f"{self._delete} AND {self._column('beat')} < %s", mark.run, mark.beat)

    def mark_killed(self, pipeline: str, mark: Mark) -> None:
        """Marks that a run was killed, until the tables have been compared."""
        self._insert(pipeline, replace(mark, beat=KILLED))
        self._execute(f"{self._delete} AND {self._column('beat')} > %s", mark.run, KILLED)

    def remove(self, run: str) -> None:
        """Removes the mark of a run."""
        self._execute(self._delete, run)

    def _insert(self, pipeline: str, mark: Mark) -> None:
        columns = ", ".join(map(self._column, _COLUMNS))
        insert = f"INSERT INTO {self._name} ({columns}) VALUES (%s, %s, %s, %s, %s)"  # noqa: S608
        self._execute(insert, pipeline, mark.run, mark.holder, mark.place, mark.beat)

    @property
    def _delete(self) -> str:
        return f"DELETE FROM {self._name} WHERE {self._column('run')} = %s"  # noqa: S608

    @property
    def _name(self) -> str:
        return self._client.sql_client.make_qualified_table_name(TABLE)

    def _column(self, name: str) -> str:
        return self._client.sql_client.escape_column_name(name)

    def _execute(self, sql: str, *values: Any) -> Any:
        with self.opened():
            return self._client.sql_client.execute_sql(sql, *values)

    @contextmanager
    def opened(self) -> Iterator[None]:
        """While it lasts, one connection is open; one thread at a time has it.

        Without it, each statement opens one, which takes longer than the statement.
        """
        with self._lock:
            if self._is_open:
                yield
                return
            with connected(lambda: self._client):
                self._is_open = True
                try:
                    yield
                finally:
                    self._is_open = False


def mark_table(pipeline: dlt.Pipeline) -> MarkTable | None:
    """The table in the destination; None if that has no SQL, or takes one connection at a time.

    Raises:
        Exception: the destination cannot be opened; each driver has errors of its own.
    """
    if pipeline.destination is None or pipeline.destination.destination_type in ONE_CONNECTION:
        return None  # a mark is renewed while dlt loads
    client = pipeline.destination_client()
    if not isinstance(client, SqlJobClientBase):
        return None
    schema = Schema(_SCHEMA)
    columns = [new_column(name, "text") for name in _COLUMNS[:-1]]
    schema.update_table(new_table(TABLE, columns=[*columns, new_column("beat", "bigint")]))
    stored = Schema.from_dict(schema.to_dict())  # type: ignore[arg-type]
    own = pipeline.destination.client_class(stored, client.config, client.capabilities)
    return MarkTable(own) if isinstance(own, SqlJobClientBase) else None
