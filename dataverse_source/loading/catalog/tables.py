"""The catalog tables: metadata of the loaded tables, their columns, relationships and choices.

They are ``_dataverse_tables``, ``_dataverse_columns``, ``_dataverse_relationships`` and
``_dataverse_choices``. Tables are named as in the destination.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from dataverse_source.arrow.schema import INTEGER, TEXT
from dataverse_source.metadata.model import Description, Table

BOOLEAN = pa.bool_()

TABLE_NAMES = (
    "_dataverse_tables",
    "_dataverse_columns",
    "_dataverse_relationships",
    "_dataverse_choices",
)
"""The catalog tables in the destination."""

TABLES = pa.schema(
    [
        ("table", TEXT),
        ("logical_name", TEXT),
        ("display_name", TEXT),
        ("kind", TEXT),
        ("primary_key", TEXT),
        ("primary_name", TEXT),
        ("change_tracking", BOOLEAN),
        ("metadata_id", TEXT),
    ]
)
COLUMNS = pa.schema(
    [
        ("table", TEXT),
        ("column", TEXT),
        ("display_name", TEXT),
        ("type", TEXT),
        ("attribute_of", TEXT),
        ("readable", BOOLEAN),
        ("secured", BOOLEAN),
        ("is_primary_key", BOOLEAN),
        ("targets", TEXT),
        ("precision", INTEGER),
        ("date_behavior", TEXT),
        ("source_type", INTEGER),
    ]
)
RELATIONSHIPS = pa.schema(
    [
        ("name", TEXT),
        ("type", TEXT),
        ("table", TEXT),
        ("column", TEXT),
        ("referenced_table", TEXT),
        ("referenced_column", TEXT),
    ]
)
CHOICES = pa.schema(
    [
        ("table", TEXT),
        ("column", TEXT),
        ("value", INTEGER),
        ("label", TEXT),
        ("language", INTEGER),
        ("type", TEXT),
        ("choice", TEXT),
        ("is_global", BOOLEAN),
        ("state", INTEGER),
    ]
)


@dataclass(frozen=True)
class Described:
    """One loaded table with its columns and its description."""

    table: Table
    description: Description


@dataclass(frozen=True)
class CatalogTable:
    """One table of the catalog.

    Attributes:
        name: in the destination.
        description: for dlt's schema.
        rows: its rows.
    """

    name: str
    description: str
    rows: pa.Table


def catalog(loaded: Sequence[Described], tables: Iterable[Table]) -> tuple[CatalogTable, ...]:
    """The four tables.

    Args:
        loaded: the tables to describe.
        tables: all tables of the environment, to name those at the other end of a relationship.
    """
    names = _Names(tables)
    return (
        _made("_dataverse_tables", "The tables that are loaded.", TABLES, _tables(loaded)),
        _made("_dataverse_columns", "All columns of the loaded tables.", COLUMNS, _columns(loaded)),
        _made(
            "_dataverse_relationships",
            "Relationships of the loaded tables with each other and with other tables.",
            RELATIONSHIPS,
            _relationships(loaded, names),
        ),
        _made(
            "_dataverse_choices",
            "Labels of the values of choice, state, status and yes/no columns, by language.",
            CHOICES,
            _choices(loaded),
        ),
    )


def fingerprint(tables: Iterable[CatalogTable]) -> str:
    """A digest of all rows of the catalog."""
    digest = hashlib.sha256()
    for table in tables:
        digest.update(repr((table.name, table.rows.schema, table.rows.to_pydict())).encode())
    return digest.hexdigest()[:16]


class _Names:
    """Destination names and keys by logical name."""

    def __init__(self, tables: Iterable[Table]) -> None:
        self._by_name = {table.logical_name: table for table in tables}

    def of(self, logical_name: str) -> str:
        table = self._by_name.get(logical_name)
        return (table.entity_set_name if table else None) or logical_name

    def key(self, logical_name: str) -> str | None:
        table = self._by_name.get(logical_name)
        return table.primary_id if table else None


def _made(
    name: str, description: str, schema: pa.Schema, rows: Iterator[Mapping[str, Any]]
) -> CatalogTable:
    return CatalogTable(name, description, pa.Table.from_pylist(list(rows), schema=schema))


def _tables(loaded: Sequence[Described]) -> Iterator[Mapping[str, Any]]:
    for table, description in ((one.table, one.description) for one in loaded):
        yield {
            "table": table.entity_set_name,
            "logical_name": table.logical_name,
            "display_name": description.display_name,
            "kind": table.kind,
            "primary_key": ", ".join(table.key_columns),
            "primary_name": table.primary_name,
            "change_tracking": table.change_tracking,
            "metadata_id": table.metadata_id,
        }


def _columns(loaded: Sequence[Described]) -> Iterator[Mapping[str, Any]]:
    for one in loaded:
        shown = dict(one.description.columns)
        for column in one.table.columns:
            yield {
                "table": one.table.entity_set_name,
                "column": column.name,
                "display_name": shown.get(column.name),
                "type": column.type.removesuffix("Type"),
                "attribute_of": column.attribute_of,
                "readable": column.in_rows,
                "secured": column.secured,
                "is_primary_key": column.name in one.table.key_columns,
                "targets": ", ".join(column.targets) or None,
                "precision": column.precision,
                "date_behavior": column.date_behavior,
                "source_type": column.source_type,
            }


def _relationships(loaded: Sequence[Described], names: _Names) -> Iterator[Mapping[str, Any]]:
    # Both sides of an N:N relationship know it.
    links = dict.fromkeys(link for one in loaded for link in one.description.relationships)
    for link in links:
        yield {
            "name": link.name,
            "type": link.type,
            "table": names.of(link.table),
            "column": link.column,
            "referenced_table": names.of(link.referenced_table),
            "referenced_column": link.referenced_column or names.key(link.referenced_table),
        }


def _choices(loaded: Sequence[Described]) -> Iterator[Mapping[str, Any]]:
    for one in loaded:
        for choice in one.description.choices:
            for option in choice.options:
                for language, label in option.labels or ((None, option.label),):
                    yield {
                        "table": one.table.entity_set_name,
                        "column": choice.column,
                        "value": option.value,
                        "label": label,
                        "language": language,
                        "type": choice.type.removesuffix("Type"),
                        "choice": choice.name,
                        "is_global": choice.is_global,
                        "state": option.state,
                    }
