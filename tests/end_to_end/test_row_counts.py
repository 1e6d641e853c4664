"""The numbers of a run are what was done in Dataverse, exactly."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dlt
import pytest

from dataverse_source.loading import row_counts
from dataverse_source.loading.report import LoadReport, TableReport
from dataverse_source.sandbox import Sandbox
from tests.support.loads import NewPipeline, Run
from tests.support.requests_sent import keys

pytestmark = pytest.mark.slow

Numbers = tuple[int | None, int | None, int | None, int | None]


def report_of(report: LoadReport, name: str = "accounts") -> TableReport:
    return next(one for one in report.tables if one.name == name)


def numbers(report: LoadReport, name: str = "accounts") -> Numbers:
    """Inserted, updated, deleted, rows now."""
    one = report_of(report, name)
    return one.inserted, one.updated, one.deleted, one.rows_now


def change(sandbox: Sandbox, created: int = 10, updated: int = 7, deleted: int = 4) -> None:
    """Rows that are created, updated and deleted in Dataverse: so many of each."""
    sandbox.clock.advance(600)
    known = keys(sandbox)
    for number in range(created):
        sandbox.store.create("account", {"name": f"New {number}"})
    for key in known[:updated]:
        sandbox.store.update("account", key, {"name": "Changed"})
    for key in known[-deleted:]:
        sandbox.store.delete("account", key)
    sandbox.clock.advance(600)


SETTINGS: dict[str, dict[str, Any]] = {
    "changes": {"sync": "changes"},
    "cursor": {"sync": "cursor", "reconcile_interval": 0},
    "full": {"sync": "full"},
    "keep": {"sync": "changes", "deletes": "keep"},
    "history": {"sync": "changes", "history": True},
    "history, cursor": {"sync": "cursor", "history": True, "reconcile_interval": 0},
    "packages": {"sync": "changes", "max_rows_per_load": 25, "page_size": 10},
}


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_what_was_done(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline, settings: dict[str, Any], tmp_path: Path
) -> None:
    users = len(keys(sandbox, "systemuser"))
    kept = settings.get("deletes") == "keep"
    first = run("accounts", "systemusers", **settings)
    assert numbers(first) == (60, 0, 0, 60)
    assert numbers(first, "systemusers") == (users, 0, 0, users)
    assert report_of(first).mode == settings["sync"]
    assert report_of(first).requests > 0
    rows = 60
    for lost in (False, True):
        change(sandbox)
        if lost:
            shutil.rmtree(tmp_path / "pipelines")
        report = run("accounts", "systemusers", **settings)
        rows += 10 if kept else 6
        assert numbers(report) == (10, 7, 4, rows)
        assert numbers(report, "systemusers") == (0, 0, 0, users)
    again = run("accounts", "systemusers", **settings)
    assert numbers(again) == (0, 0, 0, rows)


def test_the_mark_that_begins_a_change_feed_is_no_row_that_was_read(
    run: Run, sandbox: Sandbox
) -> None:
    settings = {"sync": "changes", "write": "append"}
    first = report_of(run(**settings))
    assert (first.rows_read, first.inserted) == (60, 60)
    change(sandbox)
    report = report_of(run(**settings))
    assert (report.rows_read, report.inserted, report.updated, report.deleted) == (21, 10, 7, 4)


def test_all_rows_read_again(run: Run, sandbox: Sandbox) -> None:
    run(sync="changes")
    change(sandbox)
    settings = {"select": ["name", "versionnumber"], "sync": "changes"}
    report = run(table_settings={"accounts": settings})
    assert numbers(report)[:3] == (10, 7, 4)
    assert report_of(report).unchanged == 60 - 7 - 4


def test_rows_that_are_looked_at_again_are_unchanged(run: Run, sandbox: Sandbox) -> None:
    run(sync="cursor")
    sandbox.store.update("account", keys(sandbox)[0], {"name": "Changed"})
    first = report_of(run(sync="cursor", lookback_seconds=86400))
    assert (first.updated, first.inserted) == (1, 0)
    again = report_of(run(sync="cursor", lookback_seconds=86400))
    assert (again.updated, again.inserted, again.deleted) == (0, 0, 0)
    assert again.unchanged == again.rows_read > 0


@pytest.mark.parametrize("few", [0, 5000])
def test_by_key_and_by_all_keys(
    run: Run, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    monkeypatch.setattr(row_counts, "FEW", few)
    run()
    change(sandbox, created=3, updated=50, deleted=5)
    assert numbers(run()) == (3, 50, 5, 58)


@pytest.mark.parametrize(
    ("deletes", "expected"), [("keep", (1, 0, 0, 61)), ("remove", (0, 0, 0, 60))]
)
def test_a_row_that_comes_and_goes_during_a_run(
    run: Run, sandbox: Sandbox, deletes: str, expected: Numbers
) -> None:
    settings = {"sync": "cursor", "deletes": deletes, "reconcile_interval": 0}
    run(**settings)
    sandbox.clock.advance(600)
    key = sandbox.store.create("account", {"name": "Came and went"})
    sandbox.hooks.on(r"/accounts\?.*modifiedon", lambda: sandbox.store.delete("account", key))
    assert numbers(run(**settings)) == expected
    assert sandbox.hooks.ran == 1


def test_without_a_version_changes_are_unknown(run: Run, sandbox: Sandbox) -> None:
    settings = {"table_settings": {"accounts": {"select": ["name"], "sync": "full"}}}
    run(**settings)
    change(sandbox)
    report = report_of(run(**settings))
    assert (report.inserted, report.deleted, report.rows_now) == (10, 4, 66)


def test_a_destination_that_cannot_be_asked(
    sandbox: Sandbox, new_source: Callable[..., Any], tmp_path: Path
) -> None:
    from dataverse_source import load

    pipeline = dlt.pipeline(
        "files",
        destination=dlt.destinations.filesystem(str(tmp_path / "files")),
        dataset_name="dataverse",
        pipelines_dir=str(tmp_path / "pipelines"),
    )
    load(pipeline, new_source(sync="full"))
    change(sandbox)
    report = report_of(load(pipeline, new_source(sync="full")))
    assert report.rows_read == 66
    assert None in (report.inserted, report.rows_now) or report.inserted == 10
