"""Turns the errors of dlt and of the destination into this package's errors."""

from __future__ import annotations

import dlt
from dlt.pipeline.exceptions import PipelineStepFailed

from dataverse_source.errors import (
    AuthenticationError,
    ConfigurationError,
    DataverseError,
    PipelineError,
    UnknownNameError,
    causes,
    dataverse_error,
)
from dataverse_source.loading.report import destination_name

SAME_NAME = "Ambiguous reference to catalog or schema"
"""DuckDB's message for a database and a schema of the same name."""

REMEDY = "Fix the cause and run again. Loaded rows are kept; the rest will be loaded."
SAME_NAME_REMEDY = (
    "Give the dataset another name than the pipeline or database: DuckDB names a database after "
    "its file and cannot tell it from a schema of the same name."
)


def stops_the_run(error: BaseException, *, known: bool) -> bool:
    """Whether the error of one table ends the run of all tables.

    Args:
        error: of the table.
        known: the table has been loaded before. Then an unknown name, or a setting that does not
            fit, comes from a change in Dataverse and is that table's alone.
    """
    if isinstance(error, AuthenticationError):
        return True
    return isinstance(error, (ConfigurationError, UnknownNameError)) and not known


def table_error(table: str, error: Exception) -> DataverseError:
    """The error for whatever a table has raised."""
    return dataverse_error(error) or PipelineError(
        f"Table {table} failed with an unexpected error",
        why=f"{type(error).__name__}: {error}",
        remedy="Report it with this message. The other tables are loaded.",
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
