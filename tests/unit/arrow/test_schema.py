from __future__ import annotations

import pyarrow as pa
import pytest

from dataverse_source.arrow.schema import TableSchema, table_schema
from dataverse_source.metadata.model import Column, Table

KEY = Column("id", "UniqueidentifierType", is_primary_id=True)


def schema_of(*columns: Column, others: tuple[Column, ...] = ()) -> TableSchema:
    table = Table("new_thing", "new_things", "id", columns=(KEY, *columns, *others))
    return table_schema(table, (KEY, *columns))


@pytest.mark.parametrize(
    ("column", "arrow_type", "hint"),
    [
        (Column("a", "BigIntType"), pa.int64(), {"data_type": "bigint"}),
        (Column("a", "IntegerType"), pa.int64(), {"data_type": "bigint"}),
        (Column("a", "PicklistType"), pa.int64(), {"data_type": "bigint"}),
        (Column("a", "StateType"), pa.int64(), {"data_type": "bigint"}),
        (Column("a", "StatusType"), pa.int64(), {"data_type": "bigint"}),
        (Column("a", "BooleanType"), pa.bool_(), {"data_type": "bool"}),
        (Column("a", "DoubleType", precision=2), pa.float64(), {"data_type": "double"}),
        (
            Column("a", "DecimalType", precision=2),
            pa.decimal128(23, 10),
            {"data_type": "decimal", "precision": 23, "scale": 10},
        ),
        (
            Column("exchangerate", "DecimalType", precision=12),
            pa.decimal128(25, 12),
            {"data_type": "decimal", "precision": 25, "scale": 12},
        ),
        (
            Column("a", "DecimalType", precision=99),
            pa.decimal128(38, 25),
            {"data_type": "decimal", "precision": 38, "scale": 25},
        ),
        (
            Column("a", "MoneyType", precision=2),
            pa.decimal128(25, 10),
            {"data_type": "decimal", "precision": 25, "scale": 10},
        ),
        (Column("a", "StringType"), pa.string(), {"data_type": "text"}),
        (Column("a", "MemoType"), pa.string(), {"data_type": "text"}),
        (Column("a", "EntityNameType"), pa.string(), {"data_type": "text"}),
        (Column("a", "UniqueidentifierType"), pa.string(), {"data_type": "text"}),
        (Column("a", "LookupType", targets=("x",)), pa.string(), {"data_type": "text"}),
        (Column("a", "FileType"), pa.string(), {"data_type": "text"}),
        (Column("a", "MultiSelectPicklistType"), pa.string(), {"data_type": "text"}),
        (Column("a", "ManagedPropertyType"), pa.string(), {"data_type": "text"}),
        (Column("a", "InventedNextYearType"), pa.string(), {"data_type": "text"}),
        (Column("a", "ImageType"), pa.binary(), {"data_type": "binary"}),
        (
            Column("a", "DateTimeType", date_behavior="DateOnly"),
            pa.date32(),
            {"data_type": "date"},
        ),
        (
            Column("a", "DateTimeType", date_behavior="UserLocal"),
            pa.timestamp("us", "UTC"),
            {"data_type": "timestamp"},
        ),
        (Column("a", "DateTimeType"), pa.timestamp("us", "UTC"), {"data_type": "timestamp"}),
        (
            Column("a", "DateTimeType", date_behavior="TimeZoneIndependent"),
            pa.timestamp("us"),
            {"data_type": "timestamp", "timezone": False},
        ),
    ],
)
def test_types(column: Column, arrow_type: pa.DataType, hint: dict[str, object]) -> None:
    schema = schema_of(column)
    assert schema.arrow.field(column.name) == pa.field(column.name, arrow_type)
    assert schema.hints[column.name] == {"name": column.name, "nullable": True} | hint


def test_only_the_key_is_never_null() -> None:
    schema = schema_of(Column("name", "StringType"))
    assert schema.primary_key == "id"
    assert [field.nullable for field in schema.arrow] == [False, True]
    assert [hint["nullable"] for hint in schema.hints.values()] == [False, True]


def test_polymorphic_lookups_come_with_their_table() -> None:
    schema = schema_of(
        Column("ownerid", "OwnerType"),
        Column("customerid", "CustomerType"),
        Column("one", "LookupType", targets=("account",)),
        Column("many", "LookupType", targets=("account", "contact")),
    )
    annotation = "@Microsoft.Dynamics.CRM.lookuplogicalname"
    assert [(field.name, field.wire_name) for field in schema.fields] == [
        ("id", "id"),
        ("ownerid", "_ownerid_value"),
        ("owneridtype", f"_ownerid_value{annotation}"),
        ("customerid", "_customerid_value"),
        ("customeridtype", f"_customerid_value{annotation}"),
        ("one", "_one_value"),
        ("many", "_many_value"),
        ("manytype", f"_many_value{annotation}"),
    ]
    assert schema.arrow.field("manytype").type == pa.string()
    assert list(schema.hints) == schema.arrow.names == [field.name for field in schema.fields]


def test_a_lookup_table_never_takes_the_name_of_a_column() -> None:
    owner = Column("ownerid", "OwnerType")
    companion = Column("owneridtype", "EntityNameType", attribute_of="ownerid")
    own = Column("owneridtype", "StringType")
    second = Column("ownerid_type2", "StringType")
    assert schema_of(owner, others=(companion,)).arrow.names == ["id", "ownerid", "owneridtype"]
    assert schema_of(owner, others=(own,)).arrow.names == ["id", "ownerid", "ownerid_type2"]
    assert schema_of(owner, own, second).arrow.names == [
        "id",
        "ownerid",
        "ownerid_type3",
        "owneridtype",
        "ownerid_type2",
    ]
    assert schema_of(owner, companion).arrow.names[-1] == "owneridtype"
    assert len(set(schema_of(owner, companion).arrow.names)) == 4
