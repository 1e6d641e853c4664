"""What ``--schema`` names: a file or a folder, JSON or CSDL."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from dataverse_source.sandbox.metadata.csdl import metadata_document
from dataverse_source.sandbox.schema.catalog import FOLDER, default_schema
from dataverse_source.sandbox.schema.schema_files import read_schema

THING: dict[str, Any] = {
    "LogicalName": "new_thing",
    "Attributes": [{"LogicalName": "new_thingid", "AttributeType": "Uniqueidentifier"}],
}


@pytest.mark.parametrize("document", [THING, [THING], {"@odata.context": "", "value": [THING]}])
def test_one_table_a_list_or_an_answer_is_read(document: Any, tmp_path: Path) -> None:
    path = tmp_path / "schema.json"
    path.write_bytes(b"\xef\xbb\xbf\r\n" + json.dumps(document).encode())
    assert list(read_schema(path).by_logical_name) == ["new_thing"]


def test_the_catalogue_can_be_read_from_a_folder(tmp_path: Path) -> None:
    for path in [*(FOLDER / "tables").iterdir(), FOLDER / "choices.json"]:
        (tmp_path / path.name).write_bytes(path.read_bytes())
    again, whole = read_schema(tmp_path), default_schema()
    assert again.by_logical_name == whole.by_logical_name
    assert set(again.one_to_many) == set(whole.one_to_many)
    assert set(again.many_to_many) == set(whole.many_to_many)
    assert again.global_choices == whole.global_choices


def test_a_metadata_document_is_read_gzipped_or_not(tmp_path: Path) -> None:
    content = metadata_document(default_schema())
    plain, packed = tmp_path / "metadata.xml", tmp_path / "metadata.xml.gz"
    plain.write_bytes(content)
    packed.write_bytes(gzip.compress(content))
    assert read_schema(plain) == read_schema(packed)
    assert "accounts" in read_schema(plain).by_entity_set


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "schema.json: no JSON"),
        (b"[1]", "no table, column or choice"),
        (b'{"error": {"code": "0x80060888"}}', "no table, column or choice"),
        (b'{"LogicalName": "name", "AttributeType": "String"}', "no table, column or choice"),
        (b'{"value": []}', "holds no table"),
        (b'{"Name": "x", "Options": []}', "holds no table"),
        (b'{"SchemaName": "x", "Attributes": 7}', "not as EntityMetadata"),
        (b'{"SchemaName": "x", "Attributes": [], "Keys": [{}]}', "not as EntityMetadata"),
        (b'{"SchemaName": "x", "ObjectTypeCode": 7}', r"'xid', its primary key.*\$expand"),
        (b"", "neither JSON nor XML that"),
        (b"name,type", "neither JSON nor XML that"),
        (b"<a/>", "holds no table"),
    ],
)
def test_other_files_are_refused(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "schema.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_schema(path)


def test_a_document_that_declares_entities_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "schema.xml"
    path.write_text('<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>')
    with pytest.raises(ValueError, match="neither JSON nor XML that"):
        read_schema(path)
