"""Deals with load packages that an interrupted run left behind: loads them or drops them.

dlt empties the tables that a package replaces, and its staging tables, once per package: before
the first file is loaded. Loading such a package a second time can therefore insert rows twice,
and another schedule may have changed the tables in between. So a package is only loaded if its
load has not begun; otherwise its rows are read again from Dataverse.
"""

from __future__ import annotations

from pathlib import Path

import dlt
from dlt.common.storages import PackageStorage
from dlt.pipeline.exceptions import PipelineStepFailed

from dataverse_source.config.log import logger
from dataverse_source.loading.destination_queries import newest_load
from dataverse_source.loading.package_failures import is_not_of_a_table


def settle_pending(pipeline: dlt.Pipeline) -> dlt.Pipeline:
    """Load what an interrupted run left behind, or drop it if loading it is not safe.

    After a drop, dlt restores the pipeline's state from the destination. A package that the
    destination refuses is dropped too: trying it again would block the pipeline for ever.

    Returns:
        The pipeline to continue with.
    """
    if not pipeline.has_pending_data:
        return pipeline
    reason = _reason_to_drop(pipeline)
    if reason is None:
        try:
            pipeline.normalize()
            pipeline.load(raise_on_failed_jobs=True)
        except PipelineStepFailed as error:
            if is_not_of_a_table(error):
                raise
            reason = f"it cannot be loaded: {error}"
        else:
            return pipeline
    logger.warning(
        "Pipeline %s: dropping the load package of an interrupted run, as %s; its rows are read "
        "again",
        pipeline.pipeline_name,
        reason,
    )
    return drop_pending(pipeline)


def will_be_loaded(pipeline: dlt.Pipeline) -> bool:
    """Whether the next run loads a package that this one has left behind."""
    return bool(pipeline.has_pending_data) and _reason_to_drop(pipeline) is None


def drop_pending(pipeline: dlt.Pipeline) -> dlt.Pipeline:
    """Drop all load packages that are not loaded; dlt restores the state from the destination."""
    refresh = pipeline.refresh
    pipeline = pipeline.drop()
    pipeline.refresh = refresh
    return pipeline


def _reason_to_drop(pipeline: dlt.Pipeline) -> str | None:
    extracted = set(pipeline.list_extracted_load_packages())
    normalized = set(pipeline.list_normalized_load_packages())
    newest = newest_load(pipeline)
    if newest is not None and newest > min(extracted | normalized):
        return "another run has loaded since"
    if extracted & normalized or any(_has_begun(pipeline, one) for one in normalized):
        return "its load had already begun"
    return None


def _has_begun(pipeline: dlt.Pipeline, load_id: str) -> bool:
    """Whether dlt has prepared the destination's tables: it deletes this file after that."""
    folder = Path(pipeline.get_load_package_info(load_id).package_path)
    return not (folder / PackageStorage.SCHEMA_UPDATES_FILE_NAME).exists()
