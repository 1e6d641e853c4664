"""The destinations of the matrix, each with its rows as its own driver or library returns them."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import dlt
import duckdb
import pyarrow.parquet as pq
import pytest

from tests.destinations import ducklake

Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Place:
    """One destination.

    Attributes:
        name: as in the docs.
        destination: for a pipeline.
        rows: all rows of a table, given the pipeline and the table's name.
        settings: of the source, for this destination.
    """

    name: str
    destination: Any
    rows: Callable[[dlt.Pipeline, str], Rows]
    settings: dict[str, Any] = field(default_factory=dict)


def place(name: str, folder: Path, fixture: Callable[[str], Any]) -> Place:
    """The destination of this name; what it keeps itself is in ``folder``."""
    if name == "DuckDB":
        return Place(name, dlt.destinations.duckdb(str(folder / "rows.duckdb")), _duckdb(folder))
    if name == "PostgreSQL":
        address = fixture("postgres_address")
        return Place(name, dlt.destinations.postgres(address), _postgres(address))
    if name == "MariaDB":
        address = fixture("mariadb_address")
        return Place(name, dlt.destinations.sqlalchemy(address), _mariadb(address))
    if name == "SQLite":
        address = f"sqlite:///{folder / 'rows.db'}"
        return Place(name, dlt.destinations.sqlalchemy(address), _sqlite(folder))
    if name == "DuckLake":
        return Place(name, *ducklake.lake("duckdb", folder, fixture))
    files = dlt.destinations.filesystem((folder / "lake").as_uri())
    if name == "Parquet":
        return Place(name, files, _parquet(folder / "lake"))
    pytest.importorskip({"Delta": "deltalake", "Iceberg": "pyiceberg"}[name])
    return Place(name, files, open_table_rows, {"table_format": name.lower()})


def _named(cursor: Any) -> Rows:
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _duckdb(folder: Path) -> Callable[[dlt.Pipeline, str], Rows]:
    def rows(pipeline: dlt.Pipeline, table: str) -> Rows:
        with duckdb.connect(str(folder / "rows.duckdb")) as database:
            database.execute("SET TimeZone = 'America/New_York'")
            return _named(database.execute(f'SELECT * FROM "{pipeline.dataset_name}"."{table}"'))

    return rows


def _postgres(address: str) -> Callable[[dlt.Pipeline, str], Rows]:
    def rows(pipeline: dlt.Pipeline, table: str) -> Rows:
        import psycopg2

        with closing(psycopg2.connect(address)) as database, database.cursor() as cursor:
            cursor.execute(f'SELECT * FROM "{pipeline.dataset_name}"."{table}"')
            return _named(cursor)

    return rows


def _mariadb(address: str) -> Callable[[dlt.Pipeline, str], Rows]:
    def rows(pipeline: dlt.Pipeline, table: str) -> Rows:
        import pymysql

        given: dict[str, Any] = {"host": "127.0.0.1", "port": urlsplit(address).port}
        database = pymysql.connect(user="root", **given)
        with closing(database), database.cursor() as cursor:
            cursor.execute(f"SELECT * FROM `{pipeline.dataset_name}`.`{table}`")
            return _named(cursor)

    return rows


def _sqlite(folder: Path) -> Callable[[dlt.Pipeline, str], Rows]:
    def rows(pipeline: dlt.Pipeline, table: str) -> Rows:
        # dlt keeps each dataset in a file of its own
        (file,) = folder.glob(f"*{pipeline.dataset_name}.db")
        with closing(sqlite3.connect(file)) as database:
            return _named(database.execute(f'SELECT * FROM "{table}"'))

    return rows


def _parquet(folder: Path) -> Callable[[dlt.Pipeline, str], Rows]:
    def rows(pipeline: dlt.Pipeline, table: str) -> Rows:
        files = (folder / pipeline.dataset_name / table).glob("*.parquet")
        return [row for file in files for row in pq.read_table(file).to_pylist()]

    return rows


def open_table_rows(pipeline: dlt.Pipeline, table: str) -> Rows:
    """All rows of a Delta or Iceberg table, by the library that writes it."""
    with pipeline.destination_client() as client:
        kind = pipeline.default_schema.tables[table]["table_format"]
        opened = client.load_open_table(kind, table)  # type: ignore[attr-defined]
        rows = opened.to_pyarrow_table() if kind == "delta" else opened.scan().to_arrow()
    return list(rows.to_pylist())
