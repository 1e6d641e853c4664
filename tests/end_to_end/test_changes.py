"""Change tracking: first read, deltas, deletes, tokens that are refused, under every switch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dlt
import pytest

from dataverse_source import AccessDeniedError, ConfigurationError
from dataverse_source.sandbox import Sandbox
from dataverse_source.sandbox.schema import schema_changes
from dataverse_source.sandbox.switches import Switches
from dataverse_source.sync.read.stored_links import restore
from tests.support.comparing import assert_equal, destination_rows
from tests.support.requests_sent import keys, queries, read, state

pytestmark = pytest.mark.slow

Run = Callable[..., Any]
NewPipeline = Callable[[], dlt.Pipeline]

TRACKING_SWITCHES = [
    {"first_delta_link": "last_page_key_order"},
    {"first_delta_link": "first_page"},
    {"delta_chain": "snapshot"},
    {"tracked_next_link": "skiptoken_tracking_false"},
    {"tracked_next_link": "deltatoken_and_skiptoken"},
    {"delta_link_pages": "every_page"},
    {"delta_select": "ignored"},
    {"delta_select": "refused"},
    {"delta_prefer": "required"},
    {"garbled_delta": "0x80044352"},
    {"reappearing_row": "row_only"},
    {"secured_columns": "omitted"},
    {"gzip": "never"},
]


def change_everything(sandbox: Sandbox, names: str) -> None:
    """Updates, deletes, creates, creates and deletes, deletes and creates again."""
    first, second, third, fourth, *_ = keys(sandbox)
    store = sandbox.store
    store.update("account", first, {"name": f"{names} 1"})
    store.delete("account", second)
    store.create("account", {"name": f"{names} 2"})
    store.delete("account", store.create("account", {"name": "Never seen"}))
    row = store.row("account", third)
    assert row is not None
    store.delete("account", third)
    store.create("account", {"accountid": third, "name": f"{names} 3"})
    store.update("account", fourth, {"name": "Deleted later"})
    store.delete("account", fourth)


def warnings(caplog: pytest.LogCaptureFixture, words: str) -> int:
    """How many warnings hold these words."""
    found = [one for one in caplog.records if one.levelname == "WARNING"]
    return sum(words in one.getMessage() for one in found)


def test_first_read_then_only_changes(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline
) -> None:
    assert read(run()) == 60
    assert_equal(new_pipeline(), sandbox, "accounts")
    change_everything(sandbox, "Changed")
    report = run()
    assert read(report) <= 3 + 3 + 1
    assert len(queries(sandbox)) <= 2
    assert len(assert_equal(new_pipeline(), sandbox, "accounts")) == 59


def test_without_changes_one_request_and_no_package(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline
) -> None:
    run()
    before = state(new_pipeline())
    report = run()
    assert len(queries(sandbox)) == 1
    assert read(report) == 0
    assert state(new_pipeline()) == before


def test_a_single_change_moves_the_delta_link(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline
) -> None:
    run()
    before = state(new_pipeline())
    sandbox.store.update("account", keys(sandbox)[0], {"name": "Changed"})
    assert read(run()) == 1
    assert state(new_pipeline())["token"] != before["token"]
    assert read(run()) == 0


@pytest.mark.parametrize("switches", TRACKING_SWITCHES, ids=lambda one: "-".join(*one.items()))
def test_every_switch_of_change_tracking(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline, switches: dict[str, str]
) -> None:
    sandbox.switches = Switches().changed(**switches)
    run(page_size=20)
    change_everything(sandbox, "Changed")
    run(page_size=3)
    assert_equal(new_pipeline(), sandbox, "accounts")


@pytest.mark.parametrize("moment", ["last_page_version_order", "last_page_key_order", "first_page"])
def test_changes_during_the_first_read_are_not_lost(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline, moment: str
) -> None:
    sandbox.switches = Switches().changed(first_delta_link=moment)
    changes = iter(range(100))

    def change() -> None:
        number = next(changes)
        some = keys(sandbox)
        sandbox.store.update("account", some[number], {"name": f"Meanwhile {number}"})
        sandbox.store.delete("account", some[-1])
        sandbox.store.create("account", {"name": f"New {number}"})

    sandbox.hooks.on(r"/accounts\?", change, times=8)
    run(page_size=10)
    assert sandbox.hooks.ran == 8
    assert_equal(new_pipeline(), sandbox, "accounts")


@pytest.mark.parametrize("order", ["as_first_sync", "snapshot"])
def test_changes_during_a_delta_are_not_lost(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline, order: str
) -> None:
    run()
    sandbox.switches = Switches().changed(delta_chain=order)
    for number, key in enumerate(keys(sandbox)[:30]):
        sandbox.store.update("account", key, {"name": f"Changed {number}"})
    numbers = iter(range(100))

    def change() -> None:
        number = next(numbers)
        sandbox.store.update("account", keys(sandbox)[number], {"name": f"Meanwhile {number}"})
        sandbox.store.delete("account", keys(sandbox)[20 + number])

    sandbox.hooks.on(r"/accounts\?", change, times=3)
    run(page_size=10)
    run(page_size=10)
    assert_equal(new_pipeline(), sandbox, "accounts")


@pytest.mark.parametrize("answer", ["400", "410", "412", "500", "full_result"])
def test_an_expired_token_leads_to_a_full_read_that_removes_what_is_gone(
    run: Run,
    sandbox: Sandbox,
    new_pipeline: NewPipeline,
    answer: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    sandbox.switches = Switches().changed(expired_delta=answer)
    run()
    change_everything(sandbox, "Changed")
    sandbox.clock.advance(8 * 86400)
    report = run()
    assert read(report) == 59
    assert_equal(new_pipeline(), sandbox, "accounts")
    assert "read again" in caplog.text


@pytest.mark.parametrize("answer", ["400", "410", "412", "500", "full_result"])
def test_a_token_that_a_schema_change_has_expired(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline, answer: str
) -> None:
    sandbox.switches = Switches().changed(expired_delta=answer)
    settings = {"accounts": {"select": ["name"]}}
    run(table_settings=settings)
    change_everything(sandbox, "Changed")
    changed = schema_changes.without_column(sandbox.store.schema, "account", "telephone3")
    sandbox.store.change_schema(changed)
    run(table_settings=settings)
    assert_equal(new_pipeline(), sandbox, "accounts")


@pytest.mark.parametrize("code", ["0x80040203", "0x80044352"])
def test_a_garbled_token_leads_to_a_full_read(
    run: Run,
    sandbox: Sandbox,
    new_pipeline: NewPipeline,
    code: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sandbox.switches = Switches().changed(garbled_delta=code)
    run()
    change_everything(sandbox, "Changed")

    def garbled(short: str, url: str, select: str | None) -> str:
        return restore(short, url, select).replace("deltatoken=", "deltatoken=x")

    monkeypatch.setattr("dataverse_source.sync.changes.restore", garbled)
    run()
    monkeypatch.undo()
    run()
    assert_equal(new_pipeline(), sandbox, "accounts")


@pytest.mark.parametrize("code", ["0x80040220", "0x80048306"])
def test_without_organization_level_read_the_cursor_takes_over(
    run: Run,
    sandbox: Sandbox,
    new_pipeline: NewPipeline,
    code: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    sandbox.switches = Switches().changed(tracking_privilege_code=code)
    sandbox.users.change(sandbox.client_id, organization_read=False)
    run(sweep_interval=0)
    assert "modifiedon" in str(new_pipeline().default_schema.tables["accounts"]["description"])
    assert warnings(caplog, "read access to all rows") == 1
    change_everything(sandbox, "Changed")
    run(sweep_interval=0)
    assert warnings(caplog, "read access to all rows") == 1
    assert not any("deltatoken" in one for one in queries(sandbox))
    assert_equal(new_pipeline(), sandbox, "accounts")


def test_a_privilege_that_is_lost_and_given_back(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline
) -> None:
    run()
    for may in (False, True):
        sandbox.users.change(sandbox.client_id, organization_read=may)
        sandbox.clock.advance(25 * 3600)
        change_everything(sandbox, f"Changed {may}")
        run()
        assert_equal(new_pipeline(), sandbox, "accounts")
    assert state(new_pipeline())["mode"] == "changes"


def test_changes_refuses_a_filter_and_names_the_choices(run: Run, sandbox: Sandbox) -> None:
    settings = {"accounts": {"sync": "changes", "filter": "revenue gt 5"}}
    with pytest.raises(ConfigurationError, match="filter") as error:
        run(table_settings=settings)
    assert "cursor" in str(error.value)
    assert not queries(sandbox)


def test_auto_reads_a_filtered_table_by_its_cursor(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline
) -> None:
    run(table_settings={"accounts": {"filter": "statecode eq 0"}})
    description = str(new_pipeline().default_schema.tables["accounts"]["description"])
    assert "modifiedon" in description
    assert "filter" in description


def test_a_table_that_the_user_may_not_read(run: Run, sandbox: Sandbox) -> None:
    sandbox.users.change(sandbox.client_id, readable_tables=frozenset({"contact"}))
    with pytest.raises(AccessDeniedError, match="prvRead"):
        run()


def test_the_description_tells_how_a_table_is_kept(run: Run, new_pipeline: NewPipeline) -> None:
    run("accounts", "contacts", table_settings={"contacts": {"sync": "full"}})
    tables = new_pipeline().default_schema.tables
    assert "change tracking" in str(tables["accounts"]["description"])
    assert "all rows each time" in str(tables["contacts"]["description"])


def test_no_tombstone_stays_in_the_destination(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline
) -> None:
    run()
    change_everything(sandbox, "Changed")
    run()
    rows = destination_rows(new_pipeline(), "accounts", "accountid")
    assert {row["_dataverse_deleted"] for row in rows.values()} == {None}
    assert max(row["versionnumber"] for row in rows.values()) < 2**62


def test_the_state_stays_small(run: Run, new_pipeline: NewPipeline) -> None:
    run()
    assert len(str(state(new_pipeline()))) < 1000
