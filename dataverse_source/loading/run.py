"""Runs a pipeline with the source and reports what happened.

The modules that read and decode are imported when a pipeline runs, not when a script is
imported.
"""

from __future__ import annotations

import dlt
from dlt.common.exceptions import DltException
from dlt.extract import DltSource

from dataverse_source.errors import DataverseError, TablesFailedError, dataverse_error
from dataverse_source.loading.pipeline_errors import (
    pipeline_error,
    was_interrupted,
)
from dataverse_source.loading.report import LoadReport, ReportBuilder


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
        PipelineError: dlt or the destination failed.
        KeyboardInterrupt: a signal interrupted the run.
    """
    from dataverse_source.loading.packages import run_all_packages
    from dataverse_source.loading.recovery import settle_pending
    from dataverse_source.loading.run_context import RunContext, current_run, running

    failure: DataverseError | None = None
    try:
        pipeline = settle_pending(pipeline)
        builder = ReportBuilder(pipeline)
        with running(RunContext(observer=current_run().observer)) as run:
            rows_read = run_all_packages(pipeline, source, run)
    except DltException as error:
        if was_interrupted(error):
            raise KeyboardInterrupt from error
        failure = dataverse_error(error) or pipeline_error(pipeline, error)
    if failure is not None:
        raise failure
    if run.failures:
        raise _failed(dict(run.failures.values()), pipeline, source)
    return builder.report(pipeline, rows_read, run.counters)


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
