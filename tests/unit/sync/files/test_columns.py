"""Which columns hold files, and which files rows have."""

from __future__ import annotations

import re
from datetime import datetime, timezone

import pyarrow as pa
import pytest

from dataverse_source.errors import ConfigurationError
from dataverse_source.metadata.model import Column, Table
from dataverse_source.sync.files.columns import file_columns, parsed

ACCOUNT = Table(
    "account",
    "accounts",
    "accountid",
    columns=(
        Column("accountid", "UniqueidentifierType"),
        Column("name", "StringType"),
        Column("new_contract", "FileType"),
        Column("entityimage", "ImageType"),
        Column("entityimage_timestamp", "BigIntType", attribute_of="entityimage"),
        Column("entityimageid", "UniqueidentifierType", attribute_of="entityimage"),
    ),
)
NOTE = Table(
    "annotation",
    "annotations",
    "annotationid",
    columns=(
        Column("annotationid", "UniqueidentifierType"),
        Column("documentbody", "MemoType"),
        Column("filename", "StringType"),
        Column("filesize", "IntegerType"),
        Column("isdocument", "BooleanType"),
        Column("modifiedon", "DateTimeType"),
        Column("versionnumber", "BigIntType"),
    ),
)
KEY = "8d8dea2f-15aa-ee11-a000-000d3a2f391f"


@pytest.mark.parametrize(
    ("table", "entry", "told"),
    [
        (ACCOUNT, "accounts", "none is named"),
        (ACCOUNT, "accounts.name", r"accounts\.name is no file column"),
        (ACCOUNT, "accounts.new_contrat", "Did you mean 'new_contract'"),
        (ACCOUNT, "accounts.nothing", "entityimage, new_contract"),
        (NOTE, "annotations.filename", "documentbody"),
    ],
)
def test_a_column_that_holds_no_files_is_refused(table: Table, entry: str, told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        file_columns(table, [entry])


def test_an_elastic_table_is_refused() -> None:
    columns = (*ACCOUNT.columns, Column("partitionid", "StringType"))
    table = Table("new_x", "new_xs", "accountid", table_type="Elastic", columns=columns)
    with pytest.raises(ConfigurationError, match="elastic"):
        file_columns(table, ["new_xs.new_contract"])


def test_a_column_that_is_named_twice_is_one() -> None:
    assert len(file_columns(NOTE, ["annotations", "annotation.documentbody"])) == 1


@pytest.mark.parametrize("entry", ["", ".x", "x.", "a.b.c"])
def test_what_is_no_entry(entry: str) -> None:
    with pytest.raises(ValueError, match=re.escape(entry) + "$"):
        parsed(entry)


def test_the_version_of_an_image_is_its_timestamp_and_that_of_a_file_its_id() -> None:
    image, file = file_columns(ACCOUNT, ["accounts.entityimage", "accounts.new_contract"])
    rows = pa.table(
        {
            "accountid": [KEY, KEY],
            "new_contract": [KEY, None],
            "entityimage_timestamp": [7, None],
            "entityimageid": ["i", None],
        }
    )
    (found,) = image.wanted(rows)
    assert (found.version, found.path) == ("7/i", f"accounts({KEY})/entityimage/$value")
    assert image.query == {"size": "full"}
    (found,) = file.wanted(rows)
    assert (found.version, file.query) == (KEY, {})


def test_notes_without_a_document_and_keys_that_are_no_ids_have_no_files() -> None:
    (column,) = file_columns(NOTE, ["annotations"])
    moment = datetime(2026, 1, 31, 12, tzinfo=timezone.utc)
    rows = pa.table(
        {
            "annotationid": [KEY, KEY, "../../x"],
            "isdocument": [True, False, True],
            "filename": ["../a", None, "b"],
            "filesize": [5, None, 6],
            "modifiedon": [moment] * 3,
            "versionnumber": [1, 2, 3],
        }
    )
    (found,) = column.wanted(rows)
    assert (found.name, found.size, found.version) == ("../a", 5, "1/2026-01-31T12:00:00Z/5")
    same = {"versionnumber": 1, "modifiedon": "2026-01-31T12:00:00Z", "filesize": 5}
    assert column.version(same) == found.version
