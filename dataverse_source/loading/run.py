"""Runs a pipeline with the source and reports what happened.

The modules that read and decode are imported when a pipeline runs, not when a script is
imported.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import datetime, timezone
from functools import partial
from typing import TYPE_CHECKING, Any

import dlt
from dlt.common.exceptions import DltException
from dlt.extract import DltResource, DltSource

from dataverse_source.errors import (
    ConfigurationError,
    DataverseError,
    TablesFailedError,
    dataverse_error,
)
from dataverse_source.loading.pipeline_errors import (
    pipeline_error,
    was_interrupted,
)
from dataverse_source.loading.report import LoadReport, destination_name

if TYPE_CHECKING:
    from dlt.common.schema.typing import (
        TAnySchemaColumns,
        TSchemaContract,
        TTableFormat,
        TWriteDispositionConfig,
    )
    from dlt.common.typing import TColumnNames, TLoaderFileFormat, TRefreshMode

    from dataverse_source.loading.running_mark import Running

ARGUMENTS = (
    "write_disposition",
    "columns",
    "primary_key",
    "schema_contract",
    "table_format",
    "loader_file_format",
)
"""Arguments of ``pipeline.run`` that `load` hands on with every load package."""

REFRESH_MODES = ("drop_sources", "drop_resources", "drop_data")


def load(
    pipeline: dlt.Pipeline,
    source: DltSource | DltResource | Sequence[DltSource | DltResource],
    *,
    refresh: TRefreshMode | None = None,
    write_disposition: TWriteDispositionConfig | None = None,
    columns: TAnySchemaColumns | None = None,
    primary_key: TColumnNames | None = None,
    schema_contract: TSchemaContract | None = None,
    table_format: TTableFormat | None = None,
    loader_file_format: TLoaderFileFormat | None = None,
) -> LoadReport:
    """Sync the tables of a source to the pipeline's destination.

    The load package of an interrupted run is loaded first, or dropped and read again; dlt alone
    would load it and return without reading anything new. Long first reads continue package by
    package until they are complete. If a table fails, the others are still loaded.

    Args:
        pipeline: any dlt pipeline.
        source: what `dataverse_source.dataverse` returned, one of its resources, or several of
            either; sources are loaded one after the other.
        refresh: as for ``pipeline.run``: ``drop_sources``, ``drop_resources`` or ``drop_data``.
        write_disposition: as for ``pipeline.run``, as are all further arguments.
        columns: likewise.
        primary_key: likewise.
        schema_contract: likewise.
        table_format: likewise.
        loader_file_format: likewise.

    Raises:
        TablesFailedError: some tables failed; their rows and their state are unchanged. Its
            ``report`` says what was done to the others.
        DataverseError: the only table failed, or all tables failed for the same reason.
        ConfigurationError: dlt's ``raise_on_failed_jobs`` is off, or there is no such ``refresh``.
        PipelineError: dlt or the destination failed, or the pipeline runs twice at once.
        KeyboardInterrupt: a signal interrupted the run; its text says what is kept.
    """
    from dataverse_source.loading.one_run import only_run
    from dataverse_source.loading.own_staging import use_own_staging
    from dataverse_source.loading.running_mark import only_run_anywhere
    from dataverse_source.loading.several_sources import load_each, sources_of

    arguments = {name: value for name, value in locals().items() if name in ARGUMENTS and value}
    before = pipeline.refresh
    if (refresh or before) not in (None, *REFRESH_MODES):  # dlt does nothing then
        raise ConfigurationError(
            f"There is no refresh {refresh or before!r}",
            remedy="Pass drop_sources, drop_resources or drop_data, or leave refresh out.",
        )
    pipeline.refresh = refresh or before
    try:
        with only_run(pipeline) as place:
            use_own_staging(pipeline)
            sources = sources_of(pipeline, source)
            with only_run_anywhere(pipeline, place) as only:
                steps = [partial(_load, pipeline, one, arguments, only) for one in sources]
                return load_each(steps)
    finally:
        pipeline.refresh = before


def _load(
    pipeline: dlt.Pipeline, source: DltSource, arguments: dict[str, Any], only: Running
) -> LoadReport:
    from dataverse_source.loading.destination_memory import counted_rows, look_at_destination
    from dataverse_source.loading.destination_queries import one_client
    from dataverse_source.loading.doubled_rows import check_doubled_rows
    from dataverse_source.loading.environment_check import KEY
    from dataverse_source.loading.file_loading import remove_files
    from dataverse_source.loading.marked_rows import remove_marked_rows
    from dataverse_source.loading.packages import PackageLoop
    from dataverse_source.loading.recovery import settle_pending
    from dataverse_source.loading.restored_environment import read_rest_next_time
    from dataverse_source.loading.run_context import EVERY_TABLE, RunContext, current_run, running
    from dataverse_source.loading.run_history import append_run
    from dataverse_source.loading.run_package import check_that_failed_jobs_raise
    from dataverse_source.loading.running_mark import KILLED
    from dataverse_source.loading.stopped import stop_message
    from dataverse_source.loading.table_reports import table_reports
    from dataverse_source.sync.first_links import FirstLinks

    began, started = time.monotonic(), datetime.now(timezone.utc)
    failure: DataverseError | None = None
    interrupted: BaseException | None = None
    check_that_failed_jobs_raise(pipeline)
    outer, rows = current_run(), None
    run = RunContext(
        observer=outer.observer,
        suspects=dict(outer.suspects),
        in_load=True,
        landed=dict(outer.landed),
        first_links=FirstLinks(outlive_packages=True),
    )
    with ExitStack() as stack:
        stack.callback(run.first_links.stop)
        try:
            pipeline = settle_pending(pipeline)
            memory, moved = look_at_destination(pipeline)
            run.reasons = {**outer.reasons, **moved.read_again}
            if only.killed:
                moved.compare.setdefault(EVERY_TABLE, KILLED)
            run.comparisons = {**outer.comparisons, **moved.compare}
            run.lost = memory.lost_histories
            run.rows_before, run.environments = memory.rows, memory.environments
            with running(run):
                packages = PackageLoop(pipeline, source, run, arguments)
                packages.run()
            stack.enter_context(one_client(pipeline))
            remove_marked_rows(pipeline)
            remove_files(run)
            rows = counted_rows(pipeline)
            only.check_alone()
            others = memory.others_have_loaded(pipeline, packages.load_ids)
            done = run.done(source.schema.naming)
            memory.record(pipeline, rows, packages.load_ids, done)
            if run.is_restored:
                read_rest_next_time(pipeline, rows, done)
            if others:
                check_doubled_rows(pipeline, [name for name in rows if name in done])
        except (DltException, DataverseError) as error:
            if was_interrupted(error):
                interrupted = error
            failure = dataverse_error(error) or pipeline_error(pipeline, error)
        except KeyboardInterrupt as error:  # not while dlt reads
            interrupted, failure = error, pipeline_error(pipeline, error)
        is_loaded = failure is None
        if failure is None and run.failures:
            failure = _failed(dict(run.failures.values()), pipeline, source)
        report = LoadReport(
            tuple(table_reports(pipeline, source, run, rows)),
            time.monotonic() - began,
            destination_name(pipeline),
            pipeline.dataset_name,
            run.counters,
            run.left_out,
            is_loaded,
        )
        if failure is not None:
            failure.report = report
        if pipeline.default_schema_name and not isinstance(failure, ConfigurationError):
            states = dict(pipeline.state.get("sources") or {})
            append_run(
                pipeline,
                report,
                started,
                datetime.now(timezone.utc),
                failure,
                states.get(source.name, {}).get(KEY) or {},
                interrupted=interrupted is not None,
            )
    if interrupted is not None:
        raise KeyboardInterrupt(stop_message(pipeline, run, report)) from interrupted
    if failure is not None:
        raise failure
    return report


def _failed(
    failures: dict[str, DataverseError], pipeline: dlt.Pipeline, source: DltSource
) -> DataverseError:
    """The error that all tables failed with, or one that lists those of the failed tables."""
    from dataverse_source.loading.catalog.resource import CATALOG
    from dataverse_source.loading.packages import tables_by_resource

    names = [name for name in source.selected_resources if name != CATALOG]
    stored = tables_by_resource(pipeline, source.name)
    count = sum(len(stored.get(name, ())) or 1 for name in names)
    texts = {f"{type(error)} {error.why}" for error in failures.values()}
    if len(texts) == 1 and len(failures) == count:
        return next(iter(failures.values()))
    return TablesFailedError(failures, count)
