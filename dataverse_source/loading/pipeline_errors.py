"""Turns the errors of dlt and of the destination into this package's errors."""

from __future__ import annotations

import re

import dlt
from dlt.common.configuration.exceptions import ConfigFieldMissingException
from dlt.common.exceptions import MissingDependencyException
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

LOCK = re.compile(r"Conflicting lock is held in (.+? \(PID \d+\))")
"""DuckDB's words about the process that has its file open."""

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


def pipeline_error(
    pipeline: dlt.Pipeline, error: BaseException, what: str | None = None
) -> DataverseError:
    """The error for a failure of dlt or the destination; ``what`` failed, else the pipeline."""
    chain = list(causes(error))
    name = str(pipeline.destination.destination_name)
    for one in chain:
        if isinstance(one, ConfigFieldMissingException):
            return missing_settings(name, one)
        if isinstance(one, MissingDependencyException):
            return missing_packages(name, one)
    first = chain[-1]
    step = f" in step {error.step}" if isinstance(error, PipelineStepFailed) else ""
    return PipelineError(
        what or f"Pipeline {pipeline.pipeline_name} failed{step}",
        where=f"destination {name}: {destination_name(pipeline)}",
        why=f"{type(first).__name__}: {first}",
        remedy=_remedy(str(first)),
    )


def missing_settings(name: str, error: ConfigFieldMissingException) -> ConfigurationError:
    """The error for settings of the destination that are not there; it names the keys to set."""
    text = str(error)
    prefix = f"DESTINATION__{name.upper()}__"
    found = dict.fromkeys(re.findall(rf"(?<![A-Z_]){re.escape(prefix)}[A-Z0-9_]+", text))
    keys = [one.lower().replace("__", ".") for one in found]
    sections = sorted({key.rpartition(".")[0] for key in keys})
    return ConfigurationError(
        f"The destination {name} needs settings that are missing: {', '.join(error.fields)}",
        where=f"[{' and '.join(sections)}] of .dlt/secrets.toml" if sections else None,
        remedy=f"Set them there, or as environment variables: {', '.join(found)}."
        if found
        else "Set them in .dlt/secrets.toml, see dlt's docs of this destination.",
    )


def missing_packages(name: str, error: MissingDependencyException) -> ConfigurationError:
    """The error for a destination whose packages are not installed."""
    return ConfigurationError(
        f"The destination {name} needs packages that are not installed: "
        f"{', '.join(error.dependencies)}",
        remedy=f"Install them: pip install 'dlt[{name}]', or uv add 'dlt[{name}]'.",
    )


def _remedy(text: str) -> str:
    if SAME_NAME in text:
        return SAME_NAME_REMEDY
    lock = LOCK.search(text)
    if lock:
        return f"Another process has the DuckDB file open, {lock[1]}: close it and run again."
    return REMEDY
