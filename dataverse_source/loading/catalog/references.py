"""dlt's ``references`` between loaded tables, made from Dataverse's relationships.

dlt's schema exports (``pipeline.default_schema.to_mermaid()``, ``to_dbml()``, ``to_dot()``)
draw them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import cast

from dlt.common.schema.typing import TTableReferenceInline

from dataverse_source.arrow.schema import TableSchema
from dataverse_source.metadata.model import Relationship, Table

BOOKKEEPING = frozenset(
    {
        "createdby",
        "createdonbehalfby",
        "masterid",
        "modifiedby",
        "modifiedonbehalfby",
        "ownerid",
        "owningbusinessunit",
        "owningteam",
        "owninguser",
    }
)
"""Lookups that nearly every table has; they say little about what its rows mean."""


def references_of(
    schema: TableSchema, relationships: Iterable[Relationship], loaded: Iterable[Table]
) -> list[TTableReferenceInline]:
    """The references of one table to other loaded tables, one per table.

    dlt keeps one reference between two tables. If several lookups point at the same table, the
    choice is: lookups other than `BOOKKEEPING`, then those with the fewest targets, then the
    first by name. ``_dataverse_relationships`` has them all.

    Args:
        schema: of the table; only its columns get references.
        relationships: of all loaded tables, as metadata lists an N:N relationship with the
            tables on its sides, not with its intersect table.
        loaded: overview entries of the tables that are loaded.
    """
    by_name = {table.logical_name: table for table in loaded}
    columns = {field.name: field.column for field in schema.fields}

    def rank(one: Relationship) -> tuple[bool, int, str]:
        return one.column in BOOKKEEPING, len(columns[one.column].targets), one.column

    own = [
        one
        for one in relationships
        if one.table == schema.table.logical_name
        and one.column in columns
        and one.referenced_table in by_name
    ]
    first = {one.referenced_table: one for one in sorted(own, key=rank, reverse=True)}
    return [_reference(first[name], by_name[name]) for name in sorted(first)]


def _reference(relationship: Relationship, target: Table) -> TTableReferenceInline:
    reference: Mapping[str, object] = {
        "label": relationship.name,
        "cardinality": "many_to_one",
        "columns": [relationship.column],
        "referenced_table": target.entity_set_name,
        "referenced_columns": [relationship.referenced_column or target.primary_id],
    }
    return cast("TTableReferenceInline", dict(reference))
