"""Whatever happened to the destination or the environment, a comparison corrects every row."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import dlt
import pytest

from dataverse_source.sandbox import Sandbox
from dataverse_source.sandbox.schema import schema_changes
from dataverse_source.sandbox.switches import Switches
from dataverse_source.sync import reconcile
from tests.support.comparing import assert_equal, destination_rows
from tests.support.requests_sent import keys, queries, read, state

pytestmark = pytest.mark.slow

Run = Callable[..., Any]
NewPipeline = Callable[[], dlt.Pipeline]

EVERY_RUN = {"sweep_interval": 0}
MODES = pytest.mark.parametrize("sync", ["changes", "cursor"])


def execute(pipeline: dlt.Pipeline, sql: str) -> None:
    """Changes the destination behind the pipeline's back."""
    with pipeline.sql_client() as client:
        client.execute_sql(sql)


def import_old_rows(sandbox: Sandbox, count: int) -> None:
    """Rows that arrive with dates of long ago, as migrations write them."""
    long_ago = sandbox.clock.now() - timedelta(days=2000)
    for number in range(count):
        values = {"name": f"Migrated {number}"}
        sandbox.store.create("account", values, created_on=long_ago, modified_on=long_ago)


@pytest.mark.parametrize("few", [500, 5])
def test_rows_with_old_dates_are_read_however_many_there_are(
    run: Run,
    sandbox: Sandbox,
    new_pipeline: NewPipeline,
    monkeypatch: pytest.MonkeyPatch,
    few: int,
) -> None:
    monkeypatch.setattr(reconcile, "FEW", few)
    run(sync="cursor")
    import_old_rows(sandbox, 30)
    run(sync="cursor", **EVERY_RUN)
    assert len(assert_equal(new_pipeline(), sandbox, "accounts")) == 90


DAMAGES = (
    "DELETE FROM accounts",
    "DELETE FROM accounts WHERE accountid < '8'",
    "UPDATE accounts SET name = 'Yesterday', versionnumber = versionnumber - 1",
    "INSERT INTO accounts BY NAME SELECT * REPLACE ('x' || accountid AS accountid) FROM accounts",
    "INSERT INTO accounts SELECT * FROM accounts",
)


@pytest.mark.parametrize(("sync", "few"), [("changes", 500), ("cursor", 5)])
def test_a_destination_that_was_changed_by_others(
    run: Run,
    sandbox: Sandbox,
    new_pipeline: NewPipeline,
    monkeypatch: pytest.MonkeyPatch,
    sync: str,
    few: int,
) -> None:
    monkeypatch.setattr(reconcile, "FEW", few)
    run(sync=sync)
    for number, damage in enumerate(DAMAGES):
        execute(new_pipeline(), damage)
        sandbox.store.update("account", keys(sandbox)[0], {"name": f"Changed {number}"})
        run(sync=sync, **EVERY_RUN)
        assert len(assert_equal(new_pipeline(), sandbox, "accounts")) == 60, damage
    run(sync=sync, **EVERY_RUN)
    assert state(new_pipeline())["proved"]["rows"] == 60


@MODES
def test_kept_rows_go_when_deletes_are_removed_again(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline, sync: str
) -> None:
    run(sync=sync, deletes="keep", **EVERY_RUN)
    sandbox.store.delete("account", keys(sandbox)[0])
    run(sync=sync, deletes="keep", **EVERY_RUN)
    assert len(destination_rows(new_pipeline(), "accounts", "accountid")) == 60
    run(sync=sync)
    assert len(assert_equal(new_pipeline(), sandbox, "accounts")) == 59
    with new_pipeline().sql_client() as client:
        assert client.execute_sql("SELECT count(*) FROM _dataverse_deletions") == [(0,)]


def test_rows_that_return_unchanged_leave_the_list_of_deletions(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline
) -> None:
    settings = {"sync": "cursor", "deletes": "keep", **EVERY_RUN}
    run(**settings)
    key = keys(sandbox)[0]
    sandbox.store.delete("account", key)
    run(**settings)
    long_ago = sandbox.clock.now() - timedelta(days=2000)
    sandbox.store.create(
        "account", {"accountid": key, "name": "Back"}, created_on=long_ago, modified_on=long_ago
    )
    run(**settings)
    with new_pipeline().sql_client() as client:
        assert client.execute_sql("SELECT count(*) FROM _dataverse_deletions") == [(0,)]
    assert_equal(new_pipeline(), sandbox, "accounts")


