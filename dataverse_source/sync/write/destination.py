"""Asks the destination what is loaded, through its SQL client if it has one."""

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

from dataverse_source.arrow.keys import no_keys

DELETIONS = "_dataverse_deletions"
"""Table with the keys of the rows that are kept although Dataverse no longer has them."""

VALID_TO = "_dataverse_valid_to"
"""Column of a table with a history: when a version ended; null for the present one."""

KEYS_AT_ONCE = 100_000


def merge_strategies() -> Sequence[str] | None:
    """The destination's merge strategies in dlt; None if no pipeline is running.

    Call it on dlt's own thread.
    """
    context = Container()[PipelineContext]
    if not context.is_active():
        return None
    pipeline = cast(dlt.Pipeline, context.pipeline())
    return pipeline.destination.capabilities().supported_merge_strategies


class LoadedTable:
    """One table in the destination of the running pipeline.

    Args:
        pipeline: the pipeline.
        schema: the dlt schema of the table.
        name: entity set name of the table.
        key: its key column.
    """

    def __init__(self, pipeline: dlt.Pipeline, schema: Schema, name: str, key: str) -> None:
        self._pipeline = pipeline
        self._schema = schema
        self._name = name
        self._key = key

    def keys(self) -> pa.Array | None:
        """Keys of the loaded rows; None if the destination cannot be asked.

        For a table with a history: of the versions that have not ended.
        """
        present = (VALID_TO, None) if VALID_TO in self.columns() else None
        return self._select(self._name, self._key, present)

    def has_rows(self) -> bool:
        """Whether any rows are loaded; True if the destination cannot be asked."""
        found = self._select(self._name, self._key, limit=1)
        return found is None or len(found) > 0

    def columns(self) -> Mapping[str, TColumnSchema]:
        """The columns that dlt knows of the table, by name."""
        table = self._schema.naming.normalize_table_identifier(self._name)
        return self._schema.tables[table]["columns"] if table in self._schema.tables else {}

    def recorded(self) -> pa.Array:
        """Keys of the rows recorded in `DELETIONS`."""
        return self._recorded

    @cached_property
    def _recorded(self) -> pa.Array:
        found = self._select(DELETIONS, "key", ("table", self._name))
        return no_keys() if found is None else found

    def _select(
        self,
        table: str,
        column: str,
        only: tuple[str, str | None] | None = None,
        limit: int | None = None,
    ) -> pa.Array | None:
        """Values of a text column, of all rows or of those where ``only`` has its value."""
        naming = self._schema.naming
        if self._schema.name not in self._pipeline.schema_names:
            return no_keys()  # the very first run
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
            return no_keys()
        except SqlClientNotAvailable:
            return None


class NothingLoaded:
    """The table when no pipeline is running, as when a source is iterated by hand."""

    def keys(self) -> pa.Array | None:
        """None: there is no destination."""
        return None

    def has_rows(self) -> bool:
        """No."""
        return False

    def columns(self) -> Mapping[str, TColumnSchema]:
        """None."""
        return {}

    def recorded(self) -> pa.Array:
        """None."""
        return no_keys()


def _texts(cursor: Any, limit: int | None) -> pa.Array:
    """The first column of all rows, or of the first ``limit``."""
    chunks: list[pa.Array] = []
    while True:
        rows: Sequence[Sequence[Any]] = cursor.fetchmany(limit or KEYS_AT_ONCE)
        chunks.append(pa.array([None if row[0] is None else str(row[0]) for row in rows], "string"))
        if limit is not None or len(rows) < KEYS_AT_ONCE:
            return pa.concat_arrays(chunks)
