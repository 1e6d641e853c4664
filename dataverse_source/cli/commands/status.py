"""``dataverse-source status``: the sync state of each table, without a request to Dataverse."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import click

from dataverse_source.cli.options import Where, json_option, pipeline_options
from dataverse_source.cli.report_screen import COUNTS
from dataverse_source.cli.screen import Screen, grid
from dataverse_source.cli.times import in_words

if TYPE_CHECKING:
    import dlt
    from rich.console import Console

    from dataverse_source.cli.states import KnownTable


@click.command("status")
@pipeline_options
@json_option
@click.pass_obj
def command(screen: Screen, where: Where) -> None:
    """Show rows, sync mode, last sync and last changes of each table.

    Changes are rows inserted (+), updated (~) and deleted (-) by the last run. Nothing is requested
    from Dataverse. A table with change tracking has a delta link. It expires some days after it
    was issued: 7, unless the environment has another setting. After that, the next run reads the
    table in full.
    """
    from dataverse_source.cli.states import attached, destination_open, known_tables
    from dataverse_source.errors import DataverseError

    found = attached(where)
    now = datetime.now(timezone.utc)
    failure: DataverseError | None = None
    with ExitStack() as stack:
        try:
            stack.enter_context(destination_open(found))
        except DataverseError as error:
            failure = error  # what this machine knows is shown still
        past = _Past() if failure else _past(found)
        tables = [_facts(found, one, now, past) for one in known_tables(found)]
    facts = {
        "pipeline": found.pipeline_name,
        "destination": found.destination.destination_name,
        "dataset": found.dataset_name,
        "last_run": _last_run(found),
        "pending_packages": found.has_pending_data,
        "tables": tables,
    }
    screen.show(facts, lambda console: _draw(console, facts, now))
    if failure is not None:
        raise failure


@dataclass(frozen=True)
class _Past:
    """What the history of runs says of each table: the last run, the last good one, changes."""

    last: dict[str, dict[str, Any]] = field(default_factory=dict)
    good: dict[str, dict[str, Any]] = field(default_factory=dict)
    changed: dict[str, dict[str, Any]] = field(default_factory=dict)


def _past(pipeline: dlt.Pipeline) -> _Past:
    from dataverse_source.config.log import logger
    from dataverse_source.loading.history_queries import last_of_each

    try:
        return _Past(
            last_of_each(pipeline), last_of_each(pipeline, "ok"), last_of_each(pipeline, "changed")
        )
    except Exception as error:  # each destination's driver has errors of its own
        logger.warning("The history of runs cannot be read: %s", error)
        return _Past()


def _last_run(pipeline: dlt.Pipeline) -> dict[str, Any] | None:
    from dataverse_source.loading.trace import last_trace

    trace = last_trace(pipeline)
    if trace is None:
        return None
    failed = [step.step for step in trace.steps if step.step_exception and step.step != "run"]
    if not trace.steps[-1].step_exception:  # a table has failed, and the others were loaded then
        failed = []
    return {
        "started_at": trace.started_at,
        "finished_at": trace.finished_at,
        "failed_step": failed[-1] if failed else None,
    }


def _facts(pipeline: dlt.Pipeline, table: KnownTable, now: datetime, past: _Past) -> dict[str, Any]:
    from dataverse_source.cli.states import row_count
    from dataverse_source.sync.retention import DEFAULT_DAYS

    state = table.state
    given = state.delta.given if state.mode == "changes" and state.delta else None
    last, good = past.last.get(table.name, {}), past.good.get(table.name, {})
    changed = past.changed.get(table.name, {})
    synced = good.get("started_at")
    expires = given + timedelta(days=DEFAULT_DAYS) if given else None
    return {
        "table": table.name,
        "logical_name": table.logical_name,
        "configured_as": table.configured_as,
        "mode": state.mode or None,
        "rows": row_count(pipeline, table.name),
        "complete": state.complete,
        "token_given_at": given,
        "token_expires_at": expires,
        "days_to_token_expiry": None if expires is None else round(_days(expires - now), 2),
        "cursor": _cursor(table),
        "keys_compared_at": state.compared,
        "last_synced": synced,
        "freshness_seconds": None if synced is None else round((now - synced).total_seconds(), 1),
        "last_numbers": {word: good.get(word) for word in COUNTS},
        "last_error": last.get("error"),
        "schema_changes": changed.get("schema_changes"),
        "schema_changed_at": changed.get("started_at"),
        "change_tracking_refused": state.tracking_refusal and state.tracking_refusal.reason,
    }


def _cursor(table: KnownTable) -> str | int | None:
    """Where the next cursor read begins, by modifiedon or versionnumber."""
    state = table.state
    if state.mode != "cursor" or state.watermark is None:
        return None
    since, checkpoints = state.watermark.modified_since, state.watermark.checkpoints
    return since.isoformat() if since else checkpoints[-1].version


def _days(span: timedelta) -> float:
    return span / timedelta(days=1)


def _draw(console: Console, facts: dict[str, Any], now: datetime) -> None:
    console.print(
        f"pipeline {facts['pipeline']}, dataset {facts['dataset']} in {facts['destination']}",
    )
    console.print(_last_run_text(facts["last_run"], now))
    if facts["pending_packages"]:
        console.print(
            "A run was interrupted: the next run loads its pending rows or reads them again."
        )
    console.print()
    rows = [
        (
            _name(one),
            one["mode"] or "not read yet",
            "?" if one["rows"] is None else f"{one['rows']:,}",
            _synced(one, now),
            _changes(one),
            _expiry(one),
        )
        for one in facts["tables"]
    ]
    console.print(grid(("table", "sync mode", "rows", "last synced", "changes", "expires"), rows))
    for one in facts["tables"]:
        if one["last_error"]:
            console.print(f"{one['table']}: the last run failed: {one['last_error']}")
        if one["schema_changes"]:
            day = f"{one['schema_changed_at']:%Y-%m-%d}"
            console.print(f"{one['table']}: on {day}: {one['schema_changes']}")


def _name(one: dict[str, Any]) -> str:
    """The table, and the pattern that it was loaded with, if any."""
    names = (one["table"], one["logical_name"])
    return one["table"] if one["configured_as"] in names else f"{names[0]} ({one['configured_as']})"


def _last_run_text(last_run: dict[str, Any] | None, now: datetime) -> str:
    if last_run is None or last_run["finished_at"] is None:
        return "last run: unknown"
    step = last_run["failed_step"]
    result = f"failed in step {step}" if step else "done"
    return f"last run: {result}, {in_words(now - last_run['finished_at'])} ago"


def _synced(one: dict[str, Any], now: datetime) -> str:
    if not one["complete"] and one["mode"] != "full":
        return "first read unfinished"
    return "-" if one["last_synced"] is None else f"{in_words(now - one['last_synced'])} ago"


def _changes(one: dict[str, Any]) -> str:
    """Rows inserted, updated and deleted by the last run, such as ``+10 ~7 -4``."""
    counts = [one["last_numbers"][word] for word in COUNTS]
    if one["last_synced"] is None:
        return "-"
    signs = zip("+~-", counts, strict=True)
    return " ".join(f"{sign}{'?' if count is None else f'{count:,}'}" for sign, count in signs)


def _expiry(one: dict[str, Any]) -> str:
    days = one["days_to_token_expiry"]
    if days is None:
        return "-"
    return f"in {days:.1f} days" if days > 0 else "expired"
