"""An environment is restored, and rows get the version numbers again that the destination holds."""

from __future__ import annotations

import pytest

from dataverse_source.sandbox import Sandbox
from dataverse_source.sandbox.writes.upkeep import recalculate
from tests.support.comparing import assert_equal
from tests.support.loads import NewPipeline, Run
from tests.support.requests_sent import keys

pytestmark = pytest.mark.slow


def change(sandbox: Sandbox, name: str, *numbers: int, table: str = "account") -> None:
    for number in numbers:
        column = "name" if table == "account" else "lastname"
        sandbox.store.update(table, keys(sandbox, table)[number], {column: name})


def restore(sandbox: Sandbox) -> None:
    sandbox.clock.advance(3600)
    sandbox.restore("monday")


@pytest.mark.parametrize("sync", ["changes", "cursor"])
def test_the_newest_row_has_the_version_again_that_was_read(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline, sync: str
) -> None:
    sandbox.back_up("monday")
    change(sandbox, "Of Tuesday", 9)
    run(sync=sync)
    restore(sandbox)
    change(sandbox, "Changed again", 9)
    run(sync=sync)
    assert_equal(new_pipeline(), sandbox, "accounts")


def test_a_row_that_is_only_recalculated_has_the_version_again_that_was_read(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline
) -> None:
    """Nothing was modified after the restore, and no version is lower than before."""
    sandbox.back_up("monday")
    change(sandbox, "Of Tuesday", 9)
    run()
    restore(sandbox)
    recalculate(sandbox.environment, "account", keys(sandbox)[9], {"opendeals": 7})
    run()
    assert_equal(new_pipeline(), sandbox, "accounts")


@pytest.mark.parametrize("sync", ["changes", "cursor"])
def test_rows_change_again_in_the_order_of_the_lost_days(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline, sync: str
) -> None:
    """As by a nightly job; the newest row has a higher number than ever."""
    sandbox.back_up("monday")
    change(sandbox, "Of Tuesday", *range(10))
    run(sync=sync)
    restore(sandbox)
    change(sandbox, "Changed again", *range(10), 9)
    run(sync=sync)
    assert_equal(new_pipeline(), sandbox, "accounts")


def test_a_version_proves_nothing_in_any_table_of_a_restored_environment(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline, caplog: pytest.LogCaptureFixture
) -> None:
    """Contacts tell that it was restored; of accounts nothing does."""
    key = keys(sandbox)[9]
    run("accounts", "contacts")
    sandbox.back_up("monday")
    recalculate(sandbox.environment, "account", key, {"opendeals": 5})
    change(sandbox, "Of Tuesday", 3, table="contact")
    run("accounts", "contacts")
    restore(sandbox)
    recalculate(sandbox.environment, "account", key, {"opendeals": 7})
    change(sandbox, "Of Wednesday", *range(4, 14), table="contact")
    run("accounts", "contacts")
    assert "accounts: the environment is older than at the last run" in caplog.text
    assert_equal(new_pipeline(), sandbox, "accounts")
    assert_equal(new_pipeline(), sandbox, "contacts")


def test_a_table_that_was_left_out_when_its_environment_was_restored_is_read_later(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline
) -> None:
    """What tells that it was restored is gone by then."""
    run("accounts", "contacts", sync="cursor")
    sandbox.back_up("monday")
    change(sandbox, "Of Tuesday", 9)
    sandbox.store.delete("contact", keys(sandbox, "contact")[3])
    run("accounts", "contacts", sync="cursor", reconcile_interval=0)
    restore(sandbox)
    run("accounts", sync="cursor")
    run("accounts", "contacts", sync="cursor")
    assert len(assert_equal(new_pipeline(), sandbox, "contacts")) == 40
