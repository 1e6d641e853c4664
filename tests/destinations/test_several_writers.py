"""Processes that load into one table of a server at the same time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import dlt
import pytest

from dataverse_source.sandbox import Sandbox
from tests.support.comparing import assert_equal
from tests.support.requests_sent import keys
from tests.support.scripts import POSTGRES, script
from tests.support.settings import secrets_of

pytestmark = [pytest.mark.destinations, pytest.mark.slow]

PATIENCE = 120
"""Seconds in which a process has to come as far as its merge."""

BACKFILL = script(
    POSTGRES,
    """
from datetime import datetime
source = dataverse(**given["settings"])
start, end = map(datetime.fromisoformat, given["range"])
source.accounts.apply_hints(
    incremental=dlt.sources.incremental("modifiedon", initial_value=start, end_value=end)
)
load(pipeline, source)
""",
)


@pytest.fixture
def address(postgres_address: str, tmp_path: Path) -> str:
    """A database of the test's own."""
    import psycopg2

    name = tmp_path.name.lower()
    database = psycopg2.connect(postgres_address)
    database.autocommit = True
    with database.cursor() as cursor:
        cursor.execute(f'CREATE DATABASE "{name}"')
    database.close()
    return f"{postgres_address.rpartition('/')[0]}/{name}"


@pytest.fixture
def start(
    sandbox: Sandbox, address: str, tmp_path: Path
) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts the backfill of a range, by a pipeline and in a process of its own."""
    settings = {
        "environment_url": sandbox.environment_url,
        "tables": ["accounts"],
        "ca_bundle": sandbox.ca_bundle,
    }
    pipelines, started = str(tmp_path / "pipelines"), []

    def start(name: str, first: datetime, last: datetime) -> subprocess.Popen[str]:
        given = {"address": address, "pipelines": pipelines, "settings": settings, "name": name}
        given["range"] = [str(one.replace(microsecond=0)) for one in (first, last)]
        process = subprocess.Popen(
            [sys.executable, "-c", BACKFILL, json.dumps(given)],
            env={**os.environ, **secrets_of(sandbox)},
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_backfills_of_one_table_at_the_same_time(
    sandbox: Sandbox,
    address: str,
    start: Callable[..., subprocess.Popen[str]],
    tmp_path: Path,
) -> None:
    """With one staging dataset, the second one would empty what the first is about to merge."""
    import psycopg2

    for key in keys(sandbox):
        sandbox.clock.advance(600)
        sandbox.store.update("account", key, {"telephone1": "1"})
    moments = sorted(row["modifiedon"] for row in sandbox.store.rows("account"))
    edges = [moments[0], moments[20], moments[40], moments[-1] + timedelta(hours=1)]
    ended(start("first", *edges[0:2]))
    with closing(psycopg2.connect(address)) as database, database.cursor() as cursor:
        cursor.execute("LOCK TABLE dataverse.accounts IN SHARE MODE")  # no merge gets any further
        both = []
        for number in (1, 2):
            both.append(start(f"backfill_{number}", *edges[number : number + 2]))
            wait_for_waiting(address, number, both)
        database.rollback()
    for one in both:
        ended(one)
    pipeline = dlt.pipeline(
        "first",
        destination=dlt.destinations.postgres(address),
        dataset_name="dataverse",
        pipelines_dir=str(tmp_path / "pipelines"),
    )
    assert_equal(pipeline, sandbox, "accounts")


def wait_for_waiting(address: str, count: int, processes: Sequence[subprocess.Popen[str]]) -> None:
    """Waits until so many sessions of the server wait for a lock."""
    import psycopg2

    ends = time.monotonic() + PATIENCE
    sql = "SELECT COUNT(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    with closing(psycopg2.connect(address)) as database, database.cursor() as cursor:
        database.autocommit = True
        while time.monotonic() < ends:
            cursor.execute(sql)
            if cursor.fetchall()[0][0] >= count:
                return
            for one in processes:
                assert one.poll() is None, one.communicate()
            time.sleep(0.1)
    pytest.fail("no process waits for the lock")


def ended(process: subprocess.Popen[str]) -> None:
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, errors


ENVIRONMENT = script(
    POSTGRES,
    """
source = dataverse.clone(name=given["name"])(**given["settings"])
load(pipeline, source)
""",
)


@pytest.mark.parametrize("sync", ["changes", "full"])
def test_two_environments_at_the_same_time(
    sandbox: Sandbox, address: str, tmp_path: Path, sync: str
) -> None:
    """Both have the same keys; each waits for its merge until the other is as far."""
    import psycopg2

    rows = {"account": 60, "contact": 5, "systemuser": 5}
    with Sandbox(rows=rows, seed=1) as other:
        organization = str(uuid.uuid4())
        other.copy_over(rows=rows, seed=1, organization_id=organization)
        sandboxes = {"eu": sandbox, "us": other}

        def start(name: str) -> subprocess.Popen[str]:
            settings = {
                "environment_url": sandboxes[name].environment_url,
                "tables": ["accounts"],
                "ca_bundle": sandboxes[name].ca_bundle,
                "environment_column": name,
                "sync": sync,
            }
            given = {"name": name, "address": address, "settings": settings}
            given["pipelines"] = str(tmp_path / "pipelines")
            return subprocess.Popen(
                [sys.executable, "-c", ENVIRONMENT, json.dumps(given)],
                env={**os.environ, **secrets_of(sandboxes[name])},
                stderr=subprocess.PIPE,
                text=True,
            )

        for name in sandboxes:
            ended(start(name))
        for number, (name, one) in enumerate(sandboxes.items()):
            one.clock.advance(600)
            some = sorted(keys(one))
            one.store.update("account", some[3], {"name": name})
            one.store.delete("account", some[number])
            one.store.create("account", {"name": f"new in {name}"})
        with closing(psycopg2.connect(address)) as database, database.cursor() as cursor:
            cursor.execute("LOCK TABLE dataverse.accounts IN SHARE MODE")
            both: list[subprocess.Popen[str]] = []
            for name in sandboxes:
                both.append(start(name))
                wait_for_waiting(address, len(both), both)
            database.rollback()
        for process in both:
            ended(process)
        for name, one in sandboxes.items():
            pipeline = dlt.pipeline(
                name,
                destination=dlt.destinations.postgres(address),
                dataset_name="dataverse",
                pipelines_dir=str(tmp_path / "pipelines"),
            )
            assert_equal(pipeline, one, "accounts", name)
