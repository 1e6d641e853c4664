from __future__ import annotations

from collections.abc import Sequence

import pytest

from dataverse_source.arrow.decode import decode_page
from dataverse_source.arrow.schema import table_schema
from dataverse_source.errors import UnknownNameError
from dataverse_source.metadata.column_selection import readable_columns, select_columns
from dataverse_source.metadata.model import Column, Table

NOTE = Table(
    "annotation",
    "annotations",
    "annotationid",
    columns=(
        Column("documentbody", "StringType"),
        Column("modifiedon", "DateTimeType"),
        Column("objectid", "LookupType", targets=("account", "contact")),
        Column("annotationid", "UniqueidentifierType", is_primary_id=True),
        Column("versionnumber", "BigIntType"),
        Column("subject", "StringType"),
        Column("image", "ImageType"),
        Column("image_url", "StringType", attribute_of="image"),
        Column("objectidname", "StringType", attribute_of="objectid", valid_odata=False),
        Column("isdocumentname", "VirtualType", attribute_of="isdocument"),
        Column("to", "PartyListType"),
        Column("rules", "CalendarRulesType"),
        Column("secret", "StringType", readable=False),
        Column("internal", "StringType", valid_odata=False),
    ),
)


def names(columns: Sequence[Column]) -> list[str]:
    return [column.name for column in columns]


def test_columns_read_by_default() -> None:
    expected = ["modifiedon", "objectid", "annotationid", "versionnumber", "subject"]
    assert names(readable_columns(NOTE)) == expected
    assert names(select_columns(NOTE, None)) == [
        "annotationid",
        "modifiedon",
        "objectid",
        "versionnumber",
        "subject",
    ]


def test_a_column_named_documentbody_of_another_table_is_read() -> None:
    other = Table("new_doc", "new_docs", "id", columns=(Column("documentbody", "StringType"),))
    assert names(readable_columns(other)) == ["documentbody"]


def test_columns_asked_for_by_name() -> None:
    asked = ["subject", "_objectid_value", "SUBJECT", "documentbody", "image", "image_url"]
    assert names(select_columns(NOTE, asked)) == [
        "annotationid",
        "documentbody",
        "modifiedon",
        "objectid",
        "versionnumber",
        "subject",
        "image",
        "image_url",
    ]


def test_no_columns_asked_for_leaves_key_and_time_of_change() -> None:
    assert names(select_columns(NOTE, [])) == ["annotationid", "modifiedon", "versionnumber"]


def test_all_bad_column_names_come_in_one_error() -> None:
    with pytest.raises(UnknownNameError) as caught:
        select_columns(NOTE, ["subjct", "subject", "to", "isdocumentname", "_subject_value"])
    text = str(caught.value)
    assert "no readable column 'subjct', 'to', 'isdocumentname', '_subject_value'" in text
    assert "Did you mean 'subject'" in text
    assert "does not return 'to' (PartyListType)" in text
    assert "'isdocumentname' accompanies 'isdocument'" in text


def test_a_table_without_key_is_refused() -> None:
    table = Table("expando", "expandoes", "", columns=(Column("name", "StringType"),))
    with pytest.raises(UnknownNameError, match="no primary key"):
        select_columns(table, None)


def test_the_key_of_an_elastic_table_has_two_columns() -> None:
    columns = ("modifiedon", "name", "partitionid", "readingid", "ttlinseconds")
    table = Table(
        "reading",
        "readings",
        "readingid",
        table_type="Elastic",
        columns=tuple(Column(name, "StringType") for name in columns),
    )
    assert names(select_columns(table, ["name"])) == [
        "readingid",
        "partitionid",
        "modifiedon",
        "name",
    ]
    schema = table_schema(table, select_columns(table, None))
    assert schema.key == ("readingid", "partitionid")
    assert [field.name for field in schema.arrow if not field.nullable] == list(schema.key)
    page = b'{"value":[{"readingid":"a"},{"readingid":"a","partitionid":"x"}]}'
    assert decode_page(page, schema).rows.select(list(schema.key)).to_pylist() == [
        {"readingid": "a", "partitionid": "a"},
        {"readingid": "a", "partitionid": "x"},
    ]
