"""Gives each pipeline a staging dataset of its own in the destination.

Before dlt merges rows into a table it copies them into a table of the same name in the staging
dataset, which it empties first. All pipelines of a dataset share that one by default: of two that
load into one table at the same time, one empties the rows that the other is about to merge.
"""

from __future__ import annotations

import copy
import hashlib

import dlt
from dlt.common.configuration import configspec, resolve_configuration
from dlt.common.configuration.resolve import inject_section
from dlt.common.configuration.specs import BaseConfiguration, ConfigSectionContext
from dlt.common.destination.client import DestinationClientDwhConfiguration

LAYOUT = "staging_dataset_name_layout"
"""Dlt's setting of a destination; ``%s`` stands for the dataset."""


class _Own(str):
    """A layout that was made here, not set by the user."""


@configspec
class _Destination(BaseConfiguration):
    """The one setting of a destination that matters here."""

    staging_dataset_name_layout: str | None = None


def use_own_staging(pipeline: dlt.Pipeline) -> None:
    """Has the pipeline use a staging dataset of its own, unless the user has set its name.

    The name is the same in every run, so that no dataset is left behind by each.

    Args:
        pipeline: to load with. It gets a copy of its destination, which may be another's too.
    """
    destination = pipeline.destination
    if destination is None or not issubclass(destination.spec, DestinationClientDwhConfiguration):
        return
    given = destination.config_params.get(LAYOUT)
    layout = own_layout(pipeline.pipeline_name)
    if given == layout or (given is not None and not isinstance(given, _Own)):
        return
    if _configured(pipeline, destination.destination_name):
        return
    own = copy.copy(destination)
    own.config_params = {**destination.config_params, LAYOUT: _Own(layout)}
    pipeline.destination = own


def own_layout(pipeline_name: str) -> str:
    """The layout of a pipeline's staging dataset; short, as names of datasets have limits."""
    number = hashlib.sha256(pipeline_name.encode()).hexdigest()[:8]
    return f"%s_staging_{number}"


def _configured(pipeline: dlt.Pipeline, destination: str) -> bool:
    """Whether dlt's configuration has a layout, for this pipeline or for all."""
    sections = ("destination", destination)
    with inject_section(ConfigSectionContext(pipeline_name=pipeline.pipeline_name)):
        found = resolve_configuration(_Destination(), sections=sections)
    return found.staging_dataset_name_layout is not None
