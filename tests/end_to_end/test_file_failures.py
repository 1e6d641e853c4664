"""Files that cannot be had, broken connections, and processes that are killed half way."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import dlt
import pytest

from dataverse_source import DataverseError
from dataverse_source.sandbox import Sandbox
from dataverse_source.sandbox.api.faults import Fault
from dataverse_source.sandbox.switches import Switches
from dataverse_source.sandbox.writes.file_store import put_document, put_file, set_rule
from dataverse_source.sync.files import fetching
from tests.end_to_end.test_files import CONTENT, Load, bytes_of, downloads, rows_of, store
from tests.support.loads import NewPipeline
from tests.support.scripts import DUCKDB, script
from tests.support.settings import secrets_of

__all__ = ["store"]

MB = 2**20


@pytest.mark.parametrize(
    "switches",
    [
        {},
        {"blocked_file": "403"},
        {"empty_file": "200", "content_range": "absent"},
        {"empty_file": "416", "range_of_whole_file": "whole"},
    ],
    ids=str,
)
def test_each_file_is_handled_by_itself(
    store: Load,
    sandbox: Sandbox,
    new_pipeline: NewPipeline,
    caplog: pytest.LogCaptureFixture,
    switches: dict[str, Any],
) -> None:
    sandbox.switches = Switches(**switches)
    environment = sandbox.environment
    blocked, whole, empty, good = (row["accountid"] for row in sandbox.store.rows("account")[:4])
    for key, content in ((blocked, b"virus"), (whole, CONTENT), (empty, b""), (good, b"good")):
        put_file(environment, "account", key, "new_contract", content, "file.bin")
    set_rule(environment, "account", blocked, "new_contract", "blocked")
    set_rule(environment, "account", whole, "new_contract", "whole_only")
    note = put_document(environment, "annotation", b"virus", "note.exe")
    set_rule(environment, "annotation", note, "documentbody", "blocked")
    entries = ("accounts.new_contract", "annotations")
    report = store(*entries)
    accounts = rows_of(new_pipeline, "accounts")
    row = accounts[blocked, "new_contract"]
    assert (row["status"], row["sha256"], row["url"]) == ("failed", None, None)
    assert "AttachmentBlocked" in row["error"] or "0x80043e09" in row["error"]
    for key, content in ((whole, CONTENT), (empty, b""), (good, b"good")):
        assert bytes_of(accounts[key, "new_contract"]) == content
    assert rows_of(new_pipeline, "annotations")[note, "documentbody"]["name"] == "note.exe"
    assert "note.exe" in caplog.text
    assert "accounts: 59 files stored" in str(report)
    assert "1 failed: _dataverse_files says why" in str(report)
    store(*entries)
    assert len(downloads(sandbox)) == 2
    set_rule(environment, "account", blocked, "new_contract", None)
    set_rule(environment, "annotation", note, "documentbody", None)
    store(*entries)
    assert bytes_of(rows_of(new_pipeline, "accounts")[blocked, "new_contract"]) == b"virus"
    assert bytes_of(rows_of(new_pipeline, "annotations")[note, "documentbody"]) == b"virus"


@pytest.mark.parametrize("kind", ["reset", "truncated"])
def test_a_dropped_connection_is_gone_on_with(
    store: Load, sandbox: Sandbox, new_pipeline: NewPipeline, kind: Any
) -> None:
    key = sandbox.store.rows("account")[0]["accountid"]
    put_file(sandbox.environment, "account", key, "new_contract", CONTENT, "a.bin")
    note = put_document(sandbox.environment, "annotation", CONTENT, "b.bin")
    for path in (key, note):
        sandbox.faults.plan(Fault(kind), path=rf"{path}.*value", skip=int(path == key))
    store("accounts.new_contract", "annotations")
    assert sandbox.faults.pending == 0
    assert bytes_of(rows_of(new_pipeline, "accounts")[key, "new_contract"]) == CONTENT
    assert bytes_of(rows_of(new_pipeline, "annotations")[note, "documentbody"]) == CONTENT
    if kind == "truncated":  # a reset takes away what has come and was not read yet
        sent = sum(one.sent for one in sandbox.requests if key in one.path)
        assert sent < len(CONTENT) + MB  # what had come was not asked for again


def test_a_file_that_changes_while_it_is_downloaded(
    store: Load, sandbox: Sandbox, new_pipeline: NewPipeline
) -> None:
    key = sandbox.store.rows("account")[0]["accountid"]
    other = random.Random(4).randbytes(len(CONTENT))

    def put(content: bytes) -> None:
        put_file(sandbox.environment, "account", key, "new_contract", content, "a.bin")

    put(CONTENT)
    sandbox.hooks.on(rf"{key}.*value", partial(put, other), nth=2)
    store("accounts.new_contract")
    assert sandbox.hooks.ran
    assert bytes_of(rows_of(new_pipeline, "accounts")[key, "new_contract"]) == other
    put(CONTENT)
    sandbox.hooks.on(rf"{key}.*value", partial(put, other[:100]), nth=2)
    store("accounts.new_contract")
    store("accounts.new_contract")
    assert bytes_of(rows_of(new_pipeline, "accounts")[key, "new_contract"]) == other[:100]


def test_a_row_that_is_gone_when_its_file_is_read(
    store: Load, sandbox: Sandbox, new_pipeline: NewPipeline
) -> None:
    first, second = (put_document(sandbox.environment, "annotation", b"x", "x") for _ in "12")
    gone = partial(sandbox.store.delete, "annotation", first)
    sandbox.hooks.on(rf"{first}.*value", gone, when="before")
    store("annotations")
    store("annotations")
    assert {key for key, _ in rows_of(new_pipeline, "annotations")} == {second}


def test_a_table_whose_files_all_fail_is_named_and_the_others_are_loaded(
    store: Load, sandbox: Sandbox, new_pipeline: NewPipeline
) -> None:
    note = put_document(sandbox.environment, "annotation", b"x", "x")
    sandbox.faults.plan("json_500", path=r"accounts\(.*value", times=10_000)
    with pytest.raises(DataverseError, match="accounts"):
        store("accounts.new_contract", "annotations")
    assert bytes_of(rows_of(new_pipeline, "annotations")[note, "documentbody"]) == b"x"
    assert rows_of(new_pipeline, "accounts") == {}


def test_a_place_that_cannot_be_written_is_named(
    store: Load, sandbox: Sandbox, tmp_path: Path
) -> None:
    put_document(sandbox.environment, "annotation", b"x", "x")
    (tmp_path / "blocked").write_text("a file, not a folder")
    with pytest.raises(DataverseError, match="place of the files") as failed:
        store("annotations", files_url=str(tmp_path / "blocked"))
    assert "files_url" in str(failed.value)


SCRIPT = script(
    DUCKDB,
    r"""
