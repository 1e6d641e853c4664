"""Runs a pipeline load package by load package, until no table has more to read."""

from __future__ import annotations

from collections import Counter
from typing import Any

import dlt
from dlt.extract import DltSource

from dataverse_source.config.values import is_pattern
from dataverse_source.loading.catalog.resource import CATALOG
from dataverse_source.loading.run_context import RunContext


def run_all_packages(pipeline: dlt.Pipeline, source: DltSource, run: RunContext) -> Counter[str]:
    """Runs ``source`` until no table needs a further package.

    The failures of tables are in ``run``; if the source has a single table, its error is raised.

    Returns:
        Rows read by table.
    """
    names = list(source.selected_resources)
    tables = [name for name in names if name != CATALOG]
    run.isolates = len(tables) > 1 or any(map(is_pattern, tables))
    rows_read: Counter[str] = Counter()
    unfinished: dict[str, Any] = {}
    while True:
        pipeline.run(source.with_resources(*names)).raise_on_failed_jobs()
        trace = pipeline.last_trace
        if trace and trace.last_normalize_info:
            rows_read.update(trace.last_normalize_info.row_counts)
        before, unfinished = unfinished, _unfinished(pipeline, source.name, names)
        for table in run.failures:
            unfinished.pop(table, None)
        if not unfinished or unfinished == before:
            return rows_read
        run.only = frozenset(unfinished)
        names = [name for name in names if run.only & set(tables_of(pipeline, source.name, name))]


def tables_of(pipeline: dlt.Pipeline, source_name: str, resource: str) -> dict[str, Any]:
    """The state of each table of a resource, by logical name."""
    sources: dict[str, Any] = dict(pipeline.state.get("sources") or {})
    resources = sources.get(source_name, {}).get("resources", {})
    tables: dict[str, Any] = resources.get(resource, {}).get("tables", {})
    return tables


def _unfinished(pipeline: dlt.Pipeline, source_name: str, names: list[str]) -> dict[str, Any]:
    """The state of the tables that need a further package."""
    states = [tables_of(pipeline, source_name, name) for name in names]
    return {
        table: state for tables in states for table, state in tables.items() if state.get("more")
    }
