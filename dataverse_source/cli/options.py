"""Options that several commands have."""

from __future__ import annotations

import fnmatch
import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

import click

from dataverse_source.cli.screen import Screen

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Where:
    """Which pipeline a command works with; None means the default.

    Attributes:
        pipeline: its name.
        destination: where it loads to.
        dataset: schema in the destination.
        environment: name of one of several environments.
    """

    pipeline: str | None = None
    destination: str | None = None
    dataset: str | None = None
    environment: str | None = None

    @property
    def place(self) -> dict[str, Any]:
        """All but the name, as arguments of what makes, attaches or probes the pipeline."""
        return {
            "destination": self.destination,
            "dataset": self.dataset,
            "environment": self.environment,
        }


def _wants_json(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    screen = ctx.find_object(Screen)
    if value and screen is not None:
        screen.json = True


def json_option(function: F) -> F:
    """``--json``: print JSON."""
    return click.option(
        "--json",
        is_flag=True,
        expose_value=False,
        is_eager=True,
        callback=_wants_json,
        help="Print JSON.",
    )(function)


def environment_option(function: F) -> F:
    """``--environment-url``: overrides the setting."""
    return click.option(
        "--environment-url",
        metavar="URL",
        help="The environment, or 'sandbox'.  [default: the setting]",
    )(function)


def columns_like(patterns: str, known: Iterable[str]) -> list[str]:
    """The columns that ``--columns`` names, in their own order.

    Args:
        patterns: names or patterns such as ``*name``, apart by commas, in any case.
        known: all columns.

    Raises:
        UsageError: a name or pattern stands for no column.
    """
    from dataverse_source.errors import did_you_mean

    columns = list(known)
    chosen: set[str] = set()
    for pattern in filter(None, (one.strip().lower() for one in patterns.split(","))):
        found = fnmatch.filter(columns, pattern)
        if not found:
            hint = did_you_mean(pattern, columns)
            raise click.UsageError(f"There is no column {pattern!r}. {hint}".rstrip())
        chosen.update(found)
    return [one for one in columns if one in chosen]


def name_option(function: F) -> F:
    """``--name``: one of several environments."""
    return click.option(
        "--name",
        "environment",
        metavar="NAME",
        help="One of several environments: its settings are in [sources.dataverse.NAME].",
    )(function)


def pipeline_option(function: F) -> F:
    """``--pipeline``: the pipeline's name."""
    return click.option(
        "--pipeline",
        metavar="NAME",
        help="Name of the dlt pipeline.  [default: the setting pipeline, else the folder's name]",
    )(function)


def pipeline_options(function: F) -> F:
    """What names a pipeline and its destination; a command takes them as one `Where`."""

    @functools.wraps(function)
    def command(
        *args: Any,
        pipeline: str | None,
        destination: str | None,
        dataset: str | None,
        environment: str | None,
        **options: Any,
    ) -> Any:
        return function(*args, where=Where(pipeline, destination, dataset, environment), **options)

    command = click.option(
        "--dataset",
        metavar="NAME",
        help="Schema in the destination.  [default: that of the last run, else dataverse]",
    )(command)
    command = click.option(
        "--destination",
        metavar="NAME",
        help="A dlt destination, such as postgres.  [default: that of the last run, else the "
        "setting destination_type, else duckdb]",
    )(command)
    return pipeline_option(name_option(command))  # type: ignore[return-value]
