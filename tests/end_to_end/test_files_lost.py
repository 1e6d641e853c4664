"""Somebody drops or empties the table of files, the audit's changes, or deletes bytes."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import dlt
import pytest

from dataverse_source.cli.run_progress import RunProgress
from dataverse_source.loading.run_context import observed, running
from dataverse_source.loading.verification import Verdict, loaded_tables, repairing, verify
from dataverse_source.sandbox import Sandbox
from dataverse_source.sandbox.writes.file_store import put_document, put_file
from dataverse_source.sandbox.writes.files import put_image
from tests.end_to_end.test_files import Load, bytes_of, downloads, rows_of, store
from tests.support.comparing import all_rows
from tests.support.loads import NewPipeline, NewSource, Run

__all__ = ["store"]

SQL = {
    "dropped": "DROP TABLE dataverse.{}",
    "emptied": "DELETE FROM dataverse.{}",
    "one row gone": "DELETE FROM dataverse.{0} WHERE key = (SELECT MIN(key) FROM dataverse.{0})",
}
ENTRIES = ("annotations", "accounts.new_contract")


def execute(pipeline: dlt.Pipeline, sql: str) -> None:
    with pipeline.sql_client() as client:
        client.execute_sql(sql)


def notes_of(sandbox: Sandbox) -> list[str]:
    texts = (b"1", b"2", b"3")
    return [put_document(sandbox.environment, "annotation", one, "a.txt") for one in texts]


def all_there(new_pipeline: NewPipeline, sandbox: Sandbox, notes: list[str]) -> None:
    """Each file has its row and its bytes."""
    found = rows_of(new_pipeline, "annotations")
    assert [bytes_of(found[key, "documentbody"]) for key in notes] == [b"1", b"2", b"3"]
    accounts = rows_of(new_pipeline, "accounts")
    assert {key for key, _ in accounts} == {
        row["accountid"] for row in sandbox.store.rows("account")
    }
    for row in accounts.values():
        bytes_of(row)


@pytest.mark.parametrize("how", SQL)
@pytest.mark.parametrize("folder", ["kept", "lost"])
def test_rows_of_files_come_back(
    store: Load,
    sandbox: Sandbox,
    new_pipeline: NewPipeline,
    tmp_path: Path,
    how: str,
    folder: str,
) -> None:
    notes = notes_of(sandbox)
    store(*ENTRIES)
    execute(new_pipeline(), SQL[how].format("_dataverse_files"))
    if folder == "lost":  # what the last run has left is not known, so tables are compared
        shutil.rmtree(tmp_path / "pipelines")
    store(*ENTRIES)
    all_there(new_pipeline, sandbox, notes)
    store(*ENTRIES)
    assert downloads(sandbox) == []
    assert [one for one in sandbox.requests if "$skiptoken" in one.query] == []


@pytest.mark.parametrize("sync", ["changes", "cursor", "full"])
def test_bytes_come_back_when_the_table_is_compared(
    store: Load, sandbox: Sandbox, new_pipeline: NewPipeline, tmp_path: Path, sync: str
) -> None:
    notes = notes_of(sandbox)
    settings: dict[str, Any] = {"sync": sync, "reconcile_interval": 0}
    store(*ENTRIES, **settings)
    lost = rows_of(new_pipeline, "annotations")[notes[1], "documentbody"]["url"]
    Path(lost.removeprefix("file://")).unlink()
    shutil.rmtree(tmp_path / "place" / "accounts")
    store(*ENTRIES, **settings)
    assert len(downloads(sandbox)) == 1 + len(sandbox.store.rows("account"))
    all_there(new_pipeline, sandbox, notes)
    store(*ENTRIES, **settings)
    assert downloads(sandbox) == []


@pytest.mark.parametrize(
    "settings",
    [{}, {"max_rows_per_load": 7}, {"deletes": "keep"}, {"history": True}, {"sync": "full"}],
    ids=lambda one: next(iter(one), "as it is"),
)
def test_bytes_that_nobody_wanted_come_back_when_somebody_does(
    store: Load,
    sandbox: Sandbox,
    new_pipeline: NewPipeline,
    tmp_path: Path,
    settings: dict[str, Any],
) -> None:
    notes = notes_of(sandbox)
    settings = {**settings, "tables": ["annotations", "accounts"], "reconcile_interval": 0}
    store(*ENTRIES, **settings)
    store("accounts.new_contract", **settings)
    shutil.rmtree(tmp_path / "place" / "annotations")
    store("accounts.new_contract", **settings)  # their rows stay, and nothing is downloaded
    assert downloads(sandbox) == []
    assert {row["status"] for row in rows_of(new_pipeline, "annotations").values()} == {"stored"}
    store(*ENTRIES, **settings)
    all_there(new_pipeline, sandbox, notes)


@pytest.mark.parametrize("how", ["dropped", "one row gone"])
def test_changes_of_the_audit_come_back(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline, how: str
) -> None:
    (row,) = sandbox.store.rows("organization")
    sandbox.store.update("organization", row["organizationid"], {"isauditenabled": True})
    keys = [sandbox.store.create("account", {"name": name}) for name in "ab"]
    run(tables=[], audit=True)
    before = all_rows(new_pipeline(), "audit_changes")
    sandbox.clock.advance(3600 * 24)  # behind the lookback
    execute(new_pipeline(), SQL[how].format("audit_changes"))
    run(tables=[], audit=True)
    after = all_rows(new_pipeline(), "audit_changes")
    assert {row["key"] for row in after} == set(keys)
    assert len(after) == len(before)
    sandbox.clock.advance(3600 * 24)
    run(tables=[], audit=True)
    asked = [one.query for one in sandbox.requests if one.path.endswith("/audits")]
    assert all("createdon" in one.partition("filter")[2] for one in asked)


def test_events_that_only_verify_finds_missing_come_back_with_its_repair(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline, new_source: NewSource, tmp_path: Path
) -> None:
    (row,) = sandbox.store.rows("organization")
    sandbox.store.update("organization", row["organizationid"], {"isauditenabled": True})
    for name in "abc":
        sandbox.store.create("account", {"name": name})
        sandbox.clock.advance(3600 * 24)  # behind the lookback
        run(tables=[], audit=True)
    before = {table: all_rows(new_pipeline(), table) for table in ("audits", "audit_changes")}
    lost = min(before["audits"], key=lambda one: one["createdon"])["auditid"]
    for table in before:
        execute(new_pipeline(), f"DELETE FROM dataverse.{table} WHERE auditid = '{lost}'")
    shutil.rmtree(tmp_path / "pipelines")  # what the last run has left is not known
    run(tables=[], audit=True)
    source: Any = new_source("audits")

    def verdicts() -> list[Verdict]:
        pipeline, connection = new_pipeline(), source.connection
        return list(verify(pipeline, connection, loaded_tables(pipeline, ["audits"])))

    (found,) = verdicts()
    assert found.report is not None
    assert found.report.examples["missing"] == [lost]
    with running(repairing([found], new_pipeline())):
        run(tables=[], audit=True)
    assert all(one.is_equal for one in verdicts())
    for table, rows in before.items():
        there = {(row["auditid"], row.get("column")) for row in all_rows(new_pipeline(), table)}
        assert there == {(row["auditid"], row.get("column")) for row in rows}


def account_with_files(sandbox: Sandbox) -> str:
    key = str(sandbox.store.rows("account")[0]["accountid"])
    put_file(sandbox.environment, "account", key, "new_contract", b"contract", "c.pdf")
    put_image(sandbox.environment, "account", key, "entityimage", b"small", b"full size")
    return key


def columns_of(new_pipeline: NewPipeline, key: str) -> set[str]:
    """The columns of an account's files in the table of files."""
    return {column for own, column in rows_of(new_pipeline, "accounts") if own == key}


