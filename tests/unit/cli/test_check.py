"""`check` finds what is wrong, in at most six requests."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from dataverse_source.cli.app import run
from dataverse_source.cli.checks.tables import MOST_TABLES
from dataverse_source.sandbox import Sandbox
from dataverse_source.sandbox.schema.schema_changes import with_column_changed
from tests.support.command_line import Cli

pytestmark = pytest.mark.slow

MOST_REQUESTS = 6

STEPS = [
    "configuration",
    "sign_in",
    "who_am_i",
    "organization",
    "user",
    "clock",
    "limits",
    "metadata",
    "destination",
]


@pytest.fixture(autouse=True)
def no_secured_columns(request: pytest.FixtureRequest) -> None:
    """Column security is a check of its own."""
    if "configured" in request.fixturenames:
        secure(request.getfixturevalue("configured"), "new_taxnumber", secured=False)


def secure(sandbox: Sandbox, column: str, *, secured: bool) -> None:
    schema = with_column_changed(sandbox.store.schema, "account", column, secured=secured)
    sandbox.store.change_schema(schema)


def test_columns_that_column_security_hides(cli: Cli, configured: Sandbox) -> None:
    secure(configured, "telephone1", secured=True)
    told = cli("check", "accounts", "--json")
    assert told.code == 0
    found = next(one for one in told.json()["steps"] if one["step"] == "columns")
    assert (found["title"], found["status"]) == ("accounts columns", "warning")
    assert found["details"] == "column security hides telephone1"
    assert "column security profile" in found["remedy"]
    assert len(configured.requests) <= MOST_REQUESTS


def statuses(value: Any) -> dict[str, str]:
    """Status by step, or by table for the tables."""
    return {one["facts"].get("table", one["step"]): one["status"] for one in value["steps"]}


def step(value: Any, name: str) -> Any:
    (found,) = (one for one in value["steps"] if one["facts"].get("table", one["step"]) == name)
    return found


def test_all_is_well(cli: Cli, configured: Sandbox) -> None:
    told = cli("check", "accounts", "contacts", "--json")
    assert told.code == 0, told.err
    value = told.json()
    assert value["ok"] is True
    assert statuses(value) == dict.fromkeys([*STEPS, "accounts", "contacts"], "ok")
    assert step(value, "sign_in")["facts"]["where"].endswith("client_secret")
    assert step(value, "who_am_i")["facts"] == {
        "organization_id": "5a1d0b2c-7e64-4f7a-9d0e-0c6f1e2a3b40",
        "user_id": "8061643d-ebf7-e811-a974-000d3a1e1c9a",
    }
    assert step(value, "organization")["facts"]["version"].startswith("9.2.")
    assert step(value, "limits")["facts"]["x-ms-dop-hint"] == 4
    assert step(value, "accounts")["facts"] == {
        "table": "accounts",
        "logical_name": "account",
        "readable": True,
        "depth": "Global",
        "change_tracking": True,
        "trackable": True,
    }
    assert len(configured.requests) <= MOST_REQUESTS
    assert configured.client_secret not in told.out


def test_without_a_tenant_it_takes_five_requests(
    cli: Cli, configured: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SOURCES__DATAVERSE__CREDENTIALS__TENANT_ID")
    told = cli("check", "*", "--json")
    assert told.code == 0, told.err
    assert len(told.json()["steps"]) > len(STEPS) + 20
    assert len(configured.requests) == MOST_REQUESTS - 1  # no column is secured


def test_the_tables_are_those_of_the_settings(
    cli: Cli, configured: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__DATAVERSE__TABLES", "account, leads")
    value = cli("check", "--json").json()
    assert set(statuses(value)) == {*STEPS, "accounts", "leads"}


def test_no_table_is_chosen(cli: Cli, configured: Sandbox) -> None:
    told = cli("check", "--json")
    assert told.code == 0
    assert step(told.json(), "tables")["status"] == "warning"
    assert len(configured.requests) <= MOST_REQUESTS


def test_a_wrong_secret(cli: Cli, configured: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCES__DATAVERSE__CREDENTIALS__CLIENT_SECRET", "not~the~secret~at~all")
    told = cli("check", "accounts", "--json")
    assert told.code == 1
    value = told.json()
    assert list(statuses(value).values()) == ["ok", "failed", *["not_tried"] * 7, "ok"]
    failed = step(value, "sign_in")
    assert failed["facts"]["error"] == "WrongSecretError"
    assert "AADSTS7000215" in failed["details"]
    assert "client_secret" in failed["remedy"]
    assert "not~the~secret" not in told.out
    assert len(configured.requests) <= MOST_REQUESTS


def test_no_application_user(cli: Cli, configured: Sandbox) -> None:
    configured.users.remove(configured.client_id)
    told = cli("check", "accounts")
    assert told.code == 1
    assert "✗ Access: " in told.out
    assert "The user is not a member of the organization." in told.out
    assert "- Tables: not tried" in told.out
    assert told.out.endswith("\nSome checks failed: see above.\n")


def test_a_token_that_is_refused_is_not_renewed(cli: Cli, configured: Sandbox) -> None:
    # A token that has expired by the time it is used; the next one would, too.
    def later() -> None:
        configured.clock.advance(7200)

    configured.hooks.on("oauth2/v2.0/token", later, times=None)
    told = cli("check", "accounts", "--json")
    assert told.code == 1
    assert step(told.json(), "who_am_i")["facts"]["error"] == "UnauthorizedError"
    assert len(configured.requests) <= MOST_REQUESTS


def test_a_failing_server_is_asked_once(cli: Cli, configured: Sandbox) -> None:
    configured.faults.plan("html_503", path="/api/data", times=9)
    told = cli("check", "accounts", "--json")
    assert told.code == 1
    assert step(told.json(), "who_am_i")["facts"]["error"] == "ServerError"
    assert len(configured.requests.matching("/api/data")) == 1


def test_a_table_that_may_not_be_read(cli: Cli, configured: Sandbox) -> None:
    readable = frozenset({"account", "systemuser"})
    configured.users.change(configured.client_id, readable_tables=readable)
    told = cli("check", "accounts", "contacts", "--json")
    assert told.code == 1
    value = told.json()
    assert statuses(value)["accounts"] == "ok"
    refused = step(value, "contacts")
    assert refused["status"] == "failed"
    assert refused["facts"]["readable"] is False
    assert "prvReadContact" in refused["details"]
    assert refused["remedy"]


def test_only_its_own_rows(cli: Cli, configured: Sandbox) -> None:
    configured.users.change(configured.client_id, read_depths={"account": "user"})
    told = cli("check", "accounts")
    assert told.code == 0
    assert "! accounts: readable, but only its own: other rows would be missing" in told.out
    assert "(prvReadAccount)" in told.out
    facts = step(cli("check", "accounts", "--json").json(), "accounts")["facts"]
    assert (facts["depth"], facts["trackable"]) == ("Basic", False)


def test_a_role_that_may_not_read_users(cli: Cli, configured: Sandbox) -> None:
    configured.users.change(configured.client_id, readable_tables=frozenset({"account"}))
    value = cli("check", "accounts", "--json").json()
    assert value["ok"] is True
    assert step(value, "user")["status"] == "ok"  # the name is not needed
    # Privileges can't be read either, but following changes has shown that all rows are there.
    assert step(value, "accounts")["facts"]["depth"] == "Global"


def test_a_table_without_change_tracking(
    cli: Cli, configured: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    schema = configured.store.schema
    tables = tuple(
        replace(one, change_tracking=False) if one.logical_name == "lead" else one
        for one in schema.tables
    )
    configured.store.change_schema(replace(schema, tables=tables))
    told = cli("check", "leads")
    assert told.code == 0
    assert "✓ leads: readable (all rows); change tracking is off" in told.out
    monkeypatch.setenv("SOURCES__DATAVERSE__SYNC", "changes")
    told = cli("check", "leads")
    assert told.code == 1
    assert "✗ leads: sync = 'changes' is set, but change tracking is off" in told.out
    assert "Enable change tracking for the table." in told.out


def test_names_of_no_table(cli: Cli, configured: Sandbox) -> None:
    value = cli("check", "accounts", "acount", "--json").json()
    assert statuses(value) == {**dict.fromkeys([*STEPS, "accounts"], "ok"), "acount": "failed"}
    assert "Did you mean 'account'" in step(value, "acount")["remedy"]


@pytest.mark.parametrize(
    ("minutes", "status", "text"),
    [(-10, "failed", "ahead of"), (10, "failed", "behind"), (-1, "warning", "ahead of")],
)
def test_a_wrong_clock(cli: Cli, configured: Sandbox, minutes: int, status: str, text: str) -> None:
    configured.clock.set(datetime.now(timezone.utc) + timedelta(minutes=minutes))
    found = step(cli("check", "accounts", "--json").json(), "clock")
    assert found["status"] == status
    assert text in found["details"]
    assert abs(found["facts"]["seconds_ahead"] + minutes * 60) < 45


def test_a_terminal_without_ticks(
    cli: Cli, configured: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr("sys.stdout", plain)
    assert run(["check", "accounts"]) == 0
    plain.seek(0)
    lines = plain.read().splitlines()
    assert "+ Clocks: this machine and Dataverse agree" in lines
    assert lines[-1] == "All checks passed."


def test_settings_that_are_missing(cli: Cli) -> None:
    told = cli("check")
    assert told.code == 2
    assert "environment_url" in told.err


def test_more_tables_than_a_batch_holds() -> None:
    assert 1 + MOST_TABLES * 3 <= 1000
