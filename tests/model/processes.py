"""Random lives of a real pipeline: processes that are killed, folders that are lost, two schedules.

Every run is a process of its own, with dlt and DuckDB; most of them end by SIGKILL. After a run
that ends well every cell in DuckDB is that of the sandbox.
"""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import duckdb

from dataverse_source.sandbox import Sandbox
from tests.model.life import Life
from tests.model.memory import MemoryDestination
from tests.model.oracle import assert_in_step
from tests.model.world import small_schema
from tests.support.places import ROOT

TABLES = {"accounts": "account", "contacts": "contact", "new_sensorreadings": "new_sensorreading"}
SETTINGS: dict[str, Any] = {
    "tables": list(TABLES),
    "page_size": 2,
    "table_settings": {"contacts": {"sync": "cursor", "sweep_interval": 0}},
}
CHANGES = ("create", "create", "update", "update", "delete", "create_again", "merge")
USUAL_MOMENTS = 170
"""About as many as a run of a few changes has; what is more is not killed."""


class Runner:
    """Has real runs done, one at a time, each in a process of its own."""

    def __init__(self, process: subprocess.Popen[str], folder: Path) -> None:
        self._process = process
        self._folder = folder

    def run(self, sandbox: Sandbox, database: Path, pipelines: Path, kill_at: int | None,
            **settings: Any) -> dict[str, Any]:  # fmt: skip
        """One run; what is told of it: ``moments``, ``failure`` or ``signal``."""
        section = "SOURCES__DATAVERSE__CREDENTIALS__"
        names = ("tenant_id", "client_id", "client_secret", "authority_host")
        asked = {
            "environment": {section + one.upper(): str(getattr(sandbox, one)) for one in names},
            "database": str(database),
            "pipelines": str(pipelines),
            "kill_at": kill_at,
            "answer": str(self._folder / "answer.json"),
            "settings": {
                "environment_url": sandbox.environment_url,
                "ca_bundle": sandbox.ca_bundle,
                **SETTINGS,
                **settings,
            },
        }
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        told: dict[str, Any] = json.loads(self._process.stdout.readline())
        return told


@contextmanager
def runner(folder: Path) -> Iterator[Runner]:
    """The process that has runs done; it ends with the block."""
    with (folder / "stderr.txt").open("w") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.model.runs"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )
    with process:
        yield Runner(process, folder)


@dataclass
class RealLife:
    """One environment, one database, and two schedules that load into it.

    Attributes:
        kills: how many runs have ended by SIGKILL.
        told: what has happened, for whoever has to understand a failure.
    """

    runner: Runner
    sandbox: Sandbox
    folder: Path
    random: Random
    kills: int = 0
    told: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.life = Life(self.sandbox)
        self.settings = {"max_rows_per_load": self.random.choice([None, None, 3])}
        self.told.append(f"begins with {self.settings}")
        for number in range(8):
            for table in TABLES.values():
                self.life.create(table, number)

    def go_on(self, most_kills: int) -> None:
        """Changes, runs that are killed, one that ends well, and a comparison."""
        for _ in range(self.random.randint(0, most_kills)):
            self._change()
            self._upset()
            self._run(self.random.randrange(USUAL_MOMENTS))
        self._change()
        self._run(None)
        self._compare()

    def _change(self) -> None:
        for _ in range(self.random.randint(0, 4)):
            table = self.random.choice(list(TABLES.values()))
            change, number = self.random.choice(CHANGES), self.random.randrange(60)
            self.told.append(f"{change} {table} {number}")
            steps: dict[str, Any] = {
                "create": self.life.create,
                "update": self.life.update,
                "delete": self.life.delete,
                "create_again": self.life.create_again,
                "merge": self.life.merge,
            }
            steps[change](table, number)
        self.life.wait(self.random.choice([0.0, 0.1, 1.0, 30.0]))

    def _upset(self) -> None:
        """Now and then the working folder is lost."""
        if self.random.random() < 0.15:
            schedule = self._schedule()
            self.told.append(f"{schedule.name} is lost")
            shutil.rmtree(schedule, ignore_errors=True)

    def _schedule(self) -> Path:
        return self.folder / ("main" if self.random.random() < 0.75 else "other")

    def _run(self, kill_at: int | None) -> None:
        schedule = self._schedule()
        self.told.append(f"{schedule.name} runs, to be killed at {kill_at}")
        database = self.folder / "loaded.duckdb"
        told = self.runner.run(self.sandbox, database, schedule, kill_at, **self.settings)
        assert "failure" not in told, f"{told['failure']}\n{self.told}"
        assert told.get("signal") in (None, signal.SIGKILL)
        self.kills += "signal" in told
        assert kill_at is not None or "moments" in told

    def _compare(self) -> None:
        try:
            loaded = _loaded(self.folder / "loaded.duckdb")
        except AssertionError as error:
            raise AssertionError(f"{error}\n" + "\n".join(self.told)) from None
        for set_name, logical_name in TABLES.items():
            table = self.sandbox.store.schema.by_logical_name[logical_name]
            given = {
                "select": None,
                "labels": False,
                "keeps": False,
                "silent_cascades": False,
                "only_active": False,
            }
            try:
                assert_in_step(self.sandbox, loaded, table, {"mode": "full"}, **given)  # type: ignore[arg-type]
            except AssertionError as error:
                raise AssertionError(f"{set_name}: {error}\n" + "\n".join(self.told)) from None


def _loaded(database: Path) -> MemoryDestination:
    """What DuckDB holds; a key that comes twice fails."""
    found = MemoryDestination()
    with duckdb.connect(str(database), read_only=True) as connection:
        for name, logical_name in TABLES.items():
            table = small_schema().by_logical_name[logical_name]
            cursor = connection.execute(f"SELECT * FROM dataverse.{name}")
            columns = [column[0] for column in cursor.description]
            rows = [dict(zip(columns, values, strict=True)) for values in cursor.fetchall()]
            by_key = {
                (row[table.primary_id], row["partitionid"])
                if "partitionid" in row
                else row[table.primary_id]: row
                for row in rows
            }
            assert len(by_key) == len(rows), f"{name}: a key comes twice"
            found.tables[name] = {
                key: {one: value for one, value in row.items() if not one.startswith("_dlt_")}
                for key, row in by_key.items()
            }
            found.columns[name] = {one: {} for one in columns}
    return found


def live(runner: Runner, folder: Path, seed: int, rounds: int, most_kills: int = 5) -> int:
    """One life; returns how many of its runs were killed.

    Args:
        runner: has the runs done.
        folder: to work in.
        seed: the same number gives the same life.
        rounds: how many runs end well.
        most_kills: how many at most are killed before each of these.
    """
    with Sandbox(rows={}, seed=1, schema=small_schema()) as sandbox:
        one = RealLife(runner, sandbox, folder, Random(seed))
        for _ in range(rounds):
            one.go_on(most_kills)
        return one.kills
