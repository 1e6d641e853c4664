"""How old a table is, and whether that is too old."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, TypeVar

import click

from dataverse_source.cli.times import span_in

F = TypeVar("F", bound=Callable[..., Any])

STYLES = {"pass": "green", "warn": "yellow", "error": "red"}
"""Colours of the statuses, the best one first."""


def _span(_: click.Context, __: click.Parameter, text: str) -> timedelta:
    try:
        return span_in(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def freshness_options(function: F) -> F:
    """``--warn`` and ``--error``: the ages from which a table is too old."""
    for name, default in (("--error", "24h"), ("--warn", "2h")):
        function = click.option(
            name, default=default, show_default=True, metavar="SPAN", callback=_span
        )(function)
    return function


def freshness_of(
    name: str, last: dict[str, Any] | None, now: datetime, warn: timedelta, error: timedelta
) -> dict[str, Any]:
    """Age and status of a table.

    Args:
        name: of the table.
        last: its last run that succeeded, from the history; None if there is none.
        now: the time that its age is counted to.
        warn: a table that is older is ``warn``.
        error: one that is older, or was never synced, is ``error``.
    """
    age = None if last is None else now - last["started_at"]
    too_old = age is None or age > error
    status = "error" if too_old else "warn" if age and age > warn else "pass"
    return {
        "table": name,
        "last_synced": None if last is None else last["started_at"],
        "age_seconds": None if age is None else round(age.total_seconds(), 1),
        "status": status,
    }
