"""Which loaded tables point at which: dlt's ``references``, from Dataverse's relationships.

dlt's schema exports (``pipeline.default_schema.to_mermaid()``, ``to_dbml()``, ``to_dot()``)
draw them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import cast

from dlt.common.schema.typing import TTableReferenceInline

from dataverse_source.metadata import Relationship, Table
from dataverse_source.schema import TableSchema


def references_of(
    schema: TableSchema, relationships: Iterable[Relationship], loaded: Iterable[Table]
) -> list[TTableReferenceInline]:
    """The references of one table to tables that are loaded too.

    A lookup that can point at several tables gives one reference for each of them.

    Args:
        schema: of the table: only columns that are read can refer to anything.
        relationships: of all loaded tables; an N:N relationship is known to the tables on its
            sides, not to its intersect table.
        loaded: overview entries of the tables that are loaded.
    """
    by_name = {table.logical_name: table for table in loaded}
    read = {field.name for field in schema.fields}
    found = {}
    for one in relationships:
        target = by_name.get(one.referenced_table)
        if one.table == schema.table.logical_name and one.column in read and target:
            found[one.column, target.logical_name] = _reference(one, target)
    return [found[key] for key in sorted(found)]


def _reference(relationship: Relationship, target: Table) -> TTableReferenceInline:
    reference: Mapping[str, object] = {
        "label": relationship.name,
        "cardinality": "many_to_one",
        "columns": [relationship.column],
        "referenced_table": target.entity_set_name,
        "referenced_columns": [relationship.referenced_column or target.primary_id],
    }
    return cast("TTableReferenceInline", dict(reference))
