"""Temporary databases share one DuckDB, but not their tables, and leave no file."""

from __future__ import annotations

import gc
import tempfile
from pathlib import Path

import pytest

from dataverse_source.sync.temporary_database import SharedDatabase, TemporaryDatabase

TABLE = "CREATE TEMP TABLE numbers (number BIGINT)"


def test_two_at_once_have_tables_of_their_own() -> None:
    with TemporaryDatabase(TABLE) as one, TemporaryDatabase(TABLE) as other:
        one.ask("INSERT INTO numbers VALUES (1)")
        assert one.number("SELECT count(*) FROM numbers") == 1
        assert other.number("SELECT count(*) FROM numbers") == 0
    with TemporaryDatabase(TABLE) as later:
        assert later.number("SELECT count(*) FROM numbers") == 0


def test_the_database_is_closed_when_nobody_keeps_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gc.collect()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(SharedDatabase, "_each", type(SharedDatabase._each)())
    kept = SharedDatabase.of_process()
    with TemporaryDatabase(TABLE):
        pass
    (folder,) = tmp_path.iterdir()  # it waits for the next one
    with TemporaryDatabase(TABLE) as used:
        used.ask("INSERT INTO numbers VALUES (1)")
    assert list(tmp_path.iterdir()) == [folder]
    del kept, used
    gc.collect()
    assert not list(tmp_path.iterdir())
