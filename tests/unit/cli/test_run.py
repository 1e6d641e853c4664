"""`run`, `status` and `reset`: a pipeline's life from the command line."""

from __future__ import annotations

import re
import uuid
from datetime import datetime, timedelta, timezone
from pathlib import Path

import duckdb
import pytest

from dataverse_source.sandbox import Sandbox
from dataverse_source.sandbox.api.faults import Fault
from tests.support.command_line import Cli

pytestmark = pytest.mark.slow

AT = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"


@pytest.fixture
def pipeline(monkeypatch: pytest.MonkeyPatch, folder: Path) -> str:
    """A pipeline that no other test has: their working folders lie side by side."""
    monkeypatch.setenv("DESTINATION__DUCKDB__CREDENTIALS", str(folder / "rows.duckdb"))
    return f"cli_{uuid.uuid4().hex}"


def rows_in(folder: Path, table: str) -> int:
    with duckdb.connect(str(folder / "rows.duckdb"), read_only=True) as connection:
        found = connection.execute(f"SELECT COUNT(*) FROM dataverse.{table}").fetchone()
    assert found is not None
    return int(found[0])


def test_run(cli: Cli, configured: Sandbox, pipeline: str, folder: Path) -> None:
    told = cli("run", "accounts", "contacts", "--pipeline", pipeline)
    assert told.code == 0, told.err
    lines = [line.split() for line in told.out.splitlines()]
    assert ["accounts", "60", "0", "0", "0", "60"] in lines
    assert ["contacts", "40", "0", "0", "0", "40"] in lines
    assert re.fullmatch(
        r"Done in [\d.]+s: 2 tables, 100 inserted, 0 updated, 0 deleted, 0 failed",
        told.out.splitlines()[-1],
    )
    assert str(folder / "rows.duckdb") in told.out
    assert rows_in(folder, "accounts") == 60
    noted = told.err.splitlines()
    assert any(re.fullmatch(rf"{AT} accounts: read, 60 rows in .*s; .*", line) for line in noted)
    assert any(re.fullmatch(rf"{AT} contacts: read, 40 rows in .*s; .*", line) for line in noted)
    assert any(re.fullmatch(rf"{AT} loading \.\.\.", line) for line in noted)
    assert "\x1b" not in told.out + told.err
    assert configured.client_secret not in told.out + told.err
    report = cli("run", "accounts", "contacts", "--pipeline", pipeline, "--json").json()
    table = report["tables"][0]
    assert (table["name"], table["rows_read"]) == ("accounts", 0)
    assert (table["rows_before"], table["rows_after"], table["rows_now"]) == (60, 60, 60)
    assert (table["mode"], table["error"]) == ("changes", None)
    assert {"tables", "seconds", "destination", "dataset"} <= set(report)


@pytest.mark.parametrize("runs", [1, 2])
def test_all_requests_of_a_run_are_counted(
    cli: Cli, configured: Sandbox, pipeline: str, runs: int
) -> None:
    """Also those that find out what the names mean, before anything is loaded."""
    for _ in range(runs):
        configured.requests.clear()
        told = cli("run", "contacts", "--pipeline", pipeline, "--json").json()
    sent = [one for one in configured.requests if one.path.startswith("/api/data/")]
    assert told["counters"]["requests"] == len(sent)


