"""Makes the reports of a run's tables from what its threads have counted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import dlt
from dlt.extract import DltSource

from dataverse_source.config.log import logger
from dataverse_source.loading.destination_queries import row_counts, schema_of
from dataverse_source.loading.packages import tables_by_resource
from dataverse_source.loading.report import TableReport
from dataverse_source.loading.row_counts import RowCounts
from dataverse_source.loading.run_context import RunContext
from dataverse_source.sync.state import read_state
from dataverse_source.sync.write.destination import VALID_TO


def table_reports(
    pipeline: dlt.Pipeline,
    source: DltSource,
    run: RunContext,
    rows: Mapping[str, int | None] | None,
) -> Iterator[TableReport]:
    """A report for each table of the run, by name.

    Args:
        pipeline: after the run.
        source: that was loaded.
        run: what was read and counted.
        rows: in the destination after the run, by table; None if the run failed before they were
            counted.
    """
    naming = source.schema.naming
    by_logical_name = {logical: name for name, logical in run.names.items()}
    for logical, (name, _) in run.failures.items():
        by_logical_name.setdefault(logical, name)
    stored = tables_by_resource(pipeline, source.name)
    states = {
        logical: read_state(state)
        for resource in source.resources
        for logical, state in stored.get(resource, {}).items()
    }
    shown = {
        logical: naming.normalize_table_identifier(n) for logical, n in by_logical_name.items()
    }
    present = _present(pipeline, list(shown.values()))
    for logical in sorted(shown, key=shown.__getitem__):
        name = shown[logical]
        counts = run.counts.get(logical, RowCounts())
        after = None if rows is None else rows.get(name, 0)
        before = None if after is None else run.rows_before.get(name, 0)
        costs = run.costs_of(by_logical_name[logical])
        failure, state = run.failures.get(logical), states.get(logical)
        yield TableReport(
            name,
            counts.read,
            before,
            after,
            logical,
            None if state is None else state.mode or None,
            counts.inserted,
            counts.updated,
            counts.unchanged,
            counts.deleted,
            present.get(name, after),
            round(counts.seconds, 3),
            costs.requests,
            state.delta.given if state and state.delta and state.mode == "changes" else None,
            tuple(run.schema_changes.get(by_logical_name[logical], ())),
            None if failure is None else failure[1].what,
            round(costs.seconds_waited, 3),
            **_files(run, logical),
        )


def _files(run: RunContext, logical_name: str) -> dict[str, int]:
    """What was done to the files of a table."""
    counts = [work.counts for work in run.files_done.get(logical_name, ())]
    return {
        f"files_{word}": sum(getattr(one, word) for one in counts)
        for word in ("stored", "size", "failed", "gone")
    }


def _present(pipeline: dlt.Pipeline, tables: list[str]) -> dict[str, int | None]:
    """Present versions of each table that has a history."""
    schema = schema_of(pipeline)
    known = schema.tables if schema else {}
    with_history = [one for one in tables if VALID_TO in known.get(one, {}).get("columns", {})]
    try:
        return row_counts(pipeline, with_history, f"{VALID_TO} IS NULL")
    except Exception as error:  # each destination's driver has errors of its own
        logger.info("Present versions are not counted: %s", error)
        return dict.fromkeys(with_history)
