"""Several environments fill the same tables of one dataset: ``environment_column``."""

from __future__ import annotations

from operator import itemgetter
from typing import Any

import pytest

from dataverse_source import ConfigurationError, OtherEnvironmentError, load
from dataverse_source.errors import DataError
from dataverse_source.loading.verification import Depth, Verdict, loaded_tables, verify
from tests.support.comparing import all_rows
from tests.support.environments import World
from tests.support.requests_sent import keys

pytestmark = pytest.mark.slow

MODES: dict[str, dict[str, Any]] = {
    "changes": {},
    "cursor": {"sync": "cursor", "reconcile_interval": 0},
    "full": {"sync": "full"},
    "packages": {"max_rows_per_load": 20},
}


@pytest.mark.parametrize("mode", MODES)
def test_three_rounds_of_changes(world: World, mode: str) -> None:
    names = ["eu", "us"]
    for number in range(4):
        for name in names:
            world.load(name, **MODES[mode])
        world.equal()
        names.reverse()
        for name in names:
            world.change(name, number)


def test_keys_name_the_environment(world: World) -> None:
    world.load("eu")
    columns = world.pipeline("eu").default_schema.tables["accounts"]["columns"]
    key = [name for name, one in columns.items() if one.get("primary_key")]
    assert sorted(key) == ["_dataverse_environment", "accountid"]


def test_numbers_are_those_of_the_own_rows(world: World) -> None:
    for name in ("eu", "us"):
        report = world.load(name)
        assert {one.name: one.rows_now for one in report.tables} == {"accounts": 30, "contacts": 20}
    (row,) = [one for one in world.load("eu").tables if one.name == "accounts"]
    assert (row.rows_before, row.rows_after, row.inserted, row.deleted) == (30, 30, 0, 0)


