"""The dlt pipeline that runs."""

from __future__ import annotations

from typing import cast

import dlt
from dlt.common.configuration.container import Container
from dlt.common.pipeline import PipelineContext


def active_pipeline() -> dlt.Pipeline | None:
    """The pipeline that runs; None if none does. Call it on dlt's own thread."""
    context = Container()[PipelineContext]
    return cast(dlt.Pipeline, context.pipeline()) if context.is_active() else None