@pytest.mark.parametrize("meanwhile", [("accounts.entityimage",), ("annotations",)])
@pytest.mark.parametrize("max_rows", [None, 7])
def test_a_row_is_deleted_while_its_files_are_not_wanted(
    store: Load,
    sandbox: Sandbox,
    new_pipeline: NewPipeline,
    tmp_path: Path,
    meanwhile: tuple[str, ...],
    max_rows: int | None,
) -> None:
    key = account_with_files(sandbox)
    wanted = ("accounts.new_contract", "accounts.entityimage")
    settings = {"tables": ["accounts", "annotations"], "files_deletes": "remove"}
    store(*wanted, **settings)
    assert columns_of(new_pipeline, key) == {"new_contract", "entityimage"}
    store(*meanwhile, **settings)
    sandbox.store.delete("account", key)
    store(*meanwhile, **settings)
    store(*wanted, max_rows_per_load=max_rows, **settings)
    accounts = rows_of(new_pipeline, "accounts")
    assert {own for own, _ in accounts} == {
        row["accountid"] for row in sandbox.store.rows("account")
    }
    assert not any(path.is_file() for path in (tmp_path / "place" / "accounts" / key).rglob("*"))


def test_a_full_read_removes_the_files_of_columns_that_are_not_wanted(
    store: Load, sandbox: Sandbox, new_pipeline: NewPipeline
) -> None:
    key = str(sandbox.store.rows("account")[0]["accountid"])
    put_file(sandbox.environment, "account", key, "new_contract", b"contract", "c.pdf")
    store("accounts.new_contract", tables=["accounts"], sync="full")
    assert columns_of(new_pipeline, key) == {"new_contract"}
    sandbox.store.delete("account", key)
    store("accounts.entityimage", tables=["accounts"], sync="full")
    assert columns_of(new_pipeline, key) == set()


