"""`verify` proves that a table is equal, or lists what differs; `--repair` corrects it."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from dataverse_source.sandbox import Sandbox
from tests.support.command_line import Cli, Ran
from tests.support.requests_sent import keys

pytestmark = pytest.mark.slow

Command = Callable[..., Ran]

MODES: dict[str, dict[str, Any]] = {
    "changes": {"sync": "changes"},
    "cursor": {"sync": "cursor"},
    "full": {"sync": "full"},
    "history": {"history": True},
    "keep": {"deletes": "keep"},
    "labels": {"labels": True},
}


@pytest.fixture
def command(
    cli: Cli, configured: Sandbox, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> Command:
    """Runs a command of a pipeline that no other test has."""
    monkeypatch.setenv("DESTINATION__DUCKDB__CREDENTIALS", str(folder / "rows.duckdb"))
    pipeline = f"cli_{uuid.uuid4().hex}"

    def ran(name: str, *arguments: str) -> Ran:
        return cli(name, "--pipeline", pipeline, *arguments)

    return ran


@pytest.fixture
def execute(folder: Path) -> Callable[[str], None]:
    """Changes the destination behind the pipeline's back."""

    def done(sql: str) -> None:
        with duckdb.connect(str(folder / "rows.duckdb")) as connection:
            connection.execute("USE dataverse")
            connection.execute(sql)

    return done


def set_settings(monkeypatch: pytest.MonkeyPatch, **settings: Any) -> None:
    monkeypatch.setenv("SOURCES__DATAVERSE__TABLE_SETTINGS", json.dumps({"accounts": settings}))


def only(told: Ran) -> dict[str, Any]:
    """The one table of a verification."""
    (found,) = told.json()["tables"]
    return dict(found)


