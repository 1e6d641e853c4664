"""Real tables: every entity type of the recorded $metadata documents through schema and decoder."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from dlt.common.libs.pyarrow import py_arrow_to_table_schema_columns

from dataverse_source.arrow.decode import decode_fast, decode_page
from dataverse_source.arrow.decode_exact import decode_exact
from dataverse_source.arrow.schema import table_schema
from dataverse_source.errors import UnknownNameError
from dataverse_source.metadata.column_selection import select_columns
from dataverse_source.metadata.model import Column, Table
from tests.support.places import SHARED

CSDL = SHARED / "corpus" / "csdl"
EDM = "{http://docs.oasis-open.org/odata/ns/edm}"

TYPES: dict[str, tuple[Column, Any]] = {
    "Edm.Guid": (Column("", "UniqueidentifierType"), "9e613cdf-d4fd-4f2a-8af4-79adbd380508"),
    "Edm.String": (Column("", "StringType"), "d\u00e9j\u00e0"),
    "Edm.Int32": (Column("", "IntegerType"), -5),
    "Edm.Int64": (Column("", "BigIntType"), 638751549947120004),
    "Edm.Boolean": (Column("", "BooleanType"), False),
    "Edm.Decimal": (Column("", "MoneyType", precision=2), 20000.25),
    "Edm.Double": (Column("", "DoubleType"), 47.63),
    "Edm.DateTimeOffset": (Column("", "DateTimeType"), "2024-06-12T14:13:25Z"),
    "Edm.Date": (Column("", "DateTimeType", date_behavior="DateOnly"), "2024-06-12"),
    "Edm.Binary": (Column("", "ImageType"), "aGk="),
    "mscrm.BooleanManagedProperty": (Column("", "ManagedPropertyType"), {"Value": True}),
}
"""What stands in a $metadata document, the column it may come from, and a value of it."""


def documents() -> list[Path]:
    return sorted(CSDL.glob("*.xml.gz"))


def entity_types(document: Path) -> dict[str, ElementTree.Element]:
    with gzip.open(document) as stream:
        root = ElementTree.parse(stream).getroot()
    return {one.attrib["Name"]: one for one in root.iter(f"{EDM}EntityType")}


def lineage(name: str, types: dict[str, ElementTree.Element]) -> Iterator[ElementTree.Element]:
    """The entity type and all that it derives from."""
    element = types[name]
    yield element
    base = element.get("BaseType")
    if base:
        yield from lineage(base.rpartition(".")[2], types)


def column(name: str, edm_type: str) -> Column:
    kind = TYPES[edm_type][0]
    if name.startswith("_") and name.endswith("_value"):
        return Column(name[1:-6], "LookupType", targets=("account", "contact"))
    return Column(name, kind.type, precision=kind.precision, date_behavior=kind.date_behavior)


def table(name: str, types: dict[str, ElementTree.Element]) -> tuple[Table, dict[str, Any]]:
    """The table of an entity type, and a row that has a value in every column."""
    key = ""
    columns = {}
    row: dict[str, Any] = {}
    for element in lineage(name, types):
        for reference in element.iter(f"{EDM}PropertyRef"):
            key = key or reference.attrib["Name"]
        for item in element.iter(f"{EDM}Property"):
            wire_name, edm_type = item.attrib["Name"], item.attrib["Type"]
            if edm_type.startswith("Collection("):
                continue
            columns[wire_name] = column(wire_name, edm_type)
            row[wire_name] = TYPES[edm_type][1]
    return Table(name, f"{name}s", key, columns=tuple(columns.values())), row


def test_the_corpus_is_there() -> None:
    if not documents():
        pytest.skip("the recorded $metadata documents (../shared/corpus/csdl) are missing")
    assert len(documents()) == 6


@pytest.mark.slow
@pytest.mark.parametrize("document", documents(), ids=lambda path: path.name)
def test_every_table_of_a_real_environment(document: Path) -> None:
    types = entity_types(document)
    read = 0
    for name, element in types.items():
        ancestors = {one.attrib["Name"] for one in lineage(name, types)}
        if element.get("Abstract") == "true" or "crmbaseentity" not in ancestors:
            continue  # no table, but metadata or the answer of a function
        one, row = table(name, types)
        if not one.primary_id:
            with pytest.raises(UnknownNameError, match="no primary key"):
                select_columns(one, None)
            continue
        check_table(one, row)
        read += 1
    assert read > 200


def check_table(one: Table, row: dict[str, Any]) -> None:
    schema = table_schema(one, select_columns(one, list(row)))
    wire_names = [field.wire_name for field in schema.fields]
    assert len(set(schema.arrow.names)) == len(schema.fields)
    assert set(row) == {name for name in wire_names if "@" not in name}

    # dlt warns, and rewrites every file, when hints and Arrow schema say different things
    derived = py_arrow_to_table_schema_columns(schema.arrow)
    assert list(derived) == list(schema.hints)
    for name, hint in schema.hints.items():
        assert hint.items() <= derived[name].items()

    polymorphic = {name: "account" for name in wire_names if "@" in name}
    page = json.dumps({"value": [row | polymorphic, {one.primary_id: "b"}]}).encode()
    decoded = decode_page(page, schema).rows
    assert decoded.schema == schema.arrow
    assert None not in decoded.slice(0, 1).to_pylist()[0].values()
    assert decoded.equals(decode_exact(page, schema).rows)
    if "ManagedPropertyType" not in {column.type for column in one.columns}:
        assert decoded.equals(decode_fast(page, schema).rows)
