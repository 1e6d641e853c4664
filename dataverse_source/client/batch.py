"""Several requests in one: the multipart body of ``$batch``, and the answers in its answer.

Docs: "Execute batch operations using the Web API". Only GET requests are sent this way.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from requests.structures import CaseInsensitiveDict

from dataverse_source.client.responses import Response
from dataverse_source.errors import MalformedBodyError

__all__ = ["CONTINUE_ON_ERROR", "LONGEST", "BatchRequest", "new_boundary", "read_batch", "to_body"]

LONGEST = 1000
"""Requests that one batch may hold, by the docs."""

CONTINUE_ON_ERROR = "odata.continue-on-error"
"""Preference without which Dataverse stops at the first request that it refuses."""

_MARK = re.compile(rb"\s*(--[^\r\n]+)")
_STATUS_LINE = re.compile(rb"HTTP/\S+ (\d{3})")
_EMPTY_LINE = re.compile(rb"\r?\n\r?\n")


@dataclass(frozen=True)
class BatchRequest:
    """One GET of a batch.

    Attributes:
        path: below the Web API's root, not percent-encoded.
        query: names and values, not encoded.
        prefer: preferences for its ``Prefer`` header.
    """

    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    prefer: Sequence[str] = ()


def new_boundary() -> str:
    """The text that separates the parts of a body."""
    return f"batch_{uuid.uuid4()}"


def to_body(
    urls: Sequence[str],
    requests: Sequence[BatchRequest],
    boundary: str,
    headers: Mapping[str, str] | None = None,
) -> bytes:
    """The body of a batch; each line must end in CR LF (docs).

    Args:
        urls: of the requests.
        requests: in the same order.
        boundary: between the parts.
        headers: of every request.
    """
    lines: list[str] = []
    for url, request in zip(urls, requests, strict=True):
        lines += [
            f"--{boundary}",
            "Content-Type: application/http",
            "Content-Transfer-Encoding: binary",
            "",
            f"GET {url} HTTP/1.1",
            "Accept: application/json",
        ]
        if request.prefer:
            lines.append(f"Prefer: {', '.join(request.prefer)}")
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        lines += ["", ""]
    return "\r\n".join([*lines, f"--{boundary}--", ""]).encode()


def read_batch(body: bytes, urls: Sequence[str]) -> list[Response]:
    """The answers, in the order of the requests.

    Raises:
        MalformedBodyError: there is not one answer for each request.
    """
    mark = _MARK.match(body)
    parts = re.split(rb"(?:^|\r?\n)" + re.escape(mark[1]), body)[1:-1] if mark else []
    if len(parts) != len(urls):
        raise MalformedBodyError(
            "The answer to a batch is not complete",
            why=f"{len(parts)} of {len(urls)} answers are in it",
        )
    return [_response(part, url) for part, url in zip(parts, urls, strict=True)]


def _response(part: bytes, url: str) -> Response:
    _, message = _parted(part.lstrip(b"\r\n"))
    head, content = _parted(message)
    status = _STATUS_LINE.match(head)
    if status is None:
        raise MalformedBodyError("A part of the answer to a batch holds no answer")
    lines = head.decode("latin-1").splitlines()[1:]
    pairs = (line.partition(":") for line in lines)
    headers = CaseInsensitiveDict({name.strip(): text.strip() for name, _, text in pairs})
    return Response(url, int(status[1]), headers, content)


def _parted(content: bytes) -> tuple[bytes, bytes]:
    """What is before the first empty line, and what is after it."""
    found = _EMPTY_LINE.search(content)
    if found is None:
        return content, b""
    return content[: found.start()], content[found.end() :]
