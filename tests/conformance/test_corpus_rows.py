"""Real rows: recorded and documented answers through metadata, schema and decoder."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from dataverse_source.arrow.decode import decode_page
from dataverse_source.arrow.decode_exact import decode_exact
from dataverse_source.arrow.schema import TableSchema, table_schema
from dataverse_source.metadata.column_selection import select_columns
from dataverse_source.metadata.model import Column, Table
from dataverse_source.metadata.reader import MetadataReader
from tests.support.places import EXCHANGES, SHARED

RECORDINGS = SHARED / "corpus" / "json" / "terraform-power-platform"

MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
LOOKUP = re.compile(r"_(\w+)_value")


def need(path: Path) -> Path:
    if not path.exists():
        pytest.skip(f"{path.name} of the shared corpus is missing")
    return path


def exactly(text: str) -> Any:
    return json.loads(text, parse_float=Decimal)


def guessed_column(wire_name: str, values: Sequence[Any], annotated: bool) -> Column:
    """A column that could have sent ``values``."""
    lookup = LOOKUP.fullmatch(wire_name)
    if lookup:
        return Column(lookup[1], "OwnerType" if annotated else "LookupType")
    kinds = {type(value) for value in values}
    if kinds == {bool}:
        return Column(wire_name, "BooleanType")
    if kinds == {int}:
        return Column(wire_name, "BigIntType")
    if kinds and kinds <= {int, Decimal}:
        return Column(wire_name, "MoneyType")
    if kinds == {str} and all(MOMENT.fullmatch(value) for value in values):
        return Column(wire_name, "DateTimeType", date_behavior="UserLocal")
    return Column(wire_name, "StringType")


def guessed_schema(rows: Sequence[Mapping[str, Any]]) -> TableSchema | None:
    """A schema of all plain properties of ``rows``; None: no property can be the key."""
    present: dict[str, list[Any]] = {}
    for row in rows:
        for name, value in row.items():
            if "@" not in name and not isinstance(value, (dict, list)):
                present.setdefault(name, []).append(value)
    columns = []
    for name, values in present.items():
        known = [value for value in values if value is not None]
        annotation = f"{name}@Microsoft.Dynamics.CRM.lookuplogicalname"
        columns.append(guessed_column(name, known, any(annotation in row for row in rows)))
    full = [column for column in columns if None not in present[column.wire_name]]
    keys = [column for column in full if len(present[column.wire_name]) == len(rows)]
    if not keys:
        return None
    table = Table("guessed", "guesses", keys[0].name, columns=tuple(columns))
    return table_schema(table, columns)


def check_page(text: str, schema: TableSchema) -> None:
    """The page holds exactly what Python's own reader finds in ``text``."""
    page = decode_page(text.encode(), schema)
    document = exactly(text)
    assert page.next_link == document.get("@odata.nextLink")
    assert page.delta_link == document.get("@odata.deltaLink")
    assert page.rows.num_rows == len(document["value"])
    decoded = page.rows.to_pylist()
    for row, got in zip(document["value"], decoded, strict=True):
        for field in schema.fields:
            expected = row.get(field.wire_name)
            if isinstance(got[field.name], datetime):
                expected = datetime.strptime(expected, "%Y-%m-%dT%H:%M:%SZ")
                expected = expected.replace(tzinfo=timezone.utc)
            assert got[field.name] == expected, field
    # a delta link tells that no more rows follow, whichever decoder has read the page
    assert page == replace(decode_exact(text.encode(), schema), more=page.more)


def pages_of_examples() -> list[str]:
    texts = []
    for line in EXCHANGES.read_text(encoding="utf-8").splitlines():
        text = (json.loads(line).get("response") or {}).get("body_text", "")
        try:
            body = json.loads(text)
        except ValueError:
            continue  # printed with something else around it
        if isinstance(body, dict) and isinstance(body.get("value"), list):
            texts.append(text)
    return texts