def test_run_what_the_settings_name(
    cli: Cli, configured: Sandbox, pipeline: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__DATAVERSE__TABLES", "contacts,accounts")
    settings = '{"accounts": {"select": ["name"]}, "contacts": {"select": ["fullname"]}}'
    monkeypatch.setenv("SOURCES__DATAVERSE__TABLE_SETTINGS", settings)
    report = cli("run", "contacts", "--pipeline", pipeline, "--json").json()
    assert [one["name"] for one in report["tables"]] == ["contacts"]
    report = cli("run", "--pipeline", pipeline, "--json").json()
    read = {one["name"]: (one["rows_read"], one["rows_after"]) for one in report["tables"]}
    assert read == {"contacts": (0, 40), "accounts": (60, 60)}


def test_a_table_that_fails(cli: Cli, configured: Sandbox, pipeline: str, folder: Path) -> None:
    readable = frozenset({"account", "systemuser"})
    configured.users.change(configured.client_id, readable_tables=readable)
    told = cli("run", "accounts", "contacts", "--pipeline", pipeline)
    assert told.code == 1
    assert "1 of 2 tables failed; the others are loaded." in told.err
    assert "contacts: failed;" in told.err
    assert "prvReadContact" in told.err
    assert "Traceback" not in told.err
    assert rows_in(folder, "accounts") == 60


def test_the_only_table_fails(
    cli: Cli, configured: Sandbox, pipeline: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__DATAVERSE__PAGE_SIZE", "10")
    configured.faults.plan(Fault("no_next_link"), path=r"select=[^&]*name", times=1000)
    told = cli("run", "accounts", "--pipeline", pipeline)
    assert told.code == 1
    assert "is not the last one" in told.err
    assert re.search(r"^Ended early after [\d.]+s: 1 table, ", told.out, re.MULTILINE)
    assert "Done" not in told.out
    assert "0 failed" not in told.out


def test_a_destination_that_there_is_not(cli: Cli, configured: Sandbox, pipeline: str) -> None:
    told = cli("run", "accounts", "--pipeline", pipeline, "--destination", "duckbd")
    assert told.code == 2
    assert "dlt has no destination 'duckbd'" in told.err
    assert "Did you mean 'duckdb'" in told.err


def test_a_table_that_there_is_not(cli: Cli, configured: Sandbox, pipeline: str) -> None:
    told = cli("run", "acounts", "--pipeline", pipeline)
    assert told.code == 2
    assert "Did you mean 'accounts'" in told.err


def test_status(cli: Cli, configured: Sandbox, pipeline: str) -> None:
    cli("run", "accounts", "contacts", "--pipeline", pipeline)
    configured.requests.clear()
    found = cli("status", "--pipeline", pipeline, "--json").json()
    assert (found["pipeline"], found["dataset"]) == (pipeline, "dataverse")
    assert found["pending_packages"] is False
    assert found["last_run"]["failed_step"] is None
    accounts, contacts = found["tables"]
    assert (accounts["table"], accounts["logical_name"]) == ("accounts", "account")
    assert (accounts["mode"], accounts["rows"], contacts["rows"]) == ("changes", 60, 40)
    given = datetime.fromisoformat(accounts["token_given_at"])
    assert datetime.now(timezone.utc) - given < timedelta(hours=1)
    assert 6.5 < accounts["days_to_token_expiry"] <= 7.1
    told = cli("status", "--pipeline", pipeline)
    assert told.out.startswith(f"pipeline {pipeline}, dataset dataverse in duckdb\nlast run: ")
    lines = [line.split() for line in told.out.splitlines()]
    assert any(line[:3] == ["accounts", "changes", "60"] for line in lines)
    assert len(configured.requests) == 0


def test_status_of_other_ways(
    cli: Cli, configured: Sandbox, pipeline: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = '{"accounts": {"sync": "cursor"}, "contacts": {"sync": "full"}}'
    monkeypatch.setenv("SOURCES__DATAVERSE__TABLE_SETTINGS", settings)
    cli("run", "accounts", "contacts", "--pipeline", pipeline)
    accounts, contacts = cli("status", "--pipeline", pipeline, "--json").json()["tables"]
    assert (accounts["mode"], contacts["mode"]) == ("cursor", "full")
    assert accounts["days_to_token_expiry"] is contacts["days_to_token_expiry"] is None
    assert datetime.fromisoformat(accounts["cursor"])
    assert contacts["cursor"] is None
    told = cli("status", "--pipeline", pipeline).out
    rows = {line.split()[0]: line.split() for line in told.splitlines() if line.strip()}
    assert rows["accounts"][1:3] == ["cursor", "60"]
    assert rows["contacts"][1:3] == ["full", "40"]


@pytest.mark.parametrize("command", [["status"], ["reset", "accounts"]])
def test_a_pipeline_that_has_never_run(cli: Cli, pipeline: str, command: list[str]) -> None:
    told = cli(*command, "--pipeline", pipeline)
    assert told.code == 2
    assert f"There is no pipeline '{pipeline}'" in told.err


def test_reset(cli: Cli, configured: Sandbox, pipeline: str, folder: Path) -> None:
    cli("run", "accounts", "contacts", "--pipeline", pipeline)
    told = cli("reset", "accounts", "--pipeline", pipeline, "--yes")
    assert told.code == 0, told.err
    assert told.out.startswith("The next run reads all rows of accounts again.")
    assert rows_in(folder, "accounts") == 60
    (left,) = cli("status", "--pipeline", pipeline, "--json").json()["tables"]
    assert left["table"] == "contacts"
    report = cli("run", "accounts", "contacts", "--pipeline", pipeline, "--json").json()
    read = {one["name"]: (one["rows_read"], one["rows_after"]) for one in report["tables"]}
    assert read == {"accounts": (60, 60), "contacts": (0, 40)}


def test_reset_of_a_table_that_was_dropped(
    cli: Cli, configured: Sandbox, pipeline: str, folder: Path
) -> None:
    cli("run", "accounts", "contacts", "--pipeline", pipeline)
    with duckdb.connect(str(folder / "rows.duckdb")) as connection:
        connection.execute("DROP TABLE dataverse.accounts")
    assert cli("reset", "accounts", "--pipeline", pipeline, "--yes").code == 0
    told = cli("run", "accounts", "contacts", "--pipeline", pipeline)
    assert told.code == 0, told.err
    assert rows_in(folder, "accounts") == 60


def test_reset_asks(
    cli: Cli, configured: Sandbox, pipeline: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli("run", "accounts", "--pipeline", pipeline)
    told = cli("reset", "acount", "--pipeline", pipeline, "--yes")
    assert told.code == 2
    assert "Did you mean 'account' or 'accounts'" in told.err
    monkeypatch.setattr("click.confirm", lambda _: False)
    assert cli("reset", "accounts", "--pipeline", pipeline).code == 1
    assert cli("reset", "accounts", "--pipeline", pipeline, "--json").code == 2
    assert len(cli("status", "--pipeline", pipeline, "--json").json()["tables"]) == 1
    monkeypatch.setattr("click.confirm", lambda _: True)
    assert cli("reset", "--pipeline", pipeline, "--yes").code == 2
    assert cli("reset", "accounts", "--all", "--pipeline", pipeline, "--yes").code == 2
    assert cli("reset", "--all", "--pipeline", pipeline).code == 0
    assert cli("status", "--pipeline", pipeline, "--json").json()["tables"] == []
