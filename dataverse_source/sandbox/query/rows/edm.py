"""Which Edm type a column's values have (docs page "Web API types and operations")."""

from __future__ import annotations

from dataverse_source.sandbox.schema.tables import Column

EDM_TYPES = {
    "BigInt": "Edm.Int64",
    "Boolean": "Edm.Boolean",
    "Customer": "Edm.Guid",
    "DateTime": "Edm.DateTimeOffset",
    "Decimal": "Edm.Decimal",
    "Double": "Edm.Double",
    "EntityName": "Edm.String",
    "File": "Edm.Guid",
    "Image": "Edm.Binary",
    "Integer": "Edm.Int32",
    "Lookup": "Edm.Guid",
    "ManagedProperty": "mscrm.BooleanManagedProperty",
    "Memo": "Edm.String",
    "Money": "Edm.Decimal",
    "MultiSelectPicklist": "Edm.String",
    "Owner": "Edm.Guid",
    "Picklist": "Edm.Int32",
    "State": "Edm.Int32",
    "Status": "Edm.Int32",
    "String": "Edm.String",
    "Uniqueidentifier": "Edm.Guid",
    "Virtual": "Edm.String",
}


def edm_type(column: Column) -> str:
    """The Edm type of a column; a date without time is Edm.Date."""
    if column.type == "DateTime" and column.date_behavior == "DateOnly":
        return "Edm.Date"
    return EDM_TYPES[column.type]
