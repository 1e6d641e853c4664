"""Makes the requests that the client sends, and says whose they are."""

from __future__ import annotations

import re
from collections.abc import Sequence

import requests

__all__ = ["entity_set", "get_request", "preferences"]

_VALUE = re.compile(r"/([A-Za-z0-9_]+)\([^/]*\)/[^/]+/\$value$")
"""The path of one value of a row: a file, or a long text."""


def entity_set(url: str) -> str:
    """The last part of the path; of the address of one value, the table that it belongs to."""
    path = url.partition("?")[0]
    value = _VALUE.search(path)
    return value[1] if value else path.rpartition("/")[2]


def get_request(url: str, prefer: Sequence[str], page_size: int | None) -> requests.Request:
    """A GET with preferences."""
    return requests.Request("GET", url, headers=preferences(prefer, page_size))


def preferences(prefer: Sequence[str], page_size: int | None) -> dict[str, str]:
    """The ``Prefer`` header, if there is anything to prefer."""
    size = [] if page_size is None else [f"odata.maxpagesize={page_size}"]
    values = [*size, *prefer]
    return {"Prefer": ", ".join(values)} if values else {}
