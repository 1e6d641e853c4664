"""Runs one load package: extracts, normalizes and loads it, or fails as a whole."""

from __future__ import annotations

import dlt
from dlt.common.configuration import configspec, resolve_configuration
from dlt.common.configuration.resolve import inject_section
from dlt.common.configuration.specs import BaseConfiguration, ConfigSectionContext
from dlt.extract import DltSource


@configspec
class _Load(BaseConfiguration):
    """The one setting of dlt's section ``load`` that matters here."""

    raise_on_failed_jobs: bool = True


def run_package(pipeline: dlt.Pipeline, source: DltSource) -> list[str]:
    """Runs the pipeline once; returns the ids of the load packages.

    With ``raise_on_failed_jobs = false`` dlt would store the state of a table whose rows it could
    not load. So that setting has no effect here.

    Raises:
        PipelineStepFailed: a step failed; nothing of it is stored as loaded.
    """
    if _raises_on_failed_jobs(pipeline):
        return list(pipeline.run(source).loads_ids)
    pipeline.sync_destination()
    pipeline.extract(source, refresh=pipeline.refresh)
    pipeline.normalize()
    return list(pipeline.load(raise_on_failed_jobs=True).loads_ids)


def _raises_on_failed_jobs(pipeline: dlt.Pipeline) -> bool:
    section = ConfigSectionContext(pipeline_name=pipeline.pipeline_name, sections=("load",))
    with inject_section(section):
        return resolve_configuration(_Load()).raise_on_failed_jobs