import re
from pathlib import Path
print(os.getpid(), flush=True)
load(pipeline, dataverse(**given["settings"]))
status = Path("/proc/self/status").read_text()  # getrusage tells the memory of who started us, too
print(int(re.search(r"VmHWM:\s+(\d+)", status)[1]) // 1024, flush=True)
""",
)


class Process:
    """Loads files in a process of its own, which can be killed."""

    def __init__(self, sandbox: Sandbox, tmp_path: Path, *entries: str, **settings: Any) -> None:
        self._sandbox = sandbox
        self._given: dict[str, Any] = {
            "database": str(tmp_path / "test.duckdb"),
            "pipelines": str(tmp_path / "pipelines"),
            "settings": {
                "environment_url": sandbox.environment_url,
                "files": list(entries),
                "files_url": str(tmp_path / "place"),
                "ca_bundle": sandbox.ca_bundle,
                **settings,
            },
        }

    def pipeline(self) -> dlt.Pipeline:
        return dlt.pipeline(
            "test",
            destination=dlt.destinations.duckdb(self._given["database"]),
            dataset_name="dataverse",
            pipelines_dir=self._given["pipelines"],
        )

    def run(self, kill_at: str | None = None, nth: int = 1) -> int | None:
        """Megabytes of memory at most; None if it was killed at the nth request of a path."""
        process = subprocess.Popen(
            [sys.executable, "-c", SCRIPT, json.dumps(self._given)],
            env={**os.environ, **secrets_of(self._sandbox)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        if kill_at:
            kill = partial(os.kill, pid, signal.SIGKILL)
            self._sandbox.hooks.on(kill_at, kill, nth=nth, when="before")
        out, errors = process.communicate(timeout=600)
        self._sandbox.hooks.clear()
        if kill_at:
            assert process.returncode == -signal.SIGKILL, errors
            return None
        assert process.returncode == 0, errors
        return int(out.split()[-1])


@pytest.mark.slow
def test_a_killed_run_is_gone_on_with(sandbox: Sandbox, tmp_path: Path) -> None:
    content = random.Random(5).randbytes(40 * MB)
    notes = [
        put_document(sandbox.environment, "annotation", b"%d" % one, "n") for one in range(100)
    ]
    process = Process(sandbox, tmp_path, "annotations")
    process.run(kill_at=r"value", nth=60)
    stored = [one for one in (tmp_path / "place").rglob("*") if one.is_file()]
    assert all(not one.name.startswith(".") for one in stored)
    sandbox.requests.clear()
    process.run()
    # those that were being noted when the process was killed are downloaded again
    assert len(downloads(sandbox)) <= 100 - len(stored) + fetching.MOST_AT_ONCE
    assert {key for key, _ in rows_of(process.pipeline, "annotations")} == set(notes)
    key = sandbox.store.rows("account")[0]["accountid"]
    put_file(sandbox.environment, "account", key, "new_contract", content, "large.bin")
    process = Process(sandbox, tmp_path, "annotations", "accounts.new_contract")
    process.run(kill_at=rf"{key}.*value", nth=8)
    sandbox.requests.clear()
    process.run()
    assert 2 <= len([one for one in downloads(sandbox) if key in one]) <= 6
    assert bytes_of(rows_of(process.pipeline, "accounts")[key, "new_contract"]) == content


@pytest.mark.slow
def test_memory_stays_bounded_whatever_the_size(sandbox: Sandbox, tmp_path: Path) -> None:
    key = sandbox.store.rows("account")[0]["accountid"]
    other = sandbox.store.rows("account")[1]["accountid"]
    plain = Process(sandbox, tmp_path / "plain", tables=["accounts"], files_url=None).run()
    content = random.Random(6).randbytes(MB) * 200
    put_file(sandbox.environment, "account", key, "new_contract", content, "large.bin")
    put_file(sandbox.environment, "account", other, "new_contract", content[: 80 * MB], "whole.bin")
    set_rule(sandbox.environment, "account", other, "new_contract", "whole_only")
    put_document(sandbox.environment, "annotation", content[: 40 * MB], "note.bin")
    process = Process(sandbox, tmp_path, "accounts.new_contract", "annotations")
    most = process.run()
    assert plain is not None
    assert most is not None
    assert most < plain + 60, f"{most} MB, {plain} MB without files"
    assert bytes_of(rows_of(process.pipeline, "accounts")[key, "new_contract"]) == content
