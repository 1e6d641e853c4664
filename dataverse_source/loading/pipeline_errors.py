"""Turns the errors of dlt and of the destination into this package's errors."""

from __future__ import annotations

import dlt
from dlt.pipeline.exceptions import PipelineStepFailed

from dataverse_source.errors import PipelineError, causes
from dataverse_source.loading.report import destination_name

SAME_NAME = "Ambiguous reference to catalog or schema"
"""DuckDB's message for a database and a schema of the same name."""

REMEDY = "Fix the cause and run again. Loaded rows are kept; the rest will be loaded."
SAME_NAME_REMEDY = (
    "Give the dataset another name than the pipeline or database: DuckDB names a database after "
    "its file and cannot tell it from a schema of the same name."
)


def was_interrupted(error: BaseException) -> bool:
    """Whether a signal, such as Ctrl-C, ended the run."""
    return any(isinstance(one, KeyboardInterrupt) for one in causes(error))


def pipeline_error(pipeline: dlt.Pipeline, error: BaseException) -> PipelineError:
    """The error for a failure of dlt or the destination."""
    *_, first = causes(error)
    step = f" in step {error.step}" if isinstance(error, PipelineStepFailed) else ""
    return PipelineError(
        f"Pipeline {pipeline.pipeline_name} failed{step}",
        where=destination_name(pipeline),
        why=f"{type(first).__name__}: {first}",
        remedy=SAME_NAME_REMEDY if SAME_NAME in str(first) else REMEDY,
    )
