"""Callbacks that adapt what is read: the columns of a table, their types, and the query."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from dlt.common.schema.typing import TColumnSchema

from dataverse_source.config.settings import TableSettings
from dataverse_source.errors import ConfigurationError, did_you_mean
from dataverse_source.metadata.column_selection import ALWAYS_READ
from dataverse_source.metadata.model import Column, Table

TableAdapter = Callable[[Table], Iterable[str] | None]
"""Gets a table with the columns that would be read; returns the names of those to read."""

TypeAdapter = Callable[[Column], str | TColumnSchema | None]
"""Gets a column; returns dlt's data type or type hints for it, None for the usual type."""

QueryAdapter = Callable[[str | None, Table], str | None]
"""Gets the OData filter, if there is one, and the table; returns the filter to read with."""


@dataclass(frozen=True)
class Adapters:
    """The callbacks of a source.

    Attributes:
        table: chooses columns.
        type: chooses types.
        query: chooses rows.
    """

    table: TableAdapter | None = None
    type: TypeAdapter | None = None
    query: QueryAdapter | None = None

    def columns(self, table: Table, columns: tuple[Column, ...]) -> tuple[Column, ...]:
        """The columns to read; the key and what tells when a row changed are always among them.

        Args:
            table: with all its columns.
            columns: that the settings choose.

        Raises:
            ConfigurationError: the callback names a column that is not among them.
        """
        names = self.table(replace(table, columns=columns)) if self.table else None
        if names is None:
            return columns
        wanted, known = set(names), {one.name for one in columns}
        for name in sorted(wanted - known):
            raise ConfigurationError(
                f"table_adapter_callback names a column {name!r}, which is not read of table "
                f"{table.entity_set_name}",
                where=table.entity_set_name,
                remedy=did_you_mean(name, known) or "Return names of columns of the table it gets.",
            )
        wanted |= {*ALWAYS_READ, *table.key_columns}
        return tuple(one for one in columns if one.name in wanted)

    def types(self, columns: Iterable[Column]) -> dict[str, TColumnSchema]:
        """Type hints of the columns that get another type than usual."""
        found: dict[str, TColumnSchema] = {}
        for column in columns if self.type else ():
            wanted = self.type(column) if self.type else None
            if isinstance(wanted, Mapping):
                found[column.name] = wanted
            elif wanted:
                found[column.name] = {"data_type": wanted}  # type: ignore[typeddict-item]
        return found

    def settings(self, table: Table, settings: TableSettings) -> TableSettings:
        """The settings of a table, with the filter to read with."""
        if self.query is None:
            return settings
        return replace(settings, filter=self.query(settings.filter, table))
