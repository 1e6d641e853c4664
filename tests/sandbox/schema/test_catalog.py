"""The default tables hold together and agree with what real organizations have."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dataverse_source.sandbox.schema import attribute_metadata
from dataverse_source.sandbox.schema.catalog import FOLDER, default_schema, table_files
from dataverse_source.sandbox.schema.entity_metadata import MEMBERS
from dataverse_source.sandbox.schema.labels import options, readable_name
from dataverse_source.sandbox.schema.tables import LOOKUP_TYPES, Option, Table
from tests.support.sandbox.metadata_requests import recording

SCHEMA = default_schema()
TABLES = [pytest.param(table, id=table.logical_name) for table in SCHEMA.tables]


def test_account_has_at_least_140_columns_in_rows_of_every_type_it_can_have() -> None:
    account = SCHEMA.by_logical_name["account"]
    assert len(account.by_wire_name) >= 140
    types = {column.type for column in account.columns}
    assert types >= {
        "BigInt", "Boolean", "Customer", "DateTime", "Decimal", "Double", "EntityName", "File",
        "Image", "Integer", "Lookup", "Memo", "Money", "MultiSelectPicklist", "Owner",
        "Picklist", "State", "Status", "String", "Uniqueidentifier", "Virtual",
    }  # fmt: skip
    behaviors = {column.date_behavior for column in account.columns if column.type == "DateTime"}
    assert behaviors == {"UserLocal", "DateOnly", "TimeZoneIndependent"}
    assert {column.source_type for column in account.columns} >= {0, 1, 2, 3}
    assert any(column.secured for column in account.columns)
    assert any(column.is_logical for column in account.columns)


@pytest.mark.parametrize("table", TABLES)
def test_a_table_holds_together(table: Table) -> None:
    names = [column.name for column in table.columns]
    assert len(names) == len(set(names))
    assert [c.name for c in table.columns if c.is_primary_id] == [table.primary_id]
    named = [c.name for c in table.columns if c.is_primary_name]
    assert named == ([table.primary_name] if table.primary_name else [])
    for column in table.columns:
        assert column.name == column.schema_name.lower()
        assert column.attribute_of is None or column.attribute_of in names
        assert column.calculation_of is None or column.calculation_of in names
        if column.type in ("Picklist", "MultiSelectPicklist", "State", "Status", "Boolean"):
            assert column.options or column.option_set in SCHEMA.global_choices
        if column.type == "DateTime":
            assert column.date_behavior in ("UserLocal", "DateOnly", "TimeZoneIndependent")


@pytest.mark.parametrize("table", TABLES)
def test_every_status_reason_belongs_to_a_state(table: Table) -> None:
    states = {o.value for c in table.columns if c.type == "State" for o in c.options}
    reasons = {o.state for c in table.columns if c.type == "Status" for o in c.options}
    assert reasons == states


def test_names_are_used_once() -> None:
    for names in (
        [table.logical_name for table in SCHEMA.tables],
        [table.entity_set_name for table in SCHEMA.tables if table.entity_set_name],
        [link.schema_name for link in SCHEMA.one_to_many],
        [(link.referencing, link.referencing_navigation) for link in SCHEMA.one_to_many],
        [(link.referenced, link.referenced_navigation) for link in SCHEMA.one_to_many],
    ):
        assert len(names) == len(set(names))


def test_relationships_join_columns_that_exist() -> None:
    for link in SCHEMA.one_to_many:
        referencing = SCHEMA.by_logical_name[link.referencing]
        column = referencing.by_name[link.referencing_attribute]
        assert column.type in LOOKUP_TYPES
        assert link.referenced in column.targets or link.referenced == "owner"
        assert SCHEMA.by_logical_name[link.referenced].primary_id == link.referenced_attribute


def test_account_has_the_relationships_of_a_real_organization() -> None:
    recorded = recording("resource__Validate_Create__get_entitydefinition_account")
    ours = {link.schema_name: link for link in SCHEMA.one_to_many if link.referencing == "account"}
    shared = 0
    for real in recorded["ManyToOneRelationships"]:
        link = ours.get(real["SchemaName"])
        if link is None:
            continue
        shared += 1
        assert link.referenced == real["ReferencedEntity"]
        assert link.referencing_attribute == real["ReferencingAttribute"]
        assert link.referencing_navigation == real["ReferencingEntityNavigationPropertyName"]
        assert link.referenced_navigation == real["ReferencedEntityNavigationPropertyName"]
    assert shared >= 13


def test_account_rows_have_the_properties_of_a_real_row() -> None:
    row = recording("resource__Validate_Create__get_account_00000000-0000-0000-0000-000000000020")
    account = SCHEMA.by_logical_name["account"]
    platform = {
        name
        for name in row
        if not name.startswith(("@", "adx_", "_msa_")) and "externalparty" not in name
    }
    assert platform <= set(account.by_wire_name)


def test_options_are_read_from_a_line() -> None:
    assert options("1=First;2=Net 30, 2%") == (Option(1, "First"), Option(2, "Net 30, 2%"))
    assert options("1:0=Active") == (Option(1, "Active", 0),)


@pytest.mark.parametrize(
    ("schema_name", "shown"),
    [
        ("Address1_PostalCode", "Address 1: Postal"),
        ("NumberOfEmployees", "Number Of Employees"),
        ("SLAId", "SLA"),
        ("new_TaxNumber", "Tax Number"),
        ("YomiName", "Yomi Name"),
    ],
)
def test_schema_names_become_readable(schema_name: str, shown: str) -> None:
    assert readable_name(schema_name) == shown


def test_every_file_is_a_table_in_the_order_and_the_other_way_round() -> None:
    listed = table_files()
    assert sorted(listed) == sorted((FOLDER / "tables").iterdir())
    assert [path.stem for path in listed] == [table.logical_name for table in SCHEMA.tables]


@pytest.mark.parametrize("path", [pytest.param(path, id=path.stem) for path in table_files()])
def test_a_file_has_only_members_that_are_read(path: Path) -> None:
    table = json.loads(path.read_bytes())
    assert table.keys() <= MEMBERS | {"$comment"}
    for column in table["Attributes"]:
        assert column.keys() <= attribute_metadata.MEMBERS
    for relationship in table.get("ManyToOneRelationships", []):
        assert relationship.keys() <= {
            "CascadeConfiguration", "ReferencedAttribute", "ReferencedEntity",
            "ReferencedEntityNavigationPropertyName", "ReferencingAttribute",
            "ReferencingEntityNavigationPropertyName", "SchemaName",
        }  # fmt: skip


@pytest.mark.parametrize("path", [pytest.param(path, id=path.stem) for path in table_files()])
def test_a_column_takes_one_line(path: Path) -> None:
    lines = path.read_text("utf-8").splitlines()
    columns = json.loads(path.read_bytes())["Attributes"]
    assert sum("AttributeType" in line for line in lines) == len(columns)
