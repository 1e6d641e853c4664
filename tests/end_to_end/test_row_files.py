"""Rows of large tables go to dlt in files that are written beside the read."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dlt
import pyarrow.parquet as pq
import pytest

from dataverse_source import load
from dataverse_source.errors import DataverseError, TablesFailedError
from dataverse_source.loading import taken_files
from dataverse_source.sandbox import Sandbox
from dataverse_source.sync.write import batches, row_files
from tests.support.comparing import assert_equal
from tests.support.loads import NewPipeline, NewSource, Run
from tests.support.requests_sent import keys

pytestmark = pytest.mark.slow


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that are written; a few rows make a table large."""
    found: list[Path] = []
    new_path = row_files._new_path

    def noted(folder: Path) -> Path:
        found.append(new_path(folder))
        return found[-1]

    monkeypatch.setattr(row_files, "_new_path", noted)
    monkeypatch.setattr(batches, "ROWS_A_BATCH", 10)
    return found


def _left(pipeline: dlt.Pipeline) -> list[Path]:
    return list((Path(pipeline.working_dir) / taken_files.FOLDER).glob("*"))


@pytest.mark.parametrize("sync", ["auto", "cursor", "full"])
@pytest.mark.parametrize("tables", [("accounts",), ("accounts", "contacts")])
def test_a_large_table_arrives_in_files(
    run: Run,
    sandbox: Sandbox,
    new_pipeline: NewPipeline,
    written: list[Path],
    sync: str,
    tables: tuple[str, ...],
) -> None:
    first = run(*tables, sync=sync, page_size=5)
    assert len(written) == len(tables)
    assert first.tables[0].inserted == len(keys(sandbox))
    sandbox.store.update("account", keys(sandbox)[0], {"name": "Changed"})
    sandbox.store.delete("account", keys(sandbox)[1])
    second = run(*tables, sync=sync, page_size=5, reconcile_interval=0)
    assert (second.tables[0].deleted, second.tables[0].updated) == (1, 1)
    for name in tables:
        assert_equal(new_pipeline(), sandbox, name)
    assert not _left(new_pipeline())


def test_a_file_has_as_many_rows_as_dlt_was_told(
    run: Run,
    sandbox: Sandbox,
    new_pipeline: NewPipeline,
    written: list[Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DATA_WRITER__FILE_MAX_ITEMS", "25")
    run(page_size=5)
    assert len(written) == 3  # of 60 rows
    assert_equal(new_pipeline(), sandbox, "accounts")


def test_a_small_table_needs_no_file(run: Run, written: list[Path]) -> None:
    run(page_size=20)  # 60 rows, a batch each 20
    assert len(written) == 1
    run("systemusers", page_size=20)
    assert len(written) == 1


@pytest.mark.parametrize(
    "settings",
    [{"labels": True}, {"history": True}, {"write": "append"}, {"environment_column": "env"}],
    ids=str,
)
def test_rows_that_are_changed_need_no_file(
    run: Run, written: list[Path], settings: dict[str, Any]
) -> None:
    run(page_size=5, **settings)
    assert not written


@dlt.transformer
def names(rows: Any) -> Iterator[Any]:
    for row in rows.to_pylist():
        yield {"account": row["accountid"], "name": row["name"]}


def _mapped(source: Any) -> None:
    source.accounts.add_map(lambda rows: rows.set_column(1, rows.schema[1], rows.column(1)))


def _transformed(source: Any) -> None:
    source.resources["names"] = source.accounts | names


def _limited(source: Any) -> None:
    source.accounts.add_limit(3)


def _under_contract(source: Any) -> None:
    source.schema_contract = {"columns": "freeze"}


@pytest.mark.parametrize(
    "change", [_mapped, _transformed, _limited, _under_contract], ids=lambda one: one.__name__
)
def test_rows_that_something_sees_need_no_file(
    new_source: NewSource,
    new_pipeline: NewPipeline,
    written: list[Path],
    change: Callable[[Any], None],
) -> None:
    source = new_source(page_size=5)
    change(source)
    load(new_pipeline(), source)
    assert not written


def test_a_read_that_fails_leaves_no_file(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline, written: list[Path]
) -> None:
    sandbox.faults.plan("no_value", path=r"/accounts\?.*skiptoken", skip=9, times=1000)
    with pytest.raises(TablesFailedError):
        run("accounts", "contacts", page_size=5, sync="cursor")
    assert written
    assert not _left(new_pipeline())
    sandbox.faults.clear()
    run("accounts", "contacts", page_size=5, sync="cursor")
    assert_equal(new_pipeline(), sandbox, "accounts")


@pytest.mark.parametrize("name", ["ParquetWriter", "write_table", "close"])
def test_a_full_disk_is_an_error_of_the_table(
    run: Run,
    new_pipeline: NewPipeline,
    written: list[Path],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    class Writer(pq.ParquetWriter):  # type: ignore[misc]
        pass

    def full(*_: Any, **__: Any) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Writer, "__init__" if name == "ParquetWriter" else name, full)
    monkeypatch.setattr(row_files, "pq", SimpleNamespace(ParquetWriter=Writer))
    with pytest.raises(DataverseError, match="cannot be written to a file") as failed:
        run("accounts", "contacts", page_size=5)
    assert "No space left on device" in str(failed.value)
    assert written
    assert not _left(new_pipeline())


KILLED = """
import json, os, signal, sys
from dataverse_source.sync.write import batches, row_files
batches.ROWS_A_BATCH = 10
row_files._File.closed = lambda _: os.kill(os.getpid(), signal.SIGKILL)
import dlt
from dataverse_source import dataverse, load
given = json.loads(sys.argv[1])
pipeline = dlt.pipeline("test", destination=dlt.destinations.duckdb(given["database"]),
                        dataset_name="dataverse", pipelines_dir=given["pipelines"])
load(pipeline, dataverse(tables=["accounts"], page_size=5, **given["settings"]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_what_a_killed_run_left_is_removed_by_the_next(
    run: Run,
    sandbox: Sandbox,
    credentials: Any,
    new_pipeline: NewPipeline,
    written: list[Path],
    tmp_path: Path,
) -> None:
    pipeline = new_pipeline()
    given = {
        "database": str(tmp_path / "test.duckdb"),
        "pipelines": str(Path(pipeline.working_dir).parent),
        "settings": {
            "environment_url": sandbox.environment_url,
            "credentials": dict(credentials),
            "ca_bundle": sandbox.ca_bundle,
        },
    }
    command = [sys.executable, "-c", KILLED, json.dumps(given)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=os.environ)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert len(_left(pipeline)) == 1
    assert _left(pipeline)[0].parent.stat().st_mode & 0o077 == 0
    run(page_size=5)
    assert written
    assert not _left(new_pipeline())
    assert_equal(new_pipeline(), sandbox, "accounts")


def test_plain_dlt_runs_take_files_too(
    new_source: NewSource, sandbox: Sandbox, new_pipeline: NewPipeline, written: list[Path]
) -> None:
    new_pipeline().run(new_source(page_size=5))
    assert len(written) == 1
    assert_equal(new_pipeline(), sandbox, "accounts")
