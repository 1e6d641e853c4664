"""Runs one load package: extracts, normalizes and loads it, or fails as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dlt
from dlt.common.configuration import configspec, resolve_configuration
from dlt.common.configuration.resolve import inject_section
from dlt.common.configuration.specs import BaseConfiguration, ConfigSectionContext
from dlt.common.pipeline import LoadInfo
from dlt.extract import DltSource
from dlt.pipeline.exceptions import PipelineStepFailed

from dataverse_source.errors import ConfigurationError
from dataverse_source.sync.write.connections import is_being_closed, repeated_while_closing


@configspec
class _Load(BaseConfiguration):
    """The one setting of dlt's section ``load`` that matters here."""

    raise_on_failed_jobs: bool = True


def run_package(
    pipeline: dlt.Pipeline, source: DltSource, arguments: Mapping[str, Any]
) -> list[str]:
    """Runs the pipeline once; returns the ids of the load packages.

    Args:
        pipeline: to run.
        source: what to load.
        arguments: for ``pipeline.run``.

    Raises:
        PipelineStepFailed: a step failed; nothing of it is stored as loaded.
    """
    info = _run(pipeline, source, arguments)
    info.raise_on_failed_jobs()
    return list(info.loads_ids)


def _run(pipeline: dlt.Pipeline, source: DltSource, arguments: Mapping[str, Any]) -> LoadInfo:
    try:
        return pipeline.run(source, **arguments)
    except PipelineStepFailed as error:
        if error.step not in ("sync", "load") or not is_being_closed(error):
            raise
        is_extracted = error.step == "load"
    if is_extracted:
        return repeated_while_closing(pipeline.load)
    repeated_while_closing(pipeline.sync_destination)
    return pipeline.run(source, **arguments)


def check_that_failed_jobs_raise(pipeline: dlt.Pipeline) -> None:
    """Checks that dlt does not store the state of rows which the destination refused.

    Raises:
        ConfigurationError: ``raise_on_failed_jobs = false`` is set for the pipeline.
    """
    section = ConfigSectionContext(pipeline_name=pipeline.pipeline_name, sections=("load",))
    with inject_section(section):
        if resolve_configuration(_Load()).raise_on_failed_jobs:
            return
    raise ConfigurationError(
        "With raise_on_failed_jobs = false, rows that the destination refuses would be lost: dlt "
        "stores them as loaded",
        where="[load] in .dlt/config.toml, or LOAD__RAISE_ON_FAILED_JOBS",
        remedy="Remove this setting. If the destination refuses a table, the others are still "
        "loaded.",
    )