def test_what_the_other_does_is_not_mistaken_for_a_change(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("eu", "us", "eu", "us"):
        world.load(name)
    caplog.clear()
    for name in ("eu", "us"):
        world.change(name, 1)
        world.load(name)
    assert "are compared" not in caplog.text
    assert "read again" not in caplog.text
    world.equal()


def test_a_third_environment_joins(world: World) -> None:
    for name in ("eu", "us"):
        world.load(name)
    world.add("ap")
    world.load("ap")
    world.equal()


def test_rows_that_somebody_removed_come_back(world: World) -> None:
    for name in ("eu", "us"):
        world.load(name)
    with world.pipeline("us").sql_client() as client:
        client.execute_sql("DELETE FROM accounts WHERE _dataverse_environment = 'eu'")
    world.load("us")
    world.load("eu")
    world.equal()


def test_an_environment_without_rows_leaves_those_of_others(world: World) -> None:
    for name in ("eu", "us"):
        world.load(name, "accounts", sync="full")
    for key in keys(world.sandboxes["us"]):
        world.sandboxes["us"].store.delete("account", key)
    report = world.load("us", "accounts", sync="full")
    assert [one.deleted for one in report.tables] == [30]
    rows = all_rows(world.pipeline("eu"), "accounts")
    assert {one["_dataverse_environment"] for one in rows} == {"eu"}
    assert len(rows) == 30


def test_deletes_are_limited_by_the_own_rows(world: World) -> None:
    for name in ("eu", "us"):
        world.load(name, "accounts")
    sandbox = world.sandboxes["eu"]
    for key in sorted(keys(sandbox))[:10]:
        sandbox.store.delete("account", key)
    with pytest.raises(DataError, match="10 of 30 rows"):
        world.load("eu", "accounts", max_deletes=0.2)


def test_kept_deletes(world: World) -> None:
    for name in ("eu", "us"):
        world.load(name, "accounts", deletes="keep")
    key = sorted(keys(world.sandboxes["eu"]))[0]
    world.sandboxes["eu"].store.delete("account", key)
    for name in ("us", "eu", "us"):
        world.load(name, "accounts", deletes="keep", reconcile_interval=0)
    found = all_rows(world.pipeline("eu"), "_dataverse_deletions")
    assert [(one["_dataverse_environment"], one["key"]) for one in found] == [("eu", key)]
    assert len(all_rows(world.pipeline("eu"), "accounts")) == 60
    # the other's row of this key, which is there still, goes alone
    world.sandboxes["us"].store.delete("account", key)
    world.load("us", "accounts", deletes="remove", reconcile_interval=0)
    world.load("eu", "accounts", deletes="keep", reconcile_interval=0)
    rows = all_rows(world.pipeline("eu"), "accounts")
    assert [one["_dataverse_environment"] for one in rows if one["accountid"] == key] == ["eu"]


@pytest.mark.parametrize("sync", ["auto", "cursor", "full"])
def test_histories(world: World, sync: str) -> None:
    """Rows of both have the same contents at first: versions must not be taken for each other's."""
    settings = {"history": True, "sync": sync, "reconcile_interval": 0}
    for name in ("eu", "us"):
        world.load(name, "accounts", **settings)
    some = sorted(keys(world.sandboxes["eu"]))
    for number in range(2):
        for name in ("eu", "us"):
            sandbox = world.sandboxes[name]
            sandbox.clock.advance(600)
            sandbox.store.update("account", some[0], {"name": f"{number}"})
            if name == "eu":
                sandbox.store.delete("account", some[number + 1])
            world.load(name, "accounts", **settings)
    versions = all_rows(world.pipeline("eu"), "accounts")
    for name, rows in (("eu", 28), ("us", 30)):
        own = [one for one in versions if one["_dataverse_environment"] == name]
        present = [one for one in own if one["_dataverse_valid_to"] is None]
        assert len(present) == len({one["accountid"] for one in present}) == rows
        assert len([one for one in own if one["accountid"] == some[0]]) == 3
        ended = {one["accountid"] for one in own} - {one["accountid"] for one in present}
        assert ended == (set(some[1:3]) if name == "eu" else set())


def test_a_change_feed(world: World) -> None:
    for number in range(3):
        for name in ("eu", "us"):
            world.load(name, "accounts", write="append", sync="cursor", reconcile_interval=0)
            world.change(name, number)
    rows = all_rows(world.pipeline("eu"), "accounts")
    for name in ("eu", "us"):
        own = [one for one in rows if one["_dataverse_environment"] == name]
        seen = [one for one in own if not one["_dataverse_snapshot"]]
        assert sum(bool(one["_dataverse_deleted"]) for one in seen) == 2
        assert sum(bool(one["_dataverse_snapshot"]) for one in own) == 1


def test_elastic_tables_and_queries(world: World) -> None:
    xml = (
        "<fetch><entity name='account'><attribute name='name'/>"
        "<filter><condition attribute='name' operator='not-null'/></filter></entity></fetch>"
    )
    count = (
        "<fetch aggregate='true'><entity name='account'>"
        "<attribute name='accountid' aggregate='count' alias='n'/></entity></fetch>"
    )
    queries = {"named": {"fetchxml": xml}, "counted": {"fetchxml": count}}
    for name in ("eu", "us"):
        world.load(name, "accounts", queries=queries)
        world.change(name, 1)
    for name in ("us", "eu"):
        world.load(name, "accounts", queries=queries)
    for name, sandbox in world.sandboxes.items():
        pipeline = world.pipeline(name)
        rows = all_rows(pipeline, "named")
        own = {one["accountid"] for one in rows if one["_dataverse_environment"] == name}
        assert own == set(keys(sandbox))
        counted = all_rows(pipeline, "counted")
        assert [one["n"] for one in counted if one["_dataverse_environment"] == name] == [len(own)]


def test_audit(world: World) -> None:
    for name, sandbox in world.sandboxes.items():
        (row,) = sandbox.store.rows("organization")
        sandbox.store.update("organization", row["organizationid"], {"isauditenabled": True})
        world.change(name, 1)
        world.load(name, "accounts", audit=True)
        world.change(name, 2)
        world.load(name, "accounts", audit=True)
    changes = all_rows(world.pipeline("eu"), "audit_changes")
    of = itemgetter("_dataverse_environment")
    told = {(of(one), one["auditid"], one["column"]) for one in changes}
    assert len(changes) == len(told)
    for name, sandbox in world.sandboxes.items():
        audited = {row["auditid"] for row in sandbox.store.rows("audit") if row["changedata"]}
        assert audited
        assert {key for environment, key, _ in told if environment == name} == audited


def test_catalog_and_runs(world: World) -> None:
    world.load("eu", "accounts")
    world.load("us", "contacts", "accounts")
    world.load("eu", "accounts")
    tables = all_rows(world.pipeline("eu"), "_dataverse_tables")
    assert sorted((one["_dataverse_environment"], one["table"]) for one in tables) == [
        ("eu", "accounts"),
        ("us", "accounts"),
        ("us", "contacts"),
    ]
    columns = all_rows(world.pipeline("eu"), "_dataverse_columns")
    assert {one["_dataverse_environment"] for one in columns} == {"eu", "us"}
    runs = all_rows(world.pipeline("eu"), "_dataverse_run_tables")
    assert sorted(one["_dataverse_environment"] for one in runs) == ["eu", "eu", "us", "us"]


def test_each_is_verified_by_itself(world: World) -> None:
    for name in ("eu", "us"):
        world.load(name, "accounts")
    key = sorted(keys(world.sandboxes["eu"]))[0]

    def verdict(name: str) -> Verdict:
        pipeline = world.pipeline(name)
        source: Any = world.source(name, "accounts")
        loaded = loaded_tables(pipeline, ["accounts"])
        (found,) = verify(pipeline, source.connection, loaded, depth=Depth(cells=True))
        return found

    assert [verdict(name).is_equal for name in ("eu", "us")] == [True, True]
    with world.pipeline("eu").sql_client() as client:
        client.execute_sql(
            f"DELETE FROM accounts WHERE accountid = '{key}' AND _dataverse_environment = 'eu'"
        )
    found = verdict("eu").report
    assert found is not None
    assert found.counts == {"missing": 1, "outdated": 0, "extra": 0}
    assert found.dataverse.rows == 30
    assert verdict("us").is_equal


def test_it_is_refused_that_two_meet_without_the_column(world: World) -> None:
    world.load("eu", environment_column=None)
    with pytest.raises(OtherEnvironmentError) as told:
        world.load("us", environment_column=None)
    assert "environment_column" in (told.value.remedy or "")
    with pytest.raises(OtherEnvironmentError) as told:
        world.load("us")
    assert "--start-over" in (told.value.remedy or "")
    assert len(all_rows(world.pipeline("eu"), "accounts")) == 30


def test_one_name_for_two_environments(world: World) -> None:
    world.load("eu")
    with pytest.raises(OtherEnvironmentError, match="both with environment_column = 'eu'"):
        world.load("us", environment_column="eu")


def test_the_name_does_not_change(world: World) -> None:
    world.load("eu")
    for other in ("europe", None):
        with pytest.raises(ConfigurationError, match="environment_column = 'eu'"):
            world.load("eu", environment_column=other)
    world.load("us")
    with pytest.raises(ConfigurationError, match="other environments, too: of dataverse_us"):
        load(world.pipeline("eu"), world.source("eu"), refresh="drop_sources")
    world.load("eu")
    world.equal()


def test_rows_without_the_column(world: World) -> None:
    world.load("eu", environment_column=None)
    with pytest.raises(ConfigurationError, match="loaded without environment_column"):
        world.load("eu")
    load(world.pipeline("eu"), world.source("eu"), refresh="drop_sources")
    world.load("us")
    world.equal()


def test_a_table_that_something_else_has_filled(world: World) -> None:
    with world.pipeline("eu").sql_client() as client:
        client.execute_sql("CREATE SCHEMA crm")
        client.execute_sql("CREATE TABLE crm.accounts (accountid VARCHAR, name VARCHAR)")
    with pytest.raises(ConfigurationError, match="accounts is in the dataset already"):
        world.load("eu")


def test_two_environments_in_one_pipeline(world: World) -> None:
    world.load("eu")
    with pytest.raises(ConfigurationError, match="has loaded"):
        load(world.pipeline("eu"), world.source("us"))


@pytest.mark.parametrize("value", ["e u", "eu'", "x" * 37])
def test_names_that_cannot_be(world: World, value: str) -> None:
    with pytest.raises(ConfigurationError, match="environment_column"):
        world.source("eu", environment_column=value)
