"""The audit: read by createdon, never swept, and a row for each changed column."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import unquote

import dlt
import pytest

from dataverse_source import AccessDeniedError, ConfigurationError
from dataverse_source.client.batch import BatchRequest
from dataverse_source.loading.verification import loaded_tables, verify
from dataverse_source.sandbox import Sandbox
from dataverse_source.sandbox.switches import Switches
from dataverse_source.sync import audit_changes
from dataverse_source.sync.write.feed import NO_ROW
from tests.support.comparing import all_rows, assert_equal
from tests.support.loads import NewPipeline, Run

Change = tuple[str, str, str, "str | None", "str | None"]


def changes(pipeline: dlt.Pipeline, key: str) -> set[Change]:
    """(operation, column, old, new) of one row's audit, each change once."""
    audits = {row["auditid"]: row for row in all_rows(pipeline, "audits")}
    found = [row for row in all_rows(pipeline, "audit_changes") if row["key"] == key]
    assert len({(row["auditid"], row["column"]) for row in found}) == len(found)
    assert {row["auditid"] for row in found} <= audits.keys()
    return {
        (
            row["table"],
            str(audits[row["auditid"]]["operation"]),
            row["column"],
            row["old_value"],
            row["new_value"],
        )
        for row in found
    }


@pytest.fixture
def audited(sandbox: Sandbox) -> Sandbox:
    """A sandbox with auditing on."""
    (row,) = sandbox.store.rows("organization")
    sandbox.store.update("organization", row["organizationid"], {"isauditenabled": True})
    return sandbox


@pytest.mark.parametrize("form", ["json", "csv", "empty", "cut"])
def test_each_changed_column_is_a_row(
    run: Run,
    audited: Sandbox,
    new_pipeline: NewPipeline,
    monkeypatch: pytest.MonkeyPatch,
    form: Any,
) -> None:
    details: list[BatchRequest] = []

    def ask(path: str) -> BatchRequest:
        details.append(BatchRequest(path))
        return details[-1]

    monkeypatch.setattr(audit_changes, "BatchRequest", ask)
    audited.switches = Switches(audit_changedata=form)
    store = audited.store
    text = "x" * 3000  # longer than a changedata that is cut
    key = store.create("account", {"name": "A", "revenue": Decimal(5), "description": text})
    store.update("account", key, {"name": "B", "industrycode": 1})
    report = run(tables=[], audit=True)
    found = changes(new_pipeline(), key)
    assert {("account", "2", "name", "A", "B"), ("account", "2", "industrycode", None, "1")} < found
    assert ("account", "1", "name", None, "A") in found
    assert ("account", "1", "description", None, text) in found
    labels = {
        row["new_label"]
        for row in all_rows(new_pipeline(), "audit_changes")
        if row["column"] == "industrycode"
    }
    assert labels == {"Accounting"}
    assert [table.name for table in report.tables] == ["audits"]
    assert bool(details) is (form != "json")


def test_purged_rows_stay_and_new_ones_come(
    run: Run, audited: Sandbox, new_pipeline: NewPipeline, new_source: Any
) -> None:
    store, clock = audited.store, audited.clock
    key = store.create("account", {"name": "first"})
    run(tables=[], audit=True)
    before = {row["auditid"] for row in all_rows(new_pipeline(), "audits")}

    clock.advance(3600 * 24)
    for row in store.rows("audit"):
        store.delete("audit", row["auditid"])
    store.update("account", key, {"name": "second"})
    audited.requests.clear()
    run(tables=[], audit=True)
    assert asked(audited, "/audits", "createdon ge")
    rows = {row["auditid"]: row for row in all_rows(new_pipeline(), "audits")}
    assert before < rows.keys()
    assert ("account", "2", "name", "first", "second") in changes(new_pipeline(), key)
    connection = new_source("audits").connection
    pipeline = new_pipeline()
    (verdict,) = verify(pipeline, connection, loaded_tables(pipeline, ["audits"]))
    assert verdict.is_equal

    # rows that are written late, an hour after they were made, are in the lookback
    clock.advance(3600)
    late = {"action": 2, "operation": 2, "objecttypecode": "account", "changedata": None}
    late_key = store.create("audit", late, created_on=clock.now() - timedelta(hours=2))
    run(tables=[], audit=True)
    assert late_key in {row["auditid"] for row in all_rows(new_pipeline(), "audits")}

    # a new column has all rows read again: those that are purged stay all the same
    run(tables=[], audit=True, labels=True)
    assert before < {row["auditid"] for row in all_rows(new_pipeline(), "audits")}


def test_without_the_setting_audits_is_a_table(
    run: Run, audited: Sandbox, new_pipeline: NewPipeline
) -> None:
    audited.store.create("account", {"name": "A"})
    run("audits")
    assert_equal(new_pipeline(), audited, "audits")
    assert "audit_changes" not in new_pipeline().default_schema.tables


