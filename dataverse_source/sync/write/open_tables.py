"""Asks files, Delta and Iceberg tables in a bucket or folder with DuckDB's SQL, and no extension.

dlt's own client reads them through extensions that DuckDB downloads when they are used. Where it
can't, as in most companies' networks, no row could be counted or compared. So the library that
writes a table says which Parquet files it has now, and dlt's file system opens them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

import dlt
import pyarrow as pa
from dlt.common.destination.client import SupportsOpenTables
from dlt.common.destination.exceptions import DestinationUndefinedEntity, SqlClientNotAvailable
from dlt.common.destination.typing import PreparedTableSchema
from dlt.common.schema import Schema
from dlt.common.schema.typing import TTableFormat, TTableSchema
from dlt.destinations.exceptions import DatabaseUndefinedRelation
from dlt.destinations.impl.filesystem.filesystem import FilesystemClient
from dlt.destinations.impl.filesystem.sql_client import FilesystemSqlClient

from dataverse_source.sync.abilities import OPEN_FORMATS
from dataverse_source.sync.write.columns import DELETED, SEEN_AT
from dataverse_source.sync.write.connections import connected

_NOT_READ = frozenset({"columnMapping", "deletionVectors"})
"""Features of a Delta table that a plain list of its files does not tell (Delta's protocol)."""


@contextmanager
def sql_client(pipeline: dlt.Pipeline, schema_name: str = "") -> Iterator[Any]:
    """The pipeline's SQL client, open.

    Args:
        pipeline: the pipeline.
        schema_name: name of one of its schemas; empty for the default one.

    Raises:
        SqlClientNotAvailable: the destination has none.
        Exception: the destination cannot be reached; each driver has errors of its own.
    """
    if pipeline.destination.destination_type != "dlt.destinations.filesystem":
        with connected(lambda: pipeline.sql_client(schema_name)) as client:
            yield client
        return
    with pipeline.destination_client(schema_name) as files:
        files = cast(FilesystemClient, files)
        with _Files(files, files.dataset_name) as client:
            yield client


def open_table(files: SupportsOpenTables, table: str) -> tuple[TTableFormat, Any] | None:
    """The format of a table and its ``DeltaTable`` or ``pyiceberg.table.Table``.

    Args:
        files: dlt's client of the bucket or folder.
        table: name in the destination.

    Returns:
        None if it is another kind of table.

    Raises:
        DestinationUndefinedEntity: the destination has no such table.
    """
    for kind in cast("tuple[TTableFormat, ...]", OPEN_FORMATS):
        if files.is_open_table(kind, table):
            return kind, files.load_open_table(kind, table)
    return None


def add_columns(pipeline: dlt.Pipeline, schema: Schema, table: str, columns: pa.Schema) -> None:
    """Adds columns to an Iceberg table that lacks them, before rows are merged into it.

    pyiceberg's upsert reads the loaded rows with the columns of the last snapshot, and fails when
    those that dlt has just added are not among them. So they get a snapshot of their own.

    Args:
        pipeline: whose destination holds the table.
        schema: dlt's schema of the table.
        table: name in the destination.
        columns: all that will be written.
    """
    with pipeline.destination_client(schema.name) as client:
        try:
            found = open_table(client, table) if isinstance(client, SupportsOpenTables) else None
        except DestinationUndefinedEntity:
            return
        if found is None or found[0] != "iceberg":
            return
        opened = found[1]
        snapshot = opened.current_snapshot()
        known = set(opened.schema().column_names)
        new = [one for one in columns if one.name not in known]
        if new:
            with opened.update_schema() as update:
                update.union_by_name(pa.schema([pa.field(one.name, one.type) for one in new]))
        if new or (snapshot is not None and snapshot.schema_id != opened.schema().schema_id):
            opened.append(opened.schema().as_arrow().empty_table())


class _Files(FilesystemSqlClient):
    """DuckDB in memory, with a view of each table that is asked."""

    def create_secret(self, *_: Any, **__: Any) -> bool:
        """Gives DuckDB the file system that dlt uses, in place of one of its own."""
        files = self.remote_client.fs_client
        if not self.remote_client.config.is_local_filesystem:
            self.native_connection.register_filesystem(files)
        return True

    def should_replace_view(self, *_: Any) -> bool:
        """Yes: the rows of now, also where the client stays open for a whole run."""
        return True

    def create_view_select(
        self, table_schema: PreparedTableSchema, schema: Schema | None = None
    ) -> tuple[str, str] | None:
        """The SQL of a view."""
        name, known = str(table_schema["name"]), schema or self.schema
        if name in known.dlt_table_names():
            return super().create_view_select(table_schema, known)
        try:
            found = open_table(self.remote_client, name)
        except DestinationUndefinedEntity as error:
            raise DatabaseUndefinedRelation(error) from error
        if found is None:
            return super().create_view_select(table_schema, known)
        kind, table = found
        location = self.remote_client.get_open_table_location(kind, name)
        paths = _delta_files(table) if kind == "delta" else _iceberg_files(table)
        # The types of all columns: a new one may be in no file yet.
        mapper = self.capabilities.get_type_mapper()
        columns = table_schema["columns"].values()
        types = ", ".join(
            f"NULL::{mapper.to_destination_type(one, table_schema)} "
            f"AS {self.escape_column_name(str(one['name']))}"
            for one in columns
        )
        rows = f"SELECT {types} WHERE FALSE"
        if paths:
            shown = ", ".join(self.capabilities.escape_literal(path) for path in paths)
            rows += f" UNION ALL BY NAME FROM read_parquet([{shown}], union_by_name = true)"
        if kind == "iceberg" and has_marks(table_schema):
            rows = f"FROM ({rows}) WHERE {DELETED} IS NULL"  # the others are removed at the end
        return location, rows


def has_marks(table: TTableSchema | PreparedTableSchema) -> bool:
    """Whether deleted rows may be in an Iceberg table, as rows with a mark."""
    return DELETED in table["columns"] and SEEN_AT not in table["columns"]


def _delta_files(table: Any) -> Sequence[str]:
    if _NOT_READ & set(table.protocol().reader_features or ()):  # another program has written
        raise SqlClientNotAvailable("Delta table", table.table_uri, "deltalake")
    return cast("Sequence[str]", table.file_uris())


def _iceberg_files(table: Any) -> Sequence[str]:
    tasks = list(table.scan().plan_files())
    if any(one.delete_files for one in tasks):  # others have deleted rows
        raise SqlClientNotAvailable("Iceberg table", table.location(), "pyiceberg")
    return [one.file.file_path for one in tasks]
