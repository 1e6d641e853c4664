"""Keeps next and delta links small: without host, and without the columns of their ``$select``.

Apart from that a link is kept as Dataverse wrote it, and sent back like that.
"""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit

_SELECT = re.compile(r"([?&])(?:\$|%24)select=[^&]*")
_VERSION = re.compile(r"deltatoken=(\d+)(?:!|%21)", re.IGNORECASE)


def shorten(link: str) -> str:
    """``link`` from its path on, with an empty ``$select``."""
    parts = urlsplit(link)
    return _SELECT.sub(r"\1$select=", f"{parts.path}?{parts.query}", count=1)


def restore(short: str, environment_url: str, select: str | None) -> str:
    """The link that `shorten` has shortened, or the same with other columns.

    Args:
        short: from `shorten`.
        environment_url: scheme and host.
        select: value of ``$select``; None leaves the option out.
    """
    if select is None:
        without = _SELECT.sub(r"\1", short, count=1).replace("?&", "?", 1)
        return environment_url + without
    if not _SELECT.search(short):
        return environment_url + short.replace("?", f"?$select={select}&", 1)
    return environment_url + _SELECT.sub(lambda found: f"{found[1]}$select={select}", short, 1)


def token_version(link: str) -> int | None:
    """The version number that a delta token begins with, if it looks like the docs' sample.

    Docs "Use change tracking to synchronize data with external systems": the token
    ``919042!08/22/2017 08:10:44``. It is for recognizing rows that no delta can hold, nothing
    else: tokens are opaque.
    """
    found = _VERSION.search(link)
    return int(found[1]) if found else None


def selects(link: str, column: str) -> bool:
    """Whether ``link`` asks for this column and no other."""
    found = _SELECT.search(link)
    return found is not None and unquote(found[0]).partition("=")[2] == column
