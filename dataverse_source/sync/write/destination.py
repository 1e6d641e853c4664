"""Asks the destination which keys are loaded, over its SQL client where it has one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, cast

import dlt
import pyarrow as pa
from dlt.common.configuration.container import Container
from dlt.common.destination.exceptions import SqlClientNotAvailable
from dlt.common.pipeline import PipelineContext
from dlt.common.schema import Schema
from dlt.common.schema.typing import TColumnSchema
from dlt.destinations.exceptions import DatabaseUndefinedRelation

DELETIONS = "_dataverse_deletions"
"""The table that lists rows which are kept although Dataverse does not have them any more."""

VALID_TO = "_dataverse_valid_to"
"""Column of a table with its history: when a version of a row ended, null for the present one."""

KEYS_AT_ONCE = 100_000


def merge_strategies() -> Sequence[str] | None:
    """Dlt's merge strategies that the destination takes; None where that is not known.

    Asked on dlt's own thread, of the pipeline that is running.
    """
    context = Container()[PipelineContext]
    if not context.is_active():
        return None
    pipeline = cast(dlt.Pipeline, context.pipeline())
    return pipeline.destination.capabilities().supported_merge_strategies


class LoadedTable:
    """One table in the destination of the pipeline that is running.

    Args:
        pipeline: the pipeline.
        schema: the dlt schema that the table is in.
        name: the table, by entity set name.
        key: its key column.
    """

    def __init__(self, pipeline: dlt.Pipeline, schema: Schema, name: str, key: str) -> None:
        self._pipeline = pipeline
        self._schema = schema
        self._name = name
        self._key = key

    def keys(self) -> pa.Array | None:
        """Keys of the rows that are loaded; None where they can't be asked for.

        In a table with its history they are those of the rows that have not ended.
        """
        present = (VALID_TO, None) if VALID_TO in self.columns() else None
        return self._select(self._name, self._key, present)

    def has_rows(self) -> bool:
        """Whether rows are loaded; also when that can't be told."""
        found = self._select(self._name, self._key, limit=1)
        return found is None or len(found) > 0

    def columns(self) -> Mapping[str, TColumnSchema]:
        """What dlt knows of the table's columns."""
        table = self._schema.naming.normalize_table_identifier(self._name)
        return self._schema.tables[table]["columns"] if table in self._schema.tables else {}

    def recorded(self) -> pa.Array:
        """Keys of rows that are listed in `DELETIONS`."""
        return self._recorded

    @cached_property
    def _recorded(self) -> pa.Array:
        found = self._select(DELETIONS, "key", ("table", self._name))
        return pa.array([], pa.string()) if found is None else found

    def _select(
        self,
        table: str,
        column: str,
        only: tuple[str, str | None] | None = None,
        limit: int | None = None,
    ) -> pa.Array | None:
        """Values of a text column; those of the rows where a column has a value, if given."""
        naming = self._schema.naming
        if self._schema.name not in self._pipeline.schema_names:
            return pa.array([], pa.string())  # the very first run
        try:
            with self._pipeline.sql_client(self._schema.name) as client:
                name = client.make_qualified_table_name(naming.normalize_table_identifier(table))
                escaped = client.escape_column_name(naming.normalize_identifier(column))
                sql = f"SELECT {escaped} FROM {name}"  # noqa: S608
                values: list[str] = []
                if only is not None:
                    where = client.escape_column_name(naming.normalize_identifier(only[0]))
                    if only[1] is None:
                        sql = f"{sql} WHERE {where} IS NULL"
                    else:
                        sql, values = f"{sql} WHERE {where} = %s", [only[1]]
                with client.execute_query(sql, *values) as cursor:
                    return _texts(cursor, limit)
        except DatabaseUndefinedRelation:
            return pa.array([], pa.string())
        except SqlClientNotAvailable:
            return None


class NothingLoaded:
    """Stands for a table where no pipeline runs, as when a source is looked into by hand."""

    def keys(self) -> pa.Array | None:
        """None: there is nobody to ask."""
        return None

    def has_rows(self) -> bool:
        """No."""
        return False

    def columns(self) -> Mapping[str, TColumnSchema]:
        """None are known."""
        return {}

    def recorded(self) -> pa.Array:
        """None are."""
        return pa.array([], pa.string())


def _texts(cursor: Any, limit: int | None) -> pa.Array:
    """The first column of all rows, or of the first ``limit``."""
    chunks: list[pa.Array] = []
    while True:
        rows: Sequence[Sequence[Any]] = cursor.fetchmany(limit or KEYS_AT_ONCE)
        chunks.append(pa.array([None if row[0] is None else str(row[0]) for row in rows], "string"))
        if limit is not None or len(rows) < KEYS_AT_ONCE:
            return pa.concat_arrays(chunks)
