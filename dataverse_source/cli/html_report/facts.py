"""What the report shows, read from the history of runs and the catalog in the destination."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import dlt

from dataverse_source.cli.freshness_facts import freshness_of
from dataverse_source.cli.states import destination_open
from dataverse_source.cli.times import in_words
from dataverse_source.loading.catalog.references import BOOKKEEPING
from dataverse_source.loading.destination_queries import Query, select, where_own
from dataverse_source.loading.history_queries import (
    Row,
    last_of_each,
    last_runs,
    table_runs_since,
)


class Link(NamedTuple):
    """A lookup from one loaded table to another."""

    table: str
    column: str
    referenced_table: str


class Change(NamedTuple):
    """A change of a table's schema."""

    when: datetime
    table: str
    text: str


class Failure(NamedTuple):
    """What failed: a table, or a whole run (no table)."""

    when: datetime
    table: str | None
    text: str


@dataclass(frozen=True)
class TableFacts:
    """One table.

    Attributes:
        name: in the destination.
        display_name: in Dataverse.
        last: its last run; the columns of ``_dataverse_run_tables``.
        good: its last run that succeeded, if any.
        status: of its freshness: ``pass``, ``warn`` or ``error``.
        age: of its last good run; None if there is none.
    """

    name: str
    display_name: str | None
    last: Row
    good: Row | None
    status: str
    age: timedelta | None

    @property
    def age_in_words(self) -> str:
        """Such as ``3 h ago``."""
        return "never" if self.age is None else f"{in_words(self.age)} ago"


@dataclass(frozen=True)
class Facts:
    """All that the report shows.

    Attributes:
        runs: the oldest first; the columns of ``_dataverse_runs``.
        table_runs: of these runs, the oldest first; the columns of ``_dataverse_run_tables``.
        tables: by name.
        links: lookups between loaded tables, without those that nearly every table has.
        now: when the facts were read.
        warn: a table that is older is ``warn``.
        error: one that is older is ``error``.
    """

    pipeline: str
    destination: str
    dataset: str
    runs: list[Row]
    table_runs: list[Row]
    tables: list[TableFacts]
    links: list[Link]
    now: datetime
    warn: timedelta
    error: timedelta

    @property
    def changes(self) -> list[Change]:
        """Changes of schemas, the newest first."""
        return [
            Change(one["started_at"], one["table"], text)
            for one in reversed(self.table_runs)
            for text in (one["schema_changes"] or "").split("; ")
            if text
        ]

    @property
    def failures(self) -> list[Failure]:
        """What failed, the newest first; a run is named only where no table of it is."""
        named = {one["run_id"] for one in self.table_runs if one["error"]}
        found = [
            Failure(one["started_at"], one["table"], one["error"])
            for one in self.table_runs
            if one["error"]
        ]
        found += [
            Failure(one["started_at"], None, one["error"])
            for one in self.runs
            if one["error"] and one["run_id"] not in named
        ]
        return sorted(found, key=lambda one: one.when, reverse=True)


def read_facts(
    pipeline: dlt.Pipeline, most: int, now: datetime, warn: timedelta, error: timedelta
) -> Facts:
    """The facts; the destination is opened once.

    Args:
        pipeline: whose destination is read.
        most: runs to show.
        now: the present time.
        warn: see `Facts`, as for ``error``.
        error: likewise.

    Raises:
        DataverseError: the destination cannot be read.
    """
    with destination_open(pipeline):
        runs = last_runs(pipeline, most)[::-1]
        begin = runs[0]["started_at"] if runs else now
        ours = {one["run_id"] for one in runs}
        table_runs = [one for one in table_runs_since(pipeline, begin) if one["run_id"] in ours]
        last, good = last_of_each(pipeline), last_of_each(pipeline, "ok")
        own = where_own(pipeline)
        named, links = select(
            pipeline,
            [
                Query("_dataverse_tables", ("table", "display_name"), where=own),
                Query(
                    "_dataverse_relationships",
                    ("table", "column", "referenced_table"),
                    where=own,
                ),
            ],
        )
    names: dict[Any, Any] = {row[0]: row[1] for row in named or ()}
    return Facts(
        pipeline=pipeline.pipeline_name,
        destination=str(pipeline.destination.destination_name),
        dataset=str(pipeline.dataset_name),
        runs=runs,
        table_runs=table_runs,
        tables=[
            _table(name, names.get(name), last[name], good.get(name), now, warn, error)
            for name in sorted(last)
        ],
        links=sorted(
            {
                Link(*row)
                for row in links or ()
                if row[0] in names and row[2] in names and row[1] not in BOOKKEEPING
            }
        ),
        now=now,
        warn=warn,
        error=error,
    )


def _table(
    name: str,
    display_name: str | None,
    last: Row,
    good: Row | None,
    now: datetime,
    warn: timedelta,
    error: timedelta,
) -> TableFacts:
    fresh = freshness_of(name, good, now, warn, error)
    age = None if good is None else now - good["started_at"]
    return TableFacts(name, display_name, last, good, fresh["status"], age)
