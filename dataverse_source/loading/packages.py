"""Runs a pipeline as often as its tables need: what was left behind, then package by package."""

from __future__ import annotations

from collections import Counter
from contextlib import nullcontext
from typing import Any

import dlt
from dlt.common.destination.exceptions import SqlClientNotAvailable
from dlt.destinations.exceptions import DatabaseUndefinedRelation
from dlt.extract import DltSource

from dataverse_source.config.log import logger
from dataverse_source.errors import DataverseError
from dataverse_source.loading.catalog.resource import CATALOG
from dataverse_source.loading.interrupted import begin_anew
from dataverse_source.loading.run_context import Isolation, isolated
from dataverse_source.metadata.table_selection import is_pattern


def settle_pending(pipeline: dlt.Pipeline) -> dlt.Pipeline:
    """Loads what an interrupted run has left behind, or drops it when it is outdated.

    When another schedule with the same pipeline name has loaded since, the rows left behind
    are older than those in the destination, and what the state tells of them is wrong. Then
    the working folder is dropped, and dlt restores the state from the destination. A load that
    was interrupted is done from its beginning: what of it is in the destination is not sure.

    Returns:
        The pipeline to go on with.
    """
    if not pipeline.has_pending_data:
        return pipeline
    if _is_outdated(pipeline):
        logger.warning(
            "Pipeline %s: another run has loaded since this one was interrupted; what was left "
            "behind is dropped and read again",
            pipeline.pipeline_name,
        )
        return pipeline.drop()
    begin_anew(pipeline)
    if not pipeline.has_pending_data:
        return pipeline
    pipeline.normalize()
    pipeline.load().raise_on_failed_jobs()
    return pipeline


def run_to_the_end(
    pipeline: dlt.Pipeline, source: DltSource
) -> tuple[Counter[str], dict[str, DataverseError]]:
    """Runs ``source`` until no table has a further package.

    Returns:
        Rows read by table, and the failures by entity set name; a source of a single table
        raises its failure instead.
    """
    names = list(source.selected_resources)
    tables = [name for name in names if name != CATALOG]
    alone = len(tables) <= 1 and not any(map(is_pattern, tables))
    isolation = Isolation()
    read: Counter[str] = Counter()
    todo: dict[str, Any] = {}
    while True:
        with nullcontext() if alone else isolated(isolation):
            pipeline.run(source.with_resources(*names)).raise_on_failed_jobs()
        trace = pipeline.last_trace
        if trace and trace.last_normalize_info:
            read.update(trace.last_normalize_info.row_counts)
        done, todo = todo, _with_more(pipeline, source.name, names)
        for table in isolation.failures:
            todo.pop(table, None)
        if not todo or todo == done:
            return read, dict(isolation.failures.values())
        isolation.only = frozenset(todo)
        names = [name for name in names if set(tables_of(pipeline, source.name, name)) & set(todo)]


def tables_of(pipeline: dlt.Pipeline, source_name: str, resource: str) -> dict[str, Any]:
    """The state of each table of a resource, by logical name."""
    sources: dict[str, Any] = dict(pipeline.state.get("sources") or {})
    resources = sources.get(source_name, {}).get("resources", {})
    tables: dict[str, Any] = resources.get(resource, {}).get("tables", {})
    return tables


def _with_more(pipeline: dlt.Pipeline, source_name: str, names: list[str]) -> dict[str, Any]:
    """The state of the tables that want a further package."""
    states = [tables_of(pipeline, source_name, name) for name in names]
    return {
        table: state for tables in states for table, state in tables.items() if state.get("more")
    }


def _is_outdated(pipeline: dlt.Pipeline) -> bool:
    """Whether the destination has load packages that are newer than those left behind."""
    left = [*pipeline.list_extracted_load_packages(), *pipeline.list_normalized_load_packages()]
    if not left or not pipeline.default_schema_name:
        return False
    schema = pipeline.default_schema
    try:
        with pipeline.sql_client() as client:
            loads = client.make_qualified_table_name(schema.loads_table_name)
            sql = f"SELECT MAX(load_id) FROM {loads} WHERE schema_name = %s AND status = 0"  # noqa: S608
            found = client.execute_sql(sql, schema.name)
    except (DatabaseUndefinedRelation, SqlClientNotAvailable):
        return False
    newest = found[0][0] if found else None
    return newest is not None and str(newest) > min(left)
