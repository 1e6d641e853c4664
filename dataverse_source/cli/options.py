"""Options that several commands have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from dataverse_source.cli.screen import Screen

F = TypeVar("F", bound=Callable[..., Any])

PIPELINE = "dataverse_environment"
"""Default pipeline of ``run``, ``status`` and ``reset``; pipelines/environment.py uses it too."""


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


def pipeline_option(function: F) -> F:
    """``--pipeline``: the pipeline's name."""
    return click.option(
        "--pipeline",
        metavar="NAME",
        default=PIPELINE,
        show_default=True,
        help="Name of the dlt pipeline.",
    )(function)