def test_changes_are_not_appended_twice(run: Run, audited: Sandbox) -> None:
    with pytest.raises(ConfigurationError, match="merges rows"):
        run(tables=[], audit=True, write="append")


@pytest.mark.parametrize(
    ("form", "settings"),
    [("history", {"history": True}), ("write", {"write": "append"})],
    ids=["history", "append"],
)
def test_purged_rows_are_not_given_up_for_another_form_of_the_table(
    run: Run, audited: Sandbox, new_pipeline: NewPipeline, form: str, settings: Any
) -> None:
    store = audited.store
    key = store.create("account", {"name": "first"})
    run("audits")
    before = {row["auditid"] for row in all_rows(new_pipeline(), "audits")}
    for row in store.rows("audit"):
        store.delete("audit", row["auditid"])
    store.update("account", key, {"name": "second"})
    with pytest.raises(ConfigurationError, match=f"loaded without {form}") as refusal:
        run("audits", **settings)
    assert f"table_settings.audits] {form}" in str(refusal.value.where)
    assert {row["auditid"] for row in all_rows(new_pipeline(), "audits")} == before
    run("audits")
    assert before < {row["auditid"] for row in all_rows(new_pipeline(), "audits")}


@pytest.mark.parametrize(
    "settings", [{"history": True}, {"write": "append"}], ids=["history", "append"]
)
def test_purged_rows_stay_in_whatever_form_the_first_load_has_chosen(
    run: Run, audited: Sandbox, new_pipeline: NewPipeline, settings: Any
) -> None:
    store = audited.store
    key = store.create("account", {"name": "first"})
    run("audits", **settings)
    before = {row["auditid"] for row in all_rows(new_pipeline(), "audits")}
    assert len(store.rows("audit")) == len(before - {NO_ROW}) > 0
    for row in store.rows("audit"):
        store.delete("audit", row["auditid"])
    store.update("account", key, {"name": "second"})
    run("audits", labels=True, **settings)  # all rows are read again
    assert before < {row["auditid"] for row in all_rows(new_pipeline(), "audits")}


def test_a_missing_privilege_is_named(run: Run, audited: Sandbox) -> None:
    audited.users.change(audited.client_id, readable_tables=frozenset({"account"}))
    with pytest.raises(AccessDeniedError, match="prvReadAuditSummary"):
        run(tables=[], audit=True)


def asked(sandbox: Sandbox, path: str, word: str = "") -> list[str]:
    """Queries of the last run to a path, decoded."""
    queries = (unquote(one.query) for one in sandbox.requests if one.path.endswith(path))
    return [query for query in queries if word in query]


def test_a_first_load_asks_for_each_event_once_and_for_all_labels_together(
    run: Run, audited: Sandbox, new_pipeline: NewPipeline
) -> None:
    store = audited.store
    for table in ("account", "contact", "lead"):
        store.update(table, store.create(table, {}), {"statuscode": 2})
    events = len(store.rows("audit"))
    run(tables=[], audit=True, page_size=events - 1)  # a page that is full is asked for again
    assert len(asked(audited, "/audits")) == 2
    described = [one for one in asked(audited, "(Query=@p1)") if "OptionSet" in one]
    assert len(described) == 1
    found = all_rows(new_pipeline(), "audit_changes")
    labels = {(one["table"], one["new_label"]) for one in found if one["column"] == "statuscode"}
    assert {("account", "Inactive"), ("contact", "Inactive")} < labels


def test_events_that_come_while_the_first_load_reads(
    run: Run, audited: Sandbox, new_pipeline: NewPipeline
) -> None:
    store, clock = audited.store, audited.clock
    key = store.create("account", {"name": "first"})
    for number in range(5):
        store.update("account", key, {"name": f"{number}"})
    began = clock.now()

    def write() -> None:  # an hour goes by between two pages
        clock.advance(3600)
        store.update("account", key, {"name": "meanwhile"})

    audited.hooks.on("/audits", write, nth=2)
    run(tables=[], audit=True, page_size=4)
    again = asked(audited, "/audits", "createdon ge")[0]
    moment = datetime.fromisoformat(again.partition("createdon ge ")[2].replace("Z", "+00:00"))
    assert timedelta() < began - moment < timedelta(minutes=10)  # and not four hours
    assert ("account", "2", "name", "4", "meanwhile") in changes(new_pipeline(), key)

    # what is written late although it was made before the first load began
    late = {"action": 2, "operation": 2, "objecttypecode": "account", "changedata": None}
    late_key = store.create("audit", late, created_on=began - timedelta(hours=3))
    clock.advance(3600 * 3)
    run(tables=[], audit=True)
    assert late_key in {row["auditid"] for row in all_rows(new_pipeline(), "audits")}
