"""Runs a pipeline load package by load package, until no table has more to read."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

import dlt
from dlt.common.exceptions import DltException
from dlt.extract import DltSource

from dataverse_source.config.log import logger
from dataverse_source.errors import DataverseError, ProtocolError
from dataverse_source.loading.catalog.resource import CATALOG
from dataverse_source.loading.package_failures import failed_table, is_not_of_a_table
from dataverse_source.loading.pipeline_errors import pipeline_error
from dataverse_source.loading.recovery import drop_pending
from dataverse_source.loading.run_context import RunContext
from dataverse_source.loading.run_package import run_package
from dataverse_source.loading.trace import RunTrace

MOST_REPEATS = 3
"""Packages that may leave a table's state where it was before the table has failed: a next link
that Dataverse refused once brings the read to the same place a second time."""


@dataclass(frozen=True)
class _Part:
    """What a load package is to hold.

    Attributes:
        tables: logical names; None for all tables.
        catalog: whether the catalog is among it.
    """

    tables: frozenset[str] | None = None
    catalog: bool = True


class PackageLoop:
    """Runs a source until no table needs a further package.

    The failures of tables are in ``run``; if the source has a single table, its error is raised.

    Args:
        pipeline: to load with.
        source: what to load.
        run: takes the failures.
        arguments: for ``pipeline.run``.
    """

    def __init__(
        self,
        pipeline: dlt.Pipeline,
        source: DltSource,
        run: RunContext,
        arguments: Mapping[str, Any] | None = None,
    ) -> None:
        self._pipeline = pipeline
        self._source = source
        self._run = run
        self._arguments = arguments or {}
        self._names = list(source.selected_resources)
        tables = [name for name in self._names if name != CATALOG]
        run.isolates = len(tables) > 1 or getattr(source, "has_patterns", False)
        self.load_ids: list[str] = []
        self._seen: Counter[tuple[str, str]] = Counter()
        self._parts = [_Part()]
        self._trace = RunTrace(datetime.now(timezone.utc))

    def run(self) -> None:
        """Loads package after package.

        Raises:
            DltException: dlt or the destination failed, and no table could be isolated.
        """
        refresh = self._pipeline.refresh
        try:
            while self._parts:
                self._next_package()
        finally:
            self._pipeline.refresh = refresh

    def _next_package(self) -> None:
        part = self._parts.pop(0)
        names = list(self._resources(part))
        if not names:
            return
        self._run.only = part.tables
        try:
            source = self._source.with_resources(*names)
            self.load_ids += run_package(self._pipeline, source, self._arguments)
        except DltException as error:
            self._trace.add(self._pipeline)
            self._isolate(part, error)
            return
        self._trace.add(self._pipeline)
        self._run.loaded(part.tables)
        self._pipeline.refresh = None  # once a run: another time it would empty what was loaded
        unfinished = frozenset(self._unfinished(part))
        if unfinished:
            self._parts.insert(0, _Part(unfinished, catalog=False))

    def _resources(self, part: _Part) -> Iterator[str]:
        """The resources that a package of this part reads."""
        stored = tables_by_resource(self._pipeline, self._source.name)
        for name in self._names:
            tables = {*stored.get(name, ()), *self._run.resources.get(name, ())}
            if name == CATALOG:
                if part.catalog and CATALOG not in self._run.failures:
                    yield name
            elif part.tables is None or part.tables & tables:
                yield name

    def _isolate(self, part: _Part, error: DltException) -> None:
        """Drops the package that failed, and has the tables that did not fail loaded again.

        If the table cannot be told, each table gets a package of its own.

        Raises:
            DltException: it is not the error of one table, or may pass.
        """
        if is_not_of_a_table(error):
            raise error
        run = self._run
        run.pending.clear()
        run.file_work.clear()
        table = failed_table(error, run, self._source.schema.naming)
        failure = pipeline_error(self._pipeline, error)
        if self._pipeline.has_pending_data:
            drop_pending(self._pipeline)
        tables = {*run.names.values()} - set(run.failures)
        if part.tables is not None:
            tables &= part.tables
        if table is None and len(tables) == 1 and not part.catalog:
            (table,) = tables
        run.giving = None
        # A table that has failed is not read any more, so this error is not its own.
        if not run.isolates or table in run.failures or (table is None and not tables):
            raise error
        if table is not None:
            run.record_failure(table, run.name_of(table), failure)
            self._parts.insert(0, part)
            return
        logger.warning("A load package failed; its tables are loaded one by one: %s", failure)
        parts = [_Part(frozenset({one}), catalog=False) for one in sorted(tables)]
        self._parts[:0] = [*parts, _Part(frozenset())] if part.catalog else parts

    def _unfinished(self, part: _Part) -> Iterator[str]:
        """The tables of this part that need a further package and get any further."""
        stored = tables_by_resource(self._pipeline, self._source.name)
        for name in self._names:
            for table, state in stored.get(name, {}).items():
                if not state.get("more") or table in self._run.failures:
                    continue
                if part.tables is not None and table not in part.tables:
                    continue
                place = table, json.dumps(state, sort_keys=True)
                self._seen[place] += 1
                if self._seen[place] < MOST_REPEATS:
                    yield table
                else:
                    self._fail(table, _no_progress(self._run.name_of(table)))

    def _fail(self, table: str, error: DataverseError) -> None:
        if not self._run.isolates:
            raise error
        self._run.record_failure(table, self._run.name_of(table), error)


def tables_by_resource(pipeline: dlt.Pipeline, source_name: str) -> dict[str, dict[str, Any]]:
    """The state of each table by logical name, by resource.

    dlt reads and decodes the states of all tables each time that it is asked.
    """
    sources: dict[str, Any] = dict(pipeline.state.get("sources") or {})
    resources = sources.get(source_name, {}).get("resources", {})
    return {name: state.get("tables", {}) for name, state in resources.items()}


def _no_progress(table: str) -> ProtocolError:
    return ProtocolError(
        f"Table {table} does not get any further: each load package reads the same rows again",
        where=table,
        why="Dataverse refuses the link to the next page, or returns the same page each time",
        remedy="Run again. If it happens again, leave max_rows_per_load out for this table, or "
        "report it.",
    )