def test_every_documented_page_of_rows() -> None:
    read = 0
    for text in pages_of_examples():
        rows = exactly(text)["value"]
        schema = guessed_schema(rows)
        if schema:
            check_page(text, schema)
            read += 1
    assert read > 50


def recording(name: str) -> str:
    return (need(RECORDINGS) / name).read_text()


class RecordedMetadata:
    """Answers with a recorded table and the columns of a recorded list of attributes.

    The recording of the attributes has only their names and ``@odata.type``, which is what
    the type name is made of: ``#Microsoft.Dynamics.CRM.MoneyAttributeMetadata``.
    """

    def __init__(self, definition: dict[str, Any], attributes: list[dict[str, Any]]) -> None:
        self.definition = definition
        self.attributes = attributes

    def get_json(
        self, path: str, query: Mapping[str, str] | None = None, prefer: Sequence[str] = ()
    ) -> dict[str, Any]:
        if path == "EntityDefinitions":
            return {"value": [self.definition]}
        cast = path.rpartition("/Microsoft.Dynamics.CRM.")[2] if "CRM." in path else None
        chosen = [
            one for one in self.attributes if cast is None or cast in str(one.get("@odata.type"))
        ]
        return {"value": [self.attribute(one) for one in chosen]}

    @staticmethod
    def attribute(one: dict[str, Any]) -> dict[str, Any]:
        kind = one.get("@odata.type", ".VirtualAttributeMetadata").rpartition(".")[2]
        name = kind.removesuffix("AttributeMetadata").removesuffix("Metadata")
        return one | {"AttributeTypeName": {"Value": f"{name}Type"}}


def test_a_recorded_table_and_its_row() -> None:
    prefix = "data_record__resource__Validate_Disable_On_Delete__get_"
    definition = json.loads(recording(f"{prefix}entitydefinition_businessunit.json"))
    attributes = json.loads(recording(f"{prefix}entitydefinition_businessunit_attributes.json"))
    row = recording(f"{prefix}businessunit_00000000-0000-0000-0000-000000000001.json")

    table = MetadataReader(RecordedMetadata(definition, attributes["value"])).table("businessunits")
    assert (table.logical_name, table.primary_id) == ("businessunit", "businessunitid")
    assert (table.primary_name, table.change_tracking) == ("name", True)
    assert len(table.columns) == len(attributes["value"])

    schema = table_schema(table, select_columns(table, None))
    known = {field.wire_name for field in schema.fields}
    sent = {name for name in json.loads(row) if "@" not in name}
    # columns of no type of their own, such as GUIDs, have no @odata.type in the recording
    assert sent - known == {"address1_addressid", "address2_addressid"}
    # a number in a text column, as recorded
    quoted = row.replace(": 123,", ': "123",')
    check_page(f'{{"value":[{quoted}]}}', schema)
    decoded = decode_page(f'{{"value":[{row}]}}'.encode(), schema).rows.to_pylist()[0]
    assert decoded["costcenter"] == "123"


def test_a_recorded_account() -> None:
    row = recording(
        "data_record__resource__Validate_Create__get_account_"
        "00000000-0000-0000-0000-000000000020.json"
    )
    schema = guessed_schema([exactly(row)])
    assert schema is not None
    check_page(f'{{"value":[{row}]}}', schema)


def test_recorded_tables() -> None:
    read = set()
    for path in sorted(need(RECORDINGS).glob("*get_entitydefinition_*.json")):
        answer = json.loads(path.read_text())
        if "LogicalName" in answer:
            (table,) = MetadataReader(RecordedMetadata(answer, [])).tables()
            assert table.entity_set_name == f"{table.logical_name}s"
            assert table.primary_id == f"{table.logical_name}id"
            assert (table.table_type, table.data_provider_id) == ("Standard", None)
            read.add(table.logical_name)
    assert {"account", "businessunit", "contact"} <= read
