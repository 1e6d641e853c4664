"""Exit codes, and errors as text or JSON, without secrets and tracebacks."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from dataverse_source.errors import (
    ConfigurationError,
    DataverseError,
    PipelineError,
    TablesFailedError,
    UnknownNameError,
    dataverse_error,
    printable,
)

if TYPE_CHECKING:
    from rich.console import Console

    from dataverse_source.cli.screen import Screen

FAILED = 1
"""Sign-in, Dataverse, the destination, or some of the tables failed."""

WRONG = 2
"""Wrong usage or configuration; nothing was changed."""

INTERRUPTED = 130
"""Stopped by Ctrl-C: 128 plus the signal's number, as shells count it."""


class UnexpectedError(DataverseError):
    """An error that this program did not expect; probably a bug."""


def exit_code(error: DataverseError) -> int:
    """The exit code for an error."""
    return WRONG if isinstance(error, (ConfigurationError, UnknownNameError)) else FAILED


def known_error(error: Exception) -> DataverseError:
    """An error of this package in place of any other."""
    cause = dataverse_error(error)
    if cause is not None:
        return cause
    if type(error).__module__.startswith("dlt."):
        return _of_dlt(error)
    return UnexpectedError(
        "Unexpected error",
        why=f"{type(error).__name__}: {error}",
        remedy="Run dataverse-source --traceback ... and report the output as a bug.",
    )


def report_error(screen: Screen, error: DataverseError) -> None:
    """Prints an error, and before it what a run did before it failed."""
    report = error.report
    value = {} if report is None else asdict(report)
    value["error"] = as_json(error)
    screen.write_results(value)
    if screen.json:
        screen.print_json(value)
        return
    if report is not None and report.tables and not screen.quiet:
        from dataverse_source.cli.report_screen import draw_report

        draw_report(screen.console(), report)
    _draw_error(screen.console(stderr=True), error)


def _draw_error(console: Console, error: DataverseError) -> None:
    """Its lines, wrapped between words on a terminal; each keeps its indent."""
    from rich.text import Text

    first, *rest = printable(str(error)).split("\n")
    lines = [Text.assemble(("error: ", "bold red"), first), *map(Text, rest)]
    for line in lines:
        if not console.is_terminal:
            console.print(line, soft_wrap=True)
            continue
        indent = len(line.plain) - len(line.plain.lstrip(" "))
        line = line[indent:]
        for part in line.wrap(console, max(console.width - indent, 20)):
            part.rstrip()
            console.print(Text(" " * indent) + part, no_wrap=True, overflow="ignore", crop=False)


def _of_dlt(error: Exception) -> DataverseError:
    """The error for one of dlt's: unusable settings, or a failed pipeline."""
    from dlt.common.configuration.exceptions import ConfigurationException
    from dlt.common.destination.exceptions import UnknownDestinationModule

    why = f"{type(error).__name__}: {str(error).strip()}"
    if isinstance(error, (ConfigurationException, UnknownDestinationModule)):
        remedy = "Check .dlt/config.toml, .dlt/secrets.toml and the environment variables."
        return ConfigurationError("dlt cannot use these settings", why=why, remedy=remedy)
    return PipelineError("The pipeline failed", why=why, remedy="Fix the cause and run again.")


def as_json(error: DataverseError) -> dict[str, Any]:
    """What ``--json`` prints for an error; the keys are documented and stay."""
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
