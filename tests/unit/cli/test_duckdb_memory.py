"""The command limits DuckDB, unless the user does; `load` in another process does not."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from dataverse_source.loading.memory import limit_duckdb_memory, memory_limit, threads
from dataverse_source.loading.project_pipeline import place_of_pipeline
from tests.support.command_line import Cli

Settings = Callable[[], tuple[str, int]]
ASK = "SELECT current_setting('memory_limit'), current_setting('threads')"
SECTION = "DESTINATION__DUCKDB__CREDENTIALS"

IN_A_PROCESS_OF_ITS_OWN = """
import duckdb
from dataverse_source import dataverse, limit_duckdb_memory, load, project_pipeline

def settings():
    with project_pipeline("mine") as pipeline:
        load(pipeline, dataverse(environment_url="sandbox", tables=["contacts"]))
        with pipeline.sql_client() as client:
            return client.execute_sql(ASK)[0]

print(settings() == duckdb.connect().execute(ASK).fetchone())
print(limit_duckdb_memory(), limit_duckdb_memory())
print(*settings())
"""


def as_duckdb_says(limit: str, count: int | None = None) -> tuple[str, int]:
    """The settings as DuckDB shows them; as many threads as it takes, if none are given."""
    config: dict[str, Any] = {"memory_limit": limit, **({"threads": count} if count else {})}
    with duckdb.connect(config=config) as database:
        found = database.execute(ASK).fetchone()
    assert found is not None
    return found[0], found[1]


@pytest.fixture
def settings(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """What was set for the database of a run: one of its connections is kept open."""
    kept: list[duckdb.DuckDBPyConnection] = []
    connect = duckdb.connect

    def noted(database: Any = ":memory:", *more: Any, **options: Any) -> Any:
        connection = connect(database, *more, **options)
        if str(database).startswith(str(folder)) and not kept:
            kept.append(connect(database, *more, **options))  # closed apart from the first
        return connection

    def asked() -> tuple[str, int]:
        found = kept[0].execute(ASK).fetchone()
        kept[0].close()
        assert found is not None
        return found[0], found[1]

    monkeypatch.setattr(duckdb, "connect", noted)
    return asked


@pytest.mark.slow
@pytest.mark.usefixtures("configured")
@pytest.mark.parametrize("credentials", [False, True])
def test_a_run_has_a_limit(
    cli: Cli,
    settings: Settings,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    credentials: bool,
) -> None:
    if credentials:
        monkeypatch.setenv(SECTION, str(folder / "rows.duckdb"))
    told = cli("run", "contacts", "--pipeline", f"cli_{uuid.uuid4().hex}")
    assert told.code == 0, told.err
    assert settings() == as_duckdb_says(f"{memory_limit()}B", threads())


@pytest.mark.slow
@pytest.mark.usefixtures("configured")
def test_a_setting_of_the_user_wins(
    cli: Cli, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"{SECTION}__GLOBAL_CONFIG", '{"memory_limit": "700MB"}')
    told = cli("run", "contacts", "--pipeline", f"cli_{uuid.uuid4().hex}")
    assert told.code == 0, told.err
    assert settings() == as_duckdb_says("700MB")


@pytest.mark.slow
@pytest.mark.usefixtures("configured")
def test_a_pragma_of_the_user_wins(
    cli: Cli, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"{SECTION}__PRAGMAS", """["memory_limit='600MB'"]""")
    told = cli("run", "contacts", "--pipeline", f"cli_{uuid.uuid4().hex}")
    assert told.code == 0, told.err
    assert settings() == as_duckdb_says("600MB", threads())


def test_the_file_is_known_where_nothing_but_limits_is_set(folder: Path) -> None:
    limit_duckdb_memory()
    assert place_of_pipeline("mine").file == folder / "mine.duckdb"


@pytest.mark.slow
def test_load_sets_nothing_until_it_is_asked_for(tmp_path: Path) -> None:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("SOURCES__", "DESTINATION__"))
    }
    places = {"DLT_PROJECT_DIR": str(tmp_path), "DLT_DATA_DIR": str(tmp_path / "dlt")}
    said = subprocess.run(
        [sys.executable, "-c", f"ASK = {ASK!r}\n{IN_A_PROCESS_OF_ITS_OWN}"],
        cwd=tmp_path,
        env={**kept, **places},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert said.returncode == 0, said.stderr
    limit, count = as_duckdb_says(f"{memory_limit()}B", threads())
    assert said.stdout.splitlines() == ["True", "True False", f"{limit} {count}"]
