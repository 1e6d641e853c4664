"""Files of rows: notes, e-mail attachments, file and image columns, into a local folder."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dataverse_source.loading.report import LoadReport
from dataverse_source.sandbox import Sandbox
from dataverse_source.sandbox.writes.file_store import file_of, put_document, put_file
from dataverse_source.sandbox.writes.files import put_image
from tests.support.comparing import all_rows
from tests.support.loads import NewPipeline, Run

CONTENT = random.Random(3).randbytes(9 * 2**20 + 7)
FILES = "_dataverse_files"

Load = Callable[..., LoadReport]


@pytest.fixture
def store(run: Run, tmp_path: Path) -> Load:
    """Loads files into a folder of the test."""

    def once(*entries: str, **settings: Any) -> LoadReport:
        return run(
            *settings.pop("tables", ["annotations"]),
            **{"files": list(entries), "files_url": str(tmp_path / "place"), **settings},
        )

    return once


def rows_of(new_pipeline: NewPipeline, table: str) -> dict[tuple[str, str], dict[str, Any]]:
    """The rows of the table of files, by key and column."""
    found = [row for row in all_rows(new_pipeline(), FILES) if row["table"] == table]
    by_place = {(row["key"], row["column"]): row for row in found}
    assert len(by_place) == len(found)
    return by_place


def bytes_of(row: dict[str, Any]) -> bytes:
    """The bytes that a row points at, which are those that it tells of."""
    path = Path(row["url"].removeprefix("file://"))
    content = path.read_bytes()
    assert hashlib.sha256(content).hexdigest() == row["sha256"] == path.name
    assert len(content) == row["size"]
    assert path.parts[-4:-1] == (row["table"], row["key"], row["column"])
    return content


def test_notes_attachments_files_and_images(
    store: Load, sandbox: Sandbox, new_pipeline: NewPipeline
) -> None:
    environment = sandbox.environment
    note = put_document(environment, "annotation", b"%PDF", "a b.pdf", "application/pdf")
    large = put_document(environment, "annotation", CONTENT, "large.bin")
    empty = put_document(environment, "annotation", b"", "empty.txt", "text/plain")
    sandbox.store.create("annotation", {"notetext": "only text"})
    attached = put_document(environment, "activitymimeattachment", b"mail", "m.txt", "text/plain")
    first, second, third = (row["accountid"] for row in sandbox.store.rows("account")[:3])
    put_file(environment, "account", first, "new_contract", CONTENT, "Vertrag ä.pdf", "app/x")
    put_file(environment, "account", second, "new_contract", b"x", "x")
    put_image(environment, "account", third, "entityimage", b"small", b"full size")
    report = store(
        "annotations", "activitymimeattachments", "accounts.new_contract", "accounts.entityimage"
    )
    notes = rows_of(new_pipeline, "annotations")
    assert {key for key, _ in notes} == {note, large, empty}
    row = notes[note, "documentbody"]
    assert (row["name"], row["mime_type"], row["status"]) == (
        "a b.pdf",
        "application/pdf",
        "stored",
    )
    assert bytes_of(row) == b"%PDF"
    assert bytes_of(notes[large, "documentbody"]) == CONTENT
    assert bytes_of(notes[empty, "documentbody"]) == b""
    mails = rows_of(new_pipeline, "activitymimeattachments")
    assert bytes_of(mails[attached, "body"]) == b"mail"
    accounts = rows_of(new_pipeline, "accounts")
    assert bytes_of(accounts[first, "new_contract"]) == CONTENT
    assert accounts[first, "new_contract"]["name"] == "Vertrag ä.pdf"
    assert accounts[first, "new_contract"]["mime_type"] == "app/x"
    assert bytes_of(accounts[second, "new_contract"]) == b"x"
    assert bytes_of(accounts[third, "entityimage"]) == b"full size"
    table = sandbox.store.table("account")
    for account in sandbox.store.rows("account"):
        for name in ("new_contract", "entityimage"):
            place = account["accountid"], name
            assert (account[name] is not None) == (place in accounts)
            if account[name] is not None:
                file = file_of(sandbox.store, account, table.by_name[name])
                assert bytes_of(accounts[place]) == file.content
    (counts,) = (one for one in report.tables if one.name == "annotations")
    assert (counts.files_stored, counts.files_failed) == (3, 0)
    assert "annotations: 3 files stored (9.4 MB)" in str(report)


def downloads(sandbox: Sandbox) -> list[str]:
    """The paths of the files that the last run has asked for."""
    return [one.path for one in sandbox.requests if one.path.endswith("/$value")]


def test_only_what_has_changed_is_downloaded_again(
    store: Load, sandbox: Sandbox, new_pipeline: NewPipeline
) -> None:
    environment = sandbox.environment
    notes = [put_document(environment, "annotation", b"%d" % one, f"{one}.txt") for one in range(5)]
    key = sandbox.store.rows("account")[0]["accountid"]
    put_file(environment, "account", key, "new_contract", b"old", "old.txt")
    entries = ("annotations", "accounts.new_contract")
    store(*entries)
    assert len(downloads(sandbox)) == 5 + len(sandbox.store.rows("account"))
    before = rows_of(new_pipeline, "annotations")
    store(*entries)
    assert downloads(sandbox) == []
    put_document(environment, "annotation", b"changed", "changed.txt", key=notes[0])
    sandbox.store.update("annotation", notes[1], {"filename": "renamed.txt"})
    sandbox.store.delete("annotation", notes[2])
    sandbox.store.update("annotation", notes[3], {"documentbody": None, "isdocument": False})
    put_file(environment, "account", key, "new_contract", b"new", "new.txt")
    sandbox.store.update("account", sandbox.store.rows("account")[1]["accountid"], {"name": "B"})
    report = store(*entries)
    assert len(downloads(sandbox)) == 3
    after = rows_of(new_pipeline, "annotations")
    assert {one for one, _ in after} == {notes[0], notes[1], notes[4]}
    changed, renamed = after[notes[0], "documentbody"], after[notes[1], "documentbody"]
    assert (bytes_of(changed), changed["name"]) == (b"changed", "changed.txt")
    assert (bytes_of(renamed), renamed["name"]) == (b"1", "renamed.txt")
    assert after[notes[4], "documentbody"] == before[notes[4], "documentbody"]
    accounts = rows_of(new_pipeline, "accounts")
    assert bytes_of(accounts[key, "new_contract"]) == b"new"
    for gone in (notes[2], notes[3]):  # the bytes stay
        assert bytes_of(before[gone, "documentbody"]) in (b"2", b"3")
    (counts,) = (one for one in report.tables if one.name == "annotations")
    assert (counts.files_stored, counts.files_gone) == (2, 2)


def test_rows_of_files_that_are_gone_stay_marked_where_deletes_are_kept(
    store: Load, sandbox: Sandbox, new_pipeline: NewPipeline
) -> None:
    first, second = (
        put_document(sandbox.environment, "annotation", one, "a.txt") for one in (b"1", b"2")
    )
    store("annotations", deletes="keep")
    sandbox.store.delete("annotation", first)
    sandbox.store.update("annotation", second, {"documentbody": None, "isdocument": False})
    store("annotations", deletes="keep")
    found = rows_of(new_pipeline, "annotations")
    assert {row["status"] for row in found.values()} == {"deleted"}
    assert {bytes_of(row) for row in found.values()} == {b"1", b"2"}
    put_document(sandbox.environment, "annotation", b"3", "a.txt", key=second)
    store("annotations", deletes="keep")
    found = rows_of(new_pipeline, "annotations")
    assert {row["status"] for row in found.values()} == {"deleted", "stored"}
    assert bytes_of(found[second, "documentbody"]) == b"3"


def test_bytes_that_no_row_points_at_are_removed_if_that_is_set(
    store: Load, sandbox: Sandbox, new_pipeline: NewPipeline, tmp_path: Path
) -> None:
    first, second, third = (
        put_document(sandbox.environment, "annotation", one, "a.txt") for one in (b"1", b"2", b"3")
    )
    store("annotations", files_deletes="remove")
    sandbox.store.delete("annotation", first)
    put_document(sandbox.environment, "annotation", b"22", "a.txt", key=second)
    store("annotations", files_deletes="remove")
    found = rows_of(new_pipeline, "annotations")
    assert bytes_of(found[second, "documentbody"]) == b"22"
    assert bytes_of(found[third, "documentbody"]) == b"3"
    stored = {one for one in (tmp_path / "place").rglob("*") if one.is_file()}
    assert stored == {Path(row["url"].removeprefix("file://")) for row in found.values()}


@pytest.mark.parametrize("sync", ["full", "cursor"])
def test_deletes_are_found_in_every_sync_mode(
    store: Load, sandbox: Sandbox, new_pipeline: NewPipeline, sync: str
) -> None:
    keys = [put_document(sandbox.environment, "annotation", b"x", "x") for _ in range(3)]
    settings = {"table_settings": {"annotations": {"sync": sync, "reconcile_interval": 0}}}
    store("annotations", **settings)
    sandbox.store.delete("annotation", keys[0])
    store("annotations", **settings)
    assert downloads(sandbox) == []
    assert {key for key, _ in rows_of(new_pipeline, "annotations")} == set(keys[1:])


HOSTILE = ["../../x", "/etc/passwd", "a\x07\x1b[31m\n.txt", "n" * 300, "..", "", "same", "same"]


def test_names_are_texts_and_never_paths(
    store: Load, sandbox: Sandbox, new_pipeline: NewPipeline, tmp_path: Path
) -> None:
    environment = sandbox.environment
    notes = [
        put_document(environment, "annotation", name.encode() + b"%d" % number, name[:255])
        for number, name in enumerate(HOSTILE)
    ]
    accounts = [row["accountid"] for row in sandbox.store.rows("account")]
    for key, name in zip(accounts, HOSTILE, strict=False):
        put_file(environment, "account", key, "new_contract", key.encode(), name)
    outside = {one for one in tmp_path.rglob("*") if "place" not in one.parts}
    store("annotations", "accounts.new_contract")
    found = rows_of(new_pipeline, "annotations")
    for number, (key, name) in enumerate(zip(notes, HOSTILE, strict=True)):
        row = found[key, "documentbody"]
        assert row["name"] == name[:255]
        assert bytes_of(row) == name.encode() + b"%d" % number
    found = rows_of(new_pipeline, "accounts")
    for key, name in zip(accounts, HOSTILE, strict=False):
        assert found[key, "new_contract"]["name"] == (name or None)
        assert bytes_of(found[key, "new_contract"]) == key.encode()
    place = tmp_path / "place"
    stored = {one for one in place.rglob("*") if one.is_file()}
    assert all(len(one.relative_to(place).parts) == 4 for one in stored)
    new = {one for one in tmp_path.rglob("*") if "place" not in one.parts} - outside
    assert {one.relative_to(tmp_path).parts[0] for one in new} <= {"pipelines", "test.duckdb"}


def test_files_that_are_wanted_later_and_elsewhere(
    store: Load, sandbox: Sandbox, new_pipeline: NewPipeline, tmp_path: Path
) -> None:
    key = put_document(sandbox.environment, "annotation", b"x", "x")
    store(files_url=None)
    store("annotations")
    first = rows_of(new_pipeline, "annotations")[key, "documentbody"]
    store("annotations", files_url=(tmp_path / "other").as_uri())
    second = rows_of(new_pipeline, "annotations")[key, "documentbody"]
    assert bytes_of(first) == bytes_of(second) == b"x"
    assert "/other/" in second["url"]
    store("annotations", tables=[], files_url=str(tmp_path / "other"))
    assert downloads(sandbox) == []


def test_one_table_of_several_is_loaded_with_its_files(
    new_source: Callable[..., Any], sandbox: Sandbox, new_pipeline: NewPipeline, tmp_path: Path
) -> None:
    from dataverse_source import load

    put_document(sandbox.environment, "annotation", b"x", "x")
    source = new_source(
        "contacts", files=["annotations", "accounts.new_contract"], files_url=str(tmp_path / "p")
    )
    assert {"contacts", "annotations", "accounts"} < set(source.resources)
    load(new_pipeline(), source.with_resources("annotations"))
    assert len(rows_of(new_pipeline, "annotations")) == 1
    assert rows_of(new_pipeline, "accounts") == {}


def test_dlts_own_run_stores_files_too(
    new_source: Callable[..., Any], sandbox: Sandbox, new_pipeline: NewPipeline, tmp_path: Path
) -> None:
    key = put_document(sandbox.environment, "annotation", b"x", "x")
    place = str(tmp_path / "p")
    new_pipeline().run(new_source("annotations", files=["annotations"], files_url=place))
    assert bytes_of(rows_of(new_pipeline, "annotations")[key, "documentbody"]) == b"x"


def test_a_table_that_was_read_in_parts_has_its_files(
    sandbox: Sandbox, credentials: Any, new_pipeline: NewPipeline, tmp_path: Path
) -> None:
    from dataverse_source import finish_load, plan_load, read_part

    settings: dict[str, Any] = {
        "environment_url": sandbox.environment_url,
        "credentials": credentials,
        "ca_bundle": sandbox.ca_bundle,
        "landing_url": str(tmp_path / "landing"),
        "page_size": 20,
        "files": ["accounts.new_contract"],
        "files_url": str(tmp_path / "place"),
    }
    key = sandbox.store.rows("account")[0]["accountid"]
    put_file(sandbox.environment, "account", key, "new_contract", b"x", "x")
    plan = plan_load("accounts", new_pipeline(), 2, **settings)
    for number in plan["numbers"]:
        read_part(plan, number, **settings)
    assert downloads(sandbox) == []  # the process that loads the parts stores the files
    finish_load(plan, new_pipeline(), **settings)
    found = rows_of(new_pipeline, "accounts")
    assert len(found) == len(sandbox.store.rows("account"))
    assert bytes_of(found[key, "new_contract"]) == b"x"


def test_a_history_and_a_change_feed_have_one_row_a_file(
    store: Load, sandbox: Sandbox, new_pipeline: NewPipeline
) -> None:
    first = put_document(sandbox.environment, "annotation", b"1", "a")
    key = sandbox.store.rows("account")[0]["accountid"]
    put_file(sandbox.environment, "account", key, "new_contract", b"1", "a")
    settings = {
        "table_settings": {"annotations": {"history": True}, "accounts": {"write": "append"}}
    }
    entries = ("annotations", "accounts.new_contract")
    store(*entries, **settings)
    put_document(sandbox.environment, "annotation", b"2", "b", key=first)
    put_file(sandbox.environment, "account", key, "new_contract", b"2", "b")
    store(*entries, **settings)
    assert bytes_of(rows_of(new_pipeline, "annotations")[first, "documentbody"]) == b"2"
    assert bytes_of(rows_of(new_pipeline, "accounts")[key, "new_contract"]) == b"2"
