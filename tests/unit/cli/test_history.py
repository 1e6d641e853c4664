"""`history`, `freshness` and `status`: what the runs have left in the destination."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from datetime import datetime, timezone
from pathlib import Path

import duckdb
import pytest

from dataverse_source.sandbox import Sandbox
from dataverse_source.sandbox.api.faults import Fault
from tests.support.command_line import Cli

pytestmark = pytest.mark.slow


@pytest.fixture
def pipeline(monkeypatch: pytest.MonkeyPatch, folder: Path) -> str:
    """A pipeline that no other test has: their working folders lie side by side."""
    monkeypatch.setenv("DESTINATION__DUCKDB__CREDENTIALS", str(folder / "rows.duckdb"))
    return f"cli_{uuid.uuid4().hex}"


def execute(folder: Path, sql: str) -> list[tuple[object, ...]]:
    with duckdb.connect(str(folder / "rows.duckdb")) as connection:
        return connection.execute(sql).fetchall()


def test_each_run_is_in_the_destination(
    cli: Cli, configured: Sandbox, pipeline: str, folder: Path
) -> None:
    cli("run", "accounts", "contacts", "--pipeline", pipeline)
    configured.store.create("account", {"name": "New"})
    cli("run", "accounts", "contacts", "--pipeline", pipeline)
    found = execute(
        folder,
        "SELECT status, tables, failed, inserted, updated, deleted, environment, pipeline "
        "FROM dataverse._dataverse_runs ORDER BY started_at",
    )
    url = configured.environment_url
    assert found == [
        ("ok", 2, 0, 100, 0, 0, url, pipeline),
        ("ok", 2, 0, 1, 0, 0, url, pipeline),
    ]
    found = execute(
        folder,
        'SELECT r."table", r.mode, r.inserted, r.rows_now FROM dataverse._dataverse_run_tables r '
        "JOIN dataverse._dataverse_runs USING (run_id) ORDER BY r.started_at, 1",
    )
    assert found == [
        ("accounts", "changes", 60, 60),
        ("contacts", "changes", 40, 40),
        ("accounts", "changes", 1, 61),
        ("contacts", "changes", 0, 40),
    ]


def test_history(cli: Cli, configured: Sandbox, pipeline: str) -> None:
    cli("run", "accounts", "contacts", "--pipeline", pipeline)
    cli("run", "accounts", "contacts", "--pipeline", pipeline)
    newest, first = cli("history", "--pipeline", pipeline, "--json").json()
    assert (newest["inserted"], first["inserted"]) == (0, 100)
    assert datetime.fromisoformat(newest["started_at"]) > datetime.fromisoformat(
        first["started_at"]
    )
    (only,) = cli("history", "contacts", "--last", "1", "--pipeline", pipeline, "--json").json()
    assert (only["table"], only["rows_now"]) == ("contacts", 40)
    lines = [line.split() for line in cli("history", "--pipeline", pipeline).out.splitlines()]
    assert [line[2:3] + line[4:] for line in lines[2:]] == [
        ["ok", "0", "0", "0", "2"],
        ["ok", "100", "0", "0", "2"],
    ]


def test_a_table_that_fails_is_in_history_and_status(
    cli: Cli, configured: Sandbox, pipeline: str, folder: Path
) -> None:
    cli("run", "accounts", "contacts", "--pipeline", pipeline)
    readable = frozenset({"account", "systemuser"})
    configured.users.change(configured.client_id, readable_tables=readable)
    configured.store.create("account", {"name": "New"})
    results = folder / "results.json"
    told = cli("run", "accounts", "contacts", "--pipeline", pipeline, "--json", str(results))
    assert told.code == 1
    written = json.loads(results.read_text("utf-8"))
    numbers = {one["name"]: (one["inserted"], one["error"]) for one in written["tables"]}
    assert numbers["accounts"] == (1, None)
    assert "prvReadContact" in numbers["contacts"][1]
    assert written["error"]["type"] == "TablesFailedError"
    printed = cli("run", "accounts", "contacts", "--pipeline", pipeline, "--json").json()
    assert printed["tables"][0]["inserted"] == 0
    assert "contacts" in printed["error"]["tables"]
    partial = cli("history", "--pipeline", pipeline, "--json").json()
    assert [one["status"] for one in partial] == ["partial", "partial", "ok"]
    accounts, contacts = cli("status", "--pipeline", pipeline, "--json").json()["tables"]
    assert (accounts["last_error"], accounts["last_numbers"]["inserted"]) == (None, 0)
    assert contacts["last_error"]
    assert contacts["freshness_seconds"] > accounts["freshness_seconds"]
    assert "contacts: the last run failed:" in cli("status", "--pipeline", pipeline).out


def test_waits_are_told_table_by_table(
    cli: Cli, configured: Sandbox, pipeline: str, folder: Path
) -> None:
    configured.faults.plan(Fault("throttled", retry_after=2), path=r"/contacts\?")
    told = cli("run", "accounts", "contacts", "--pipeline", pipeline, "--json").json()
    waited = {one["name"]: one["seconds_waited"] for one in told["tables"]}
    assert 0.1 < waited["contacts"] < told["counters"]["seconds_waited"] + 0.01
    found = execute(folder, 'SELECT "table", seconds_waited FROM dataverse._dataverse_run_tables')
    assert {str(name): seconds for name, seconds in found} == waited


def test_quiet_prints_only_what_failed(cli: Cli, configured: Sandbox, pipeline: str) -> None:
    told = cli("run", "accounts", "-q", "--pipeline", pipeline)
    assert (told.code, told.out, told.err) == (0, "", "")
    configured.users.change(configured.client_id, readable_tables=frozenset({"systemuser"}))
    told = cli("run", "accounts", "-q", "--pipeline", pipeline)
    assert (told.code, told.out) == (1, "")
    assert "prvReadAccount" in told.err


def test_quiet_says_nothing_of_made_up_rows(
    cli: Cli, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__DATAVERSE__ENVIRONMENT_URL", "sandbox")
    told = cli("run", "accounts", "-q")
    assert (told.code, told.out, told.err) == (0, "", "")


@pytest.mark.parametrize(
    ("options", "code", "status"),
    [
        ((), 0, "pass"),
        (("--warn", "1h", "--error", "3h"), 0, "warn"),
        (("--warn", "1m", "--error", "1h"), 1, "error"),
    ],
)
def test_freshness(
    cli: Cli, configured: Sandbox, pipeline: str, folder: Path,
    options: tuple[str, ...], code: int, status: str,
) -> None:  # fmt: skip
    cli("run", "accounts", "contacts", "--pipeline", pipeline)
    if options:
        execute(
            folder,
            "UPDATE dataverse._dataverse_run_tables SET started_at = started_at - INTERVAL 2 HOUR "
            "WHERE \"table\" = 'contacts'",
        )
    told = cli("freshness", *options, "--pipeline", pipeline, "--json")
    assert told.code == code
    value = told.json()
    assert value["status"] == status
    accounts, contacts = value["tables"]
    age = datetime.now(timezone.utc) - datetime.fromisoformat(accounts["last_synced"])
    assert 0 <= age.total_seconds() < 600
    assert contacts["status"] == status
    shown = cli("freshness", *options, "--pipeline", pipeline)
    assert shown.code == code
    assert ["contacts", status] in [
        [line.split()[0], line.split()[-1]] for line in shown.out.splitlines() if line.strip()
    ]


def test_a_table_without_a_good_run_is_not_fresh(
    cli: Cli, configured: Sandbox, pipeline: str, folder: Path
) -> None:
    cli("run", "accounts", "--pipeline", pipeline)
    execute(folder, "UPDATE dataverse._dataverse_run_tables SET status = 'failed'")
    told = cli("freshness", "--pipeline", pipeline)
    assert told.code == 1
    assert "never" in told.out


def test_freshness_of_some_tables(
    cli: Cli, configured: Sandbox, pipeline: str, folder: Path
) -> None:
    cli("run", "accounts", "contacts", "--pipeline", pipeline)
    sql = "UPDATE dataverse._dataverse_run_tables SET started_at = started_at - INTERVAL 9 DAY "
    execute(folder, sql + "WHERE \"table\" = 'contacts'")
    for names, code in ((("accounts",), 0), ((), 1), (("contacts",), 1), (("leads",), 1)):
        assert cli("freshness", *names, "--pipeline", pipeline).code == code, names


def test_wrong_spans(cli: Cli) -> None:
    told = cli("freshness", "--warn", "soon")
    assert told.code == 2
    assert "no span of time" in told.err


HOLD = "import duckdb, sys; one = duckdb.connect(sys.argv[1]); print(flush=True); input()"


@pytest.mark.slow
def test_a_destination_that_another_process_holds(
    cli: Cli, configured: Sandbox, pipeline: str, folder: Path
) -> None:
    cli("run", "accounts", "--pipeline", pipeline)
    file = str(folder / "rows.duckdb")
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", HOLD, file], stdin=pipe, stdout=pipe) as other:
        assert other.stdout is not None
        other.stdout.readline()
        for command in ("history", "freshness", "report"):
            told = cli(command, "--pipeline", pipeline)
            assert told.code == 1
            assert "The destination cannot be read" in told.err
            assert f"PID {other.pid}" in told.err
            assert f"destination duckdb: {file}" in told.err
        other.communicate(b"\n")


def test_a_destination_without_credentials(cli: Cli, configured: Sandbox, pipeline: str) -> None:
    cli("run", "accounts", "--pipeline", pipeline)
    told = cli("history", "--destination", "postgres", "--pipeline", pipeline)
    assert told.code == 2
    assert "needs" in told.err
