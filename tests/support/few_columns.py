"""A source of a table with few columns, and what is loaded of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dlt
from dlt.extract import DltSource

from tests.support.comparing import destination_rows

Make = Callable[..., DltSource]


ROWS = 25


def loaded(pipeline: dlt.Pipeline) -> dict[str, dict[str, Any]]:
    return destination_rows(pipeline, "accounts", "accountid")
