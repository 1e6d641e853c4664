"""Spans of time as people write and read them."""

from __future__ import annotations

import re
from datetime import timedelta

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def span_in(text: str) -> timedelta:
    """A span such as ``2h``, ``30m`` or ``7d``.

    Raises:
        ValueError: it is no span.
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([smhd])\s*", text.lower())
    if found is None:
        raise ValueError(f"{text!r} is no span of time: write 90s, 30m, 2h or 7d")
    return timedelta(seconds=float(found[1]) * UNITS[found[2]])


def in_words(span: timedelta) -> str:
    """A span in its largest unit, such as ``3 h``."""
    seconds = max(span.total_seconds(), 0)
    for unit, length in (("days", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"
