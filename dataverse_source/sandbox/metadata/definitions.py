"""All metadata of a schema as items: tables with their columns, keys and relationships."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, lru_cache

from dataverse_source.sandbox.metadata.choice_definitions import column_choice, global_choice
from dataverse_source.sandbox.metadata.column_definitions import (
    SIMPLE,
    WITH_OPTION_SET,
    column_members,
    kind_of,
    own_members,
)
from dataverse_source.sandbox.metadata.csdl import metadata_document
from dataverse_source.sandbox.metadata.relationship_definitions import (
    alternate_key,
    many_to_many,
    one_to_many,
)
from dataverse_source.sandbox.metadata.shapes import Item, Related
from dataverse_source.sandbox.metadata.table_definitions import table_members
from dataverse_source.sandbox.metadata.types import TABLE
from dataverse_source.sandbox.schema.tables import Column, OneToMany, Schema, Table


def definitions_of(schema: Schema, *, local_as_global: bool = True) -> Definitions:
    """The definitions of a schema; those of the default one are made once in a process.

    Args:
        schema: the schema.
        local_as_global: as for ``Definitions``.
    """
    from dataverse_source.sandbox.schema.catalog import default_schema

    if local_as_global and schema is default_schema():
        return _default_definitions()
    return Definitions(schema, local_as_global=local_as_global)


@lru_cache(maxsize=1)
def _default_definitions() -> Definitions:
    from dataverse_source.sandbox.schema.catalog import default_schema

    return Definitions(default_schema())


class Definitions:
    """The metadata items of one schema, made when first asked for.

    Args:
        schema: the schema.
        local_as_global: ``GlobalOptionSet`` of a local choice is the column's own set.
    """

    def __init__(self, schema: Schema, *, local_as_global: bool = True) -> None:
        self.schema = schema
        self.local_as_global = local_as_global
        self.document = lru_cache(maxsize=2)(lambda annotated: metadata_document(schema, annotated))
        """The ``$metadata`` document, with annotations or without."""
        self._columns = lru_cache(maxsize=None)(self._make_columns)

    @cached_property
    def tables(self) -> list[Item]:
        """EntityDefinitions."""
        return [self._table(table) for table in self.schema.tables]

    @cached_property
    def choices(self) -> list[Item]:
        """GlobalOptionSetDefinitions."""
        found = (global_choice(self.schema, name) for name in self.schema.global_choices)
        return [Item(item.kind, item.members, item.related, typed=True) for item in found]

    @cached_property
    def relationships(self) -> list[Item]:
        """RelationshipDefinitions."""
        ones = [self._one_to_many(link, typed=True) for link in self.schema.one_to_many]
        return ones + [many_to_many(link, typed=True) for link in self.schema.many_to_many]

    def _table(self, table: Table) -> Item:
        name = table.logical_name
        related: dict[str, Callable[[], Related]] = {
            "Attributes": lambda: self._columns(name),
            "Keys": lambda: [alternate_key(table, key) for key in table.keys],
            "OneToManyRelationships": lambda: [
                self._one_to_many(link)
                for link in self.schema.one_to_many
                if link.referenced == name
            ],
            "ManyToOneRelationships": lambda: [
                self._one_to_many(link)
                for link in self.schema.one_to_many
                if link.referencing == name
            ],
            "ManyToManyRelationships": lambda: [
                many_to_many(link)
                for link in self.schema.many_to_many
                if name in (link.table1, link.table2)
            ],
        }
        return Item(TABLE, table_members(table), related)

    def _one_to_many(self, link: OneToMany, *, typed: bool = False) -> Item:
        table = self.schema.by_logical_name.get(link.referencing)
        column = table.by_name.get(link.referencing_attribute) if table else None
        return one_to_many(link, custom=column is not None and column.is_custom, typed=typed)

    def _make_columns(self, logical_name: str) -> list[Item]:
        table = self.schema.by_logical_name[logical_name]
        ordered = sorted(enumerate(table.columns, start=1), key=lambda pair: pair[1].name)
        return [self._column(table, column, number) for number, column in ordered]

    def _column(self, table: Table, column: Column, number: int) -> Item:
        kind = kind_of(column)
        related: dict[str, Callable[[], Related]] = {}
        if kind in WITH_OPTION_SET:
            related = {
                "OptionSet": lambda: column_choice(self.schema, table, column),
                "GlobalOptionSet": lambda: (
                    column_choice(self.schema, table, column)
                    if column.option_set or self.local_as_global
                    else None
                ),
            }
        members = {**column_members(table, column, number), **own_members(column)}
        # Simple values come before labels and managed properties.
        members = dict(sorted(members.items(), key=lambda member: isinstance(member[1], dict)))
        return Item(kind, members, related, typed=kind != SIMPLE)
