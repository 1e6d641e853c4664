"""Takes the path of a request apart: ``accounts(<key>)/primarycontactid/$ref``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote

from dataverse_source.sandbox.query.syntax.options import split_top

_SEGMENT = re.compile(r"([^()]*)(?:\((.*)\))?", re.DOTALL)


@dataclass(frozen=True)
class Segment:
    """One part of a path.

    Attributes:
        name: decoded.
        inside: decoded text between the parentheses, None without parentheses.
        raw: as received.
    """

    name: str
    inside: str | None
    raw: str


def read_path(rest: str) -> list[Segment]:
    """The segments of an encoded path; an empty last one is left out."""
    segments = []
    for raw in split_top(rest, "/"):
        if not raw:
            continue
        match = _SEGMENT.fullmatch(unquote(raw))
        name, inside = match.groups() if match else (unquote(raw), None)
        segments.append(Segment(name, inside, raw))
    return segments