def test_a_history_is_corrected_and_stays_a_history(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline
) -> None:
    settings = {"sync": "cursor", "history": True, **EVERY_RUN}
    run(**settings)
    import_old_rows(sandbox, 3)
    sandbox.store.delete("account", keys(sandbox)[0])
    run(**settings)
    with new_pipeline().sql_client() as client:
        now = "SELECT count(*) FROM accounts WHERE _dataverse_valid_to IS NULL"
        assert client.execute_sql(now) == [(62,)]
        assert client.execute_sql("SELECT count(*) FROM accounts") == [(63,)]


def test_the_first_run_proves_that_both_sides_are_equal(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "dlt.dataverse_source")
    run()
    proved = state(new_pipeline())["proved"]
    assert proved["rows"] == 60
    assert f"accounts: proved equal: 60 rows, digest {proved['digest']}" in caplog.text
    run(**EVERY_RUN)
    assert state(new_pipeline())["proved"] == proved
    sandbox.store.update("account", keys(sandbox)[0], {"name": "Changed"})
    run(**EVERY_RUN)
    assert state(new_pipeline())["proved"]["digest"] != proved["digest"]


def test_many_extra_rows_are_looked_at_twice(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconcile, "FEW", 2)
    monkeypatch.setattr(reconcile, "COST_OF_A_PAGE", 0)
    run(sync="cursor")
    for key in keys(sandbox)[:40]:
        sandbox.store.delete("account", key)
    run(sync="cursor", **EVERY_RUN)
    assert sum("$select=accountid,versionnumber" in one for one in queries(sandbox)) == 2
    assert len(assert_equal(new_pipeline(), sandbox, "accounts")) == 20


@pytest.mark.parametrize(
    "switches",
    [
        {"first_delta_link": "last_page_key_order"},
        {"delta_chain": "snapshot"},
        {"delta_select": "refused"},
    ],
)
def test_rows_that_change_while_a_delta_is_read(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline, switches: Any
) -> None:
    run(page_size=7)
    sandbox.switches = Switches().changed(**switches)
    rows = sorted(keys(sandbox))
    for key in rows[10:50]:
        sandbox.store.update("account", key, {"name": "Changed"})
    numbers = iter(range(6))

    def change() -> None:
        number = next(numbers)
        sandbox.store.update("account", rows[10 + number], {"name": f"Meanwhile {number}"})
        sandbox.store.update("account", rows[number], {"name": f"Meanwhile {number}"})
        sandbox.store.delete("account", rows[20 + number])

    sandbox.hooks.on(r"(skip|delta)token", change, times=6)
    run(page_size=7)
    sandbox.hooks.clear()
    run(page_size=7)
    assert_equal(new_pipeline(), sandbox, "accounts")


def test_version_numbers_that_have_gone_back_mean_a_restored_environment(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline, caplog: pytest.LogCaptureFixture
) -> None:
    sandbox.switches = Switches().changed(version_commit_order="unguarded")
    sandbox.store.reserve_version()
    run()
    # An older number than the delta link's, as a server has that was set back.
    sandbox.switches = Switches()
    report = run()
    assert "version numbers have gone back" in caplog.text
    assert read(report) >= 60
    assert_equal(new_pipeline(), sandbox, "accounts")


def test_untracked_tables_ask_the_destination_on_dlts_thread_alone(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Several threads that use dlt's live schema at once made whole runs fail."""
    asked: list[str] = []
    sql_client = dlt.Pipeline.sql_client

    def noted(self: dlt.Pipeline, *args: Any, **kwargs: Any) -> Any:
        asked.append(threading.current_thread().name)
        time.sleep(0.002)  # lets the others in
        return sql_client(self, *args, **kwargs)

    monkeypatch.setattr(dlt.Pipeline, "sql_client", noted)
    names = ["accounts", "contacts", "leads", "systemusers", "opportunities", "tasks", "teams"]
    for name in ("account", "contact"):
        schema = schema_changes.with_table_changed(
            sandbox.store.schema, name, change_tracking=False
        )
        sandbox.store.change_schema(schema)
    for _ in range(3):
        run(*names, sync="cursor", **EVERY_RUN)
        sandbox.store.delete("account", keys(sandbox)[0])
    assert len(asked) >= 2 * len(names)  # all but the first run compare
    assert set(asked) == {threading.main_thread().name}
