"""What check, describe and preview say of files; wrong settings are told before a row is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dataverse_source import ConfigurationError, DataverseError
from dataverse_source.cli.checks.examination import examine
from dataverse_source.cli.commands.describe import _facts
from dataverse_source.loading.connection import Connection
from dataverse_source.sandbox import Sandbox
from dataverse_source.sandbox.writes.file_store import put_document
from tests.end_to_end.test_files import Load, store
from tests.support.loads import NewSource

__all__ = ["store"]

FILES = ["annotations", "accounts.new_contract"]


def connection_of(new_source: NewSource, tmp_path: Path, *entries: str) -> Connection:
    source: Any = new_source("contacts", files=list(entries), files_url=str(tmp_path / "place"))
    found: Connection = source.connection
    return found


def test_check_has_findings_on_files(
    new_source: NewSource, tmp_path: Path, credentials: Any
) -> None:
    settings = connection_of(new_source, tmp_path, *FILES).settings
    found = examine(settings, credentials, settings.tables)
    told = {one.title: one for one in found.all}
    assert told["annotations files"].status == told["accounts files"].status == "ok"
    assert "new_contract" in told["accounts files"].details
    assert told["Place of the files"].status == "ok"
    settings = connection_of(new_source, tmp_path, "accounts.name", "annotations").settings
    found = examine(settings, credentials, settings.tables)
    (failed,) = (one for one in found.all if one.title == "accounts files")
    assert failed.status == "failed"
    assert "new_contract" in str(failed.remedy)


def test_describe_names_the_columns_and_the_place(new_source: NewSource, tmp_path: Path) -> None:
    facts = _facts(connection_of(new_source, tmp_path, *FILES), "accounts")
    place = str(tmp_path / "place")
    assert facts["files"] == [{"column": "new_contract", "kind": "file", "place": place}]


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ("anotations", "annotations"),
        ("accounts.nam", "no nam"),
        ("accounts.name", "no file column"),
        ("accounts", "new_contract"),
    ],
)
def test_wrong_entries_are_told_before_a_row_is_read(
    store: Load, sandbox: Sandbox, tmp_path: Path, entry: str, told: str
) -> None:
    put_document(sandbox.environment, "annotation", b"x", "x")
    with pytest.raises(DataverseError, match=told):
        store("annotations", entry, tables=["contacts"])
    assert not any("contacts" in one.path for one in sandbox.requests)
    assert not (tmp_path / "place").exists()


def test_a_place_whose_package_is_missing_is_told_before_a_row_is_read(
    store: Load, sandbox: Sandbox
) -> None:
    with pytest.raises(ConfigurationError, match=r"dlt\[gs\]"):
        store("annotations", files_url="gs://crm/files")
    assert not any("annotations" in one.path for one in sandbox.requests)