@pytest.mark.parametrize("mode", MODES)
def test_a_loaded_table_is_proved_equal(
    command: Command, configured: Sandbox, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    set_settings(monkeypatch, **MODES[mode])
    assert command("run", "accounts").code == 0
    configured.store.delete("account", keys(configured)[0])
    configured.store.update("account", keys(configured)[1], {"name": "Changed"})
    configured.clock.advance(25 * 3600)  # a cursor finds deletes by a comparison
    assert command("run", "accounts").code == 0
    told = command("verify", "--values", "all")
    assert told.code == 0, told.out
    proved, values = told.out.splitlines()
    assert proved.startswith("accounts: proved equal: 59 rows, digest ")
    assert values == "accounts: every cell equal in 59 rows"
    found = only(command("verify", "accounts", "--json"))
    assert found["equal"]
    assert found["compared_by"] == "versionnumber"
    assert found["dataverse"] == found["destination"]
    assert found["dataverse"]["digest"] in proved


DAMAGES = {
    "altered": ("UPDATE accounts SET versionnumber = versionnumber - 1 WHERE {}", "outdated"),
    "deleted": ("DELETE FROM accounts WHERE {}", "missing"),
    "extra": (
        "INSERT INTO accounts BY NAME "
        "SELECT * REPLACE ('00000000-0000-0000-0000-0000000000ff' AS accountid) "
        "FROM accounts WHERE {}",
        "extra",
    ),
    "twice": ("INSERT INTO accounts SELECT * FROM accounts WHERE {}", "outdated"),
}


@pytest.mark.parametrize(
    ("mode", "damage"),
    [
        *[("changes", damage) for damage in DAMAGES],
        ("cursor", "deleted"),
        ("full", "extra"),
        ("history", "altered"),
        ("history", "twice"),
    ],
)
def test_rows_that_differ_are_listed_and_repaired(
    command: Command,
    configured: Sandbox,
    execute: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
    mode: str,
    damage: str,
) -> None:
    set_settings(monkeypatch, **MODES[mode])
    command("run", "accounts")
    key = keys(configured)[7]
    sql, kind = DAMAGES[damage]
    execute(sql.format(f"accountid = '{key}'"))
    told = command("verify", "accounts", "--json")
    assert told.code == 1
    found = only(told)
    shown = "00000000-0000-0000-0000-0000000000ff" if damage == "extra" else key
    assert found[kind] == {"count": 1, "keys": [shown]}
    assert not any(found[one]["count"] for one in ("missing", "outdated", "extra") if one != kind)
    again = command("verify", "accounts")
    assert again.code == 1, "the first one has changed nothing"
    assert f"accounts: differs: 1 {kind}" in again.out
    assert f"  {kind}: {shown}" in again.out
    repaired = command("verify", "accounts", "--repair")
    assert repaired.code == 0, repaired.out + repaired.err
    assert "accounts: proved equal: 60 rows" in repaired.out
    assert "(repaired)" in repaired.out
    assert command("verify", "accounts", "--values", "all").code == 0


@pytest.mark.parametrize(
    ("mode", "values"), [("changes", "all"), ("cursor", "60"), ("history", "all")]
)
def test_cells_that_changed_under_the_same_version(
    command: Command,
    configured: Sandbox,
    execute: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
    mode: str,
    values: str,
) -> None:
    set_settings(monkeypatch, **MODES[mode])
    command("run", "accounts")
    one, other, *_ = keys(configured)
    execute(f"UPDATE accounts SET name = 'Mine', revenue = 1 WHERE accountid = '{one}'")
    execute(
        f"UPDATE accounts SET createdon = createdon - INTERVAL 1 DAY WHERE accountid = '{other}'"
    )
    assert command("verify", "accounts").code == 0, "versions are equal"
    told = command("verify", "accounts", "--values", values, "--json")
    assert told.code == 1
    cells = only(told)["cells"]
    assert (cells["compared"], cells["different"], cells["not_loaded"]) == (60, 2, [])
    wrong = {example["key"]: set(example["columns"]) for example in cells["examples"]}
    assert wrong == {one: {"name", "revenue"}, other: {"createdon"}}
    repaired = command("verify", "accounts", "--values", values, "--repair")
    assert repaired.code == 0, repaired.out + repaired.err
    assert "accounts: every cell equal in 60 rows" in repaired.out


def test_values_that_dataverse_changes_without_a_new_version(
    command: Command, configured: Sandbox, execute: Callable[[str], None]
) -> None:
    command("run", "accounts")
    key = keys(configured)[0]
    row = next(one for one in configured.store.rows("account") if one["accountid"] == key)
    configured.store.update(
        "account",
        key,
        {"name": "Without a trace"},
        modified_on=row["modifiedon"],
        version=row["versionnumber"],
    )
    assert command("verify", "accounts").code == 0
    told = command("verify", "accounts", "--values", "all")
    assert told.code == 1
    assert "1 of 60 rows have other values under the same version" in told.out
    assert f"  {key}: name" in told.out


def test_lists_are_bounded_and_counts_exact(
    command: Command, execute: Callable[[str], None]
) -> None:
    command("run", "accounts")
    execute("DELETE FROM accounts WHERE accountid IN (SELECT accountid FROM accounts LIMIT 25)")
    execute("UPDATE accounts SET name = 'Mine'")
    told = command("verify", "accounts", "--list", "3", "--values", "all")
    assert told.code == 1
    assert "accounts: differs: 25 missing (60 rows in Dataverse, 35 in the destination)" in told.out
    assert " and 22 more" in told.out
    assert "35 of 35 rows have other values" in told.out
    assert "  and 32 more" in told.out


def test_a_sample_compares_only_so_many_rows(command: Command, configured: Sandbox) -> None:
    command("run", "accounts")
    told = command("verify", "accounts", "--values", "7", "--json")
    assert told.code == 0
    assert only(told)["cells"]["compared"] == 7
    assert command("verify", "accounts", "--values", "few").code == 2


def test_rows_that_were_deleted_and_kept_do_not_count(
    command: Command, configured: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_settings(monkeypatch, deletes="keep")
    command("run", "accounts")
    configured.store.delete("account", keys(configured)[0])
    command("run", "accounts")
    told = command("verify", "accounts", "--values", "all")
    assert told.code == 0, told.out
    assert "59 rows" in told.out


def test_a_row_with_an_old_date_that_a_cursor_has_not_seen(
    command: Command, configured: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_settings(monkeypatch, sync="cursor")
    command("run", "accounts")
    long_ago = configured.clock.now() - timedelta(days=900)
    configured.store.create("account", {"name": "Old"}, created_on=long_ago, modified_on=long_ago)
    command("run", "accounts")
    assert "1 missing" in command("verify", "accounts").out
    assert command("verify", "accounts", "--repair").code == 0


def test_tables_that_can_not_be_compared_say_why(
    command: Command, configured: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__DATAVERSE__TABLES", "accounts,contacts,leads")
    command("run", "accounts", "contacts")
    readable = frozenset({"account", "systemuser", "lead"})
    configured.users.change(configured.client_id, readable_tables=readable)
    told = command("verify", "--json")
    assert told.code == 1
    found = {one["table"]: one for one in told.json()["tables"]}
    assert found["accounts"]["equal"]
    assert "prvReadContact" in found["contacts"]["not_compared_because"]
    assert "has not been loaded yet" in found["leads"]["not_compared_because"]
    assert command("verify", "accounts").code == 0


def test_an_elastic_table_is_compared_by_both_columns_of_its_key(
    command: Command, configured: Sandbox, execute: Callable[[str], None]
) -> None:
    store, table = configured.store, "new_sensorreading"
    key = store.create(table, {"new_name": "One", "partitionid": "a"})
    store.create(table, {"new_sensorreadingid": key, "new_name": "Two", "partitionid": "b"})
    command("run", "new_sensorreadings")
    told = command("verify", "--values", "all")
    assert told.code == 0, told.out
    assert "new_sensorreadings: proved equal: 2 rows" in told.out
    execute("DELETE FROM new_sensorreadings WHERE partitionid = 'a'")
    execute("UPDATE new_sensorreadings SET new_name = 'Other'")
    found = only(command("verify", "--values", "1", "--json"))
    assert found["missing"] == {"count": 1, "keys": [f"{key} a"]}
    assert found["cells"]["examples"] == [{"key": f"{key} b", "columns": ["new_name"]}]
    assert command("verify", "--repair").code == 0
    assert command("verify", "--values", "all").code == 0


def test_names_and_patterns(command: Command, configured: Sandbox) -> None:
    command("run", "accounts", "cont*")
    for names in (["account"], ["contacts"], ["CONT*"], ["contact", "accounts"]):
        assert command("verify", *names).code == 0
    told = command("verify", "leads")
    assert told.code == 2
    assert "has not loaded a table 'leads'" in told.err
