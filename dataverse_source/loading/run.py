"""Runs a pipeline with the source and reports what happened.

The modules that read and decode are imported when a pipeline runs, not when a script is
imported.
"""

from __future__ import annotations

import time

import dlt
from dlt.common.exceptions import DltException
from dlt.extract import DltSource

from dataverse_source.errors import DataverseError, TablesFailedError, dataverse_error
from dataverse_source.loading.pipeline_errors import (
    pipeline_error,
    was_interrupted,
)
from dataverse_source.loading.report import LoadReport, TableReport, destination_name


def load(pipeline: dlt.Pipeline, source: DltSource) -> LoadReport:
    """Sync the tables of a source to the pipeline's destination.

    The load package of an interrupted run is loaded first, or dropped and read again; dlt alone
    would load it and return without reading anything new. Long first reads continue package by
    package until they are complete. If a table fails, the others are still loaded.

    Args:
        pipeline: any dlt pipeline.
        source: what `dataverse_source.dataverse` returned.

    Raises:
        TablesFailedError: some tables failed; their rows and their state are unchanged.
        DataverseError: the only table failed, or all tables failed for the same reason.
        ConfigurationError: dlt's ``raise_on_failed_jobs`` is off.
        PipelineError: dlt or the destination failed.
        KeyboardInterrupt: a signal interrupted the run.
    """
    from dataverse_source.loading.destination_memory import DestinationMemory, data_tables
    from dataverse_source.loading.destination_queries import row_counts
    from dataverse_source.loading.packages import PackageLoop
    from dataverse_source.loading.recovery import settle_pending
    from dataverse_source.loading.run_context import RunContext, current_run, running
    from dataverse_source.loading.run_package import check_that_failed_jobs_raise

    started = time.monotonic()
    failure: DataverseError | None = None
    check_that_failed_jobs_raise(pipeline)
    try:
        pipeline = settle_pending(pipeline)
        memory = DestinationMemory(pipeline)
        moved = memory.moved(pipeline)
        outer = current_run()
        context = RunContext(
            observer=outer.observer,
            reasons={**outer.reasons, **moved.read_again},
            comparisons={**outer.comparisons, **moved.compare},
            suspects=dict(outer.suspects),
            rows_before=memory.rows,
        )
        with running(context) as run:
            packages = PackageLoop(pipeline, source, run)
            packages.run()
        rows = row_counts(pipeline, data_tables(pipeline))
        memory.record(pipeline, rows, packages.load_ids, run.done(source.schema.naming))
    except DltException as error:
        if was_interrupted(error):
            raise KeyboardInterrupt from error
        failure = dataverse_error(error) or pipeline_error(pipeline, error)
    if failure is not None:
        raise failure
    if run.failures:
        raise _failed(dict(run.failures.values()), pipeline, source)
    tables = (
        TableReport(
            name,
            packages.rows_read[name],
            None if count is None else memory.rows.get(name) or 0,
            count,
        )
        for name, count in rows.items()
    )
    return LoadReport(
        tuple(tables),
        time.monotonic() - started,
        destination_name(pipeline),
        pipeline.dataset_name,
        run.counters,
        run.left_out,
    )


def _failed(
    failures: dict[str, DataverseError], pipeline: dlt.Pipeline, source: DltSource
) -> DataverseError:
    """The error that all tables failed with, or one that lists those of the failed tables."""
    from dataverse_source.loading.packages import tables_of

    names = [name for name in source.selected_resources if not name.startswith("_dataverse_")]
    count = sum(len(tables_of(pipeline, source.name, name)) or 1 for name in names)
    texts = {f"{type(error)} {error.why}" for error in failures.values()}
    if len(texts) == 1 and len(failures) == count:
        return next(iter(failures.values()))
    return TablesFailedError(failures, count)