def test_files_that_are_kept_go_when_deletes_are_to_be_removed(
    store: Load, sandbox: Sandbox, new_pipeline: NewPipeline
) -> None:
    key = account_with_files(sandbox)
    settings: dict[str, Any] = {"tables": ["accounts"]}
    store("accounts.new_contract", deletes="keep", **settings)
    sandbox.store.delete("account", key)
    store("accounts.new_contract", deletes="keep", **settings)
    assert rows_of(new_pipeline, "accounts")[key, "new_contract"]["status"] == "deleted"
    store("accounts.new_contract", deletes="remove", **settings)
    assert columns_of(new_pipeline, key) == set()


def test_verify_tells_lost_files_and_its_repair_brings_them_back(
    store: Load,
    sandbox: Sandbox,
    new_pipeline: NewPipeline,
    new_source: NewSource,
    tmp_path: Path,
) -> None:
    notes = notes_of(sandbox)
    store(*ENTRIES)
    place = str(tmp_path / "place")
    source: Any = new_source("annotations", files=list(ENTRIES), files_url=place)

    def verdicts() -> dict[str, Verdict]:
        pipeline = new_pipeline()
        loaded = loaded_tables(pipeline, ["accounts", "annotations"])
        return {one.table: one for one in verify(pipeline, source.connection, loaded)}

    assert all(one.is_equal for one in verdicts().values())
    lost = rows_of(new_pipeline, "annotations")[notes[1], "documentbody"]["url"]
    Path(lost.removeprefix("file://")).unlink()
    gone = f"DELETE FROM dataverse._dataverse_files WHERE key = '{notes[2]}'"
    execute(new_pipeline(), gone)
    found = verdicts()
    assert sorted(found["annotations"].lost_files) == sorted(notes[1:])
    assert not found["annotations"].is_equal
    assert found["accounts"].is_equal
    with running(repairing(list(found.values()), new_pipeline())):
        store(*ENTRIES)
    assert all(one.is_equal for one in verdicts().values())
    all_there(new_pipeline, sandbox, notes)


def test_the_display_says_when_files_are_stored(store: Load, sandbox: Sandbox) -> None:
    class Phases(RunProgress):
        def doing(self, table: str, phase: str) -> None:
            told.append((table, phase))

    told: list[tuple[str, str]] = []
    notes_of(sandbox)
    with observed(Phases()):
        store(*ENTRIES)
    phases = [phase for table, phase in told if table == "annotations"]
    at = phases.index("storing 3 files")
    assert phases[at + 1] == phases[at - 1]
