"""Histories in Delta and Iceberg tables: dlt's upsert closes versions, and loses none."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import dlt
import pytest

from dataverse_source.sandbox import Sandbox
from tests.destinations.comparing import assert_rows
from tests.destinations.conftest import Load
from tests.destinations.places import Rows, open_table_rows
from tests.support.requests_sent import keys

pytestmark = [
    pytest.mark.destinations,
    pytest.mark.slow,
    pytest.mark.filterwarnings("default"),  # those of the lakes' libraries
]

FROM, TO = "_dataverse_valid_from", "_dataverse_valid_to"


@pytest.fixture
def folder(tmp_path: Path) -> Any:
    return dlt.destinations.filesystem((tmp_path / "lake").as_uri())


def versions(rows: Rows, key: str) -> Rows:
    """The versions of a row, each of which begins where the one before has ended, or later."""
    found = sorted((row for row in rows if row["accountid"] == key), key=lambda row: row[FROM])
    for one, following in itertools.pairwise(found):
        assert one[FROM] < one[TO] <= following[FROM]
    return found


def present(rows: Rows) -> Rows:
    return [row for row in rows if row[TO] is None]


@pytest.mark.parametrize("kind", ["delta", "iceberg"])
def test_versions(into: Load, sandbox: Sandbox, folder: Any, kind: str) -> None:
    settings: dict[str, Any] = {"table_format": kind, "history": True, "reconcile_interval": 0}
    store, (back, gone, other, *_) = sandbox.store, keys(sandbox)
    store.update("account", back, {"name": "A", "telephone1": "1", "revenue": "1.25"})
    into(folder, **settings)
    for name in ("B", "A"):
        store.update("account", back, {"name": name})
        into(folder, **settings)
    store.delete("account", gone)
    # all rows are read again, and the only one with a number is another one without it
    settings["table_settings"] = {"accounts": {"exclude_columns": ["telephone1"]}}
    pipeline, report = into(folder, **settings)
    assert [(one.inserted, one.updated, one.deleted) for one in report.tables] == [(0, 1, 1)]
    store.create("account", {"accountid": gone, "name": "Again"})
    store.update("account", other, {"name": "Other"})
    pipeline, report = into(folder, labels=True, **settings)  # with more columns
    rows = open_table_rows(pipeline, "accounts")
    read = [{name: row[name] for name in row if name != "telephone1"} for row in present(rows)]
    assert_rows(read, sandbox, "account")
    found = versions(rows, back)
    assert [row["name"] for row in found][:3] == ["A", "B", "A"]
    assert [row["telephone1"] for row in found][:3] == ["1", "1", "1"]
    assert len(versions(rows, gone)) == 2
    assert len({row["_dataverse_version_id"] for row in rows}) == len(rows)
    before = len(rows)
    pipeline, report = into(folder, labels=True, **settings)  # nothing has changed
    assert len(open_table_rows(pipeline, "accounts")) == before


def test_versions_that_a_broken_load_has_left_open(
    into: Load, sandbox: Sandbox, folder: Any
) -> None:
    """As Iceberg, which takes 1,000 rows at a time; and a row that a function leaves out ends."""
    settings: dict[str, Any] = {"table_format": "delta", "history": True}
    first, *_ = keys(sandbox)
    names = ["B", "C", "Out"]
    into(folder, **settings)
    for name in names:
        sandbox.store.update("account", first, {"name": name})
        pipeline, _ = into(folder, steps=lambda accounts: accounts.add_filter(is_in), **settings)
        with pipeline.destination_client() as client:
            opened = client.load_open_table("delta", "accounts")  # type: ignore[attr-defined]
        if name == "B":
            opened.update(updates={TO: "NULL"})
    rows = open_table_rows(pipeline, "accounts")
    found = versions(rows, first)
    assert [row["name"] for row in found][1:] == ["B", "C"]
    assert [row[TO] for row in found[:-1]] == [row[FROM] for row in found[1:]]
    assert found[-1][TO] is not None
    assert len(present(rows)) == 59


def is_in(row: dict[str, Any]) -> bool:
    return bool(row["name"] != "Out")
