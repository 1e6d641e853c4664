"""Forecasts what a first read of a table costs, and how long Dataverse's limits make it take.

Docs "Service protection API limits": each web server grants one user, in five minutes, 6,000
requests, 20 minutes of execution time, and 52 requests at once. Environments have several servers,
how many only Microsoft knows; each application user has limits of its own.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from math import ceil
from typing import Any

from dataverse_source.config.settings import MAX_PAGE_SIZE
from dataverse_source.sync.context import TableRun

WINDOW_SECONDS = 300
REQUESTS = 6_000
EXECUTION_SECONDS = 1_200
AT_ONCE = 52


@dataclass(frozen=True)
class Page:
    """The first page of a table's rows.

    Attributes:
        rows: in it.
        seconds: until it had come, which is more than its execution time.
        bytes: in memory.
        is_all: it holds the whole table.
    """

    rows: int
    seconds: float
    bytes: int
    is_all: bool


@dataclass(frozen=True)
class Forecast:
    """What a first read of a table costs.

    Attributes:
        rows: of the table; None if that is not known.
        requests: for the rows; the keys, which are read before and compared afterwards, not among
            them.
        execution_seconds: of these requests, if all pages take as long as the first one.
        seconds: how long the limits make the rows take.
        bound_by: which limit it is: ``execution time``, ``requests`` or ``requests at once``.
        key_requests: for the keys, which come one after the other.
        users: application users that share the work.
        servers: web servers of the environment.
    """

    rows: int | None
    requests: int
    execution_seconds: float
    seconds: float
    bound_by: str
    key_requests: int
    users: int
    servers: int

    def to_json(self) -> dict[str, Any]:
        """The forecast as JSON values."""
        return asdict(self)


def first_page(run: TableRun) -> Page:
    """Reads the first page of the table's rows, and measures it.

    Raises:
        DataverseError: the table can't be read.
    """
    began = time.monotonic()
    page = next(run.reader.pages(run.reader.url()))
    seconds = time.monotonic() - began
    return Page(page.rows.num_rows, seconds, page.rows.nbytes, page.next_link is None)


def forecast(
    rows: int | None, page: Page, page_size: int, *, users: int = 1, servers: int = 1
) -> Forecast:
    """The forecast for a table of so many rows.

    Args:
        rows: of the table; None if Dataverse does not say.
        page: the first page.
        page_size: most rows in a page.
        users: application users that share the work.
        servers: web servers of the environment.
    """
    count = page.rows if page.is_all else rows or 0
    requests = max(ceil(count / page_size), 1)
    execution = requests * page.seconds
    shares = users * servers
    bounds = {
        "execution time": execution / (EXECUTION_SECONDS / WINDOW_SECONDS * shares),
        "requests": requests / (REQUESTS / WINDOW_SECONDS * shares),
        "requests at once": execution / (AT_ONCE * shares),
    }
    bound_by = max(bounds, key=lambda name: bounds[name])
    # What is granted for one window may go at once.
    spent_at_once = execution <= EXECUTION_SECONDS * shares and requests <= REQUESTS * shares
    if spent_at_once:
        bound_by = "requests at once"
    return Forecast(
        count if page.is_all or rows is not None else None,
        requests,
        round(execution, 1),
        round(bounds[bound_by], 1),
        bound_by,
        max(ceil(count / MAX_PAGE_SIZE), 1),
        users,
        servers,
    )
