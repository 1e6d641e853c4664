"""Shortens next and delta links for a table's state: drops the host and the ``$select`` columns.

The rest of a link is stored and sent back exactly as Dataverse wrote it.
"""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit

_SELECT = re.compile(r"([?&])(?:\$|%24)select=[^&]*")
_VERSION = re.compile(r"deltatoken=(\d+)(?:!|%21)", re.IGNORECASE)


def shorten(link: str) -> str:
    """``link`` without scheme and host, with an empty ``$select``."""
    parts = urlsplit(link)
    return _SELECT.sub(r"\1$select=", f"{parts.path}?{parts.query}", count=1)


def restore(short: str, environment_url: str, select: str | None) -> str:
    """The whole link again, with the columns to read now.

    Args:
        short: from `shorten`.
        environment_url: scheme and host.
        select: value of ``$select``; None omits the option.
    """
    if select is None:
        without = _SELECT.sub(r"\1", short, count=1).replace("?&", "?", 1)
        return environment_url + without
    if not _SELECT.search(short):
        return environment_url + short.replace("?", f"?$select={select}&", 1)
    return environment_url + _SELECT.sub(lambda found: f"{found[1]}$select={select}", short, 1)


def delta_link_version(link: str) -> int | None:
    """The version number in a delta link, if its ``$deltatoken`` looks like the docs' sample.

    Docs "Use change tracking to synchronize data with external systems": the ``$deltatoken`` is
    ``919042!08/22/2017 08:10:44``. The value is opaque, so use the number only as a hint.
    """
    found = _VERSION.search(link)
    return int(found[1]) if found else None


def selected(link: str) -> str | None:
    """The columns that ``link`` selects, as in ``$select``; None if it has none."""
    found = _SELECT.search(link)
    return None if found is None else unquote(found[0]).partition("=")[2]
