"""The default tables with those of column security."""

from __future__ import annotations

from dataclasses import replace

from dataverse_source.sandbox.schema.catalog import default_schema
from dataverse_source.sandbox.schema.tables import Column, Schema, Table


def with_security_tables() -> Schema:
    """The default tables, and those of column security where the default ones lack them."""
    schema = default_schema()
    missing = (each for each in _tables() if each.logical_name not in schema.by_logical_name)
    return replace(schema, tables=(*schema.tables, *missing))


def _tables() -> list[Table]:
    return [
        _table("fieldsecurityprofile", "fieldsecurityprofiles", Column("name", "String")),
        _table(
            "fieldpermission",
            "fieldpermissions",
            Column("fieldsecurityprofileid", "Lookup", targets=("fieldsecurityprofile",)),
            Column("entityname", "EntityName"),
            Column("attributelogicalname", "String"),
            Column("canread", "Integer"),
            Column("canreadunmasked", "Integer"),
        ),
        _table(
            "systemuserprofiles",
            "systemuserprofilescollection",
            Column("systemuserid", "Uniqueidentifier"),
            Column("fieldsecurityprofileid", "Uniqueidentifier"),
            primary_id="systemuserprofileid",
        ),
        _table(
            "teamprofiles",
            "teamprofilescollection",
            Column("teamid", "Uniqueidentifier"),
            Column("fieldsecurityprofileid", "Uniqueidentifier"),
            primary_id="teamprofileid",
        ),
        _table(
            "maskingrule",
            "maskingrules",
            Column("name", "String"),
            Column("regularexpression", "Memo"),
            Column("maskedcharacter", "String"),
        ),
        _table(
            "attributemaskingrule",
            "attributemaskingrules",
            Column("uniquename", "String"),
            Column("entityname", "String"),
            Column("attributelogicalname", "String"),
            Column("maskingruleid", "Lookup", targets=("maskingrule",)),
        ),
    ]


def _table(logical_name: str, entity_set: str, *columns: Column, primary_id: str = "") -> Table:
    key = primary_id or f"{logical_name}id"
    return Table(
        logical_name=logical_name,
        schema_name=logical_name,
        entity_set_name=entity_set,
        primary_id=key,
        primary_name="name" if any(column.name == "name" for column in columns) else None,
        object_type_code=1_200,
        ownership="OrganizationOwned",
        columns=(
            Column(key, "Uniqueidentifier", is_primary_id=True),
            *columns,
            Column("versionnumber", "BigInt"),
        ),
    )
