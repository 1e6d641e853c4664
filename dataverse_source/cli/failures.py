"""Exit codes, and errors in a form that people and machines can read; no secrets, no tracebacks."""

from __future__ import annotations

from typing import Any

from dataverse_source.errors import (
    ConfigurationError,
    DataverseError,
    PipelineError,
    TablesFailedError,
    UnknownNameError,
    dataverse_error,
)

FAILED = 1
"""Something failed: sign-in, Dataverse, the destination, or some of the tables."""

WRONG = 2
"""Wrong usage or configuration: nothing was changed."""

INTERRUPTED = 130
"""Stopped by Ctrl-C, as shells count it: 128 and the signal's number."""


class UnexpectedError(DataverseError):
    """An error that this program did not expect; probably a fault of its own."""


def exit_code(error: DataverseError) -> int:
    """The exit code that an error ends with."""
    return WRONG if isinstance(error, (ConfigurationError, UnknownNameError)) else FAILED


def known_error(error: Exception) -> DataverseError:
    """An error of this package in place of any other."""
    known = dataverse_error(error)
    if known is not None:
        return known
    if type(error).__module__.startswith("dlt."):
        return _of_dlt(error)
    return UnexpectedError(
        "Something went wrong that should not",
        why=f"{type(error).__name__}: {error}",
        remedy="Run it again as: dataverse-source --traceback ..., and report what it shows.",
    )


def _of_dlt(error: Exception) -> DataverseError:
    """What dlt says: settings that it can't work with, or a pipeline that has failed."""
    from dlt.common.configuration.exceptions import ConfigurationException
    from dlt.common.destination.exceptions import UnknownDestinationModule

    why = f"{type(error).__name__}: {str(error).strip()}"
    if isinstance(error, (ConfigurationException, UnknownDestinationModule)):
        remedy = "Check .dlt/config.toml, .dlt/secrets.toml and the environment variables."
        return ConfigurationError("dlt can't work with these settings", why=why, remedy=remedy)
    return PipelineError("The pipeline has failed", why=why, remedy="Try it again.")


def as_json(error: DataverseError) -> dict[str, Any]:
    """What ``--json`` shows of an error; the keys are documented and stay."""
    found: dict[str, Any] = {
        "type": type(error).__name__,
        "what": error.what,
        "where": error.where,
        "why": error.why,
        "remedy": error.remedy,
        "request_id": error.request_id,
    }
    if isinstance(error, TablesFailedError):
        found["tables"] = {name: as_json(one) for name, one in error.failures.items()}
    if isinstance(error, ConfigurationError) and error.problems:
        found["problems"] = [as_json(one) for one in error.problems]
    return found
