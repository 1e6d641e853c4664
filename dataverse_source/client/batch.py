"""Several questions in one request: the multipart body of ``$batch``, and what is answered.

Docs: "Execute batch operations using the Web API". Only questions (GET) are sent this way.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from requests.structures import CaseInsensitiveDict

from dataverse_source.client import error_responses
from dataverse_source.errors import MalformedBodyError, ProtocolError

LONGEST = 1000
"""Questions that one batch may hold, by the docs."""

CONTINUE_ON_ERROR = "odata.continue-on-error"
"""Preference without which Dataverse stops at the first question that it refuses."""

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


@dataclass(frozen=True)
class Answer:
    """What Dataverse says to one question.

    Attributes:
        url: of the question.
        status: HTTP status.
    """

    url: str
    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> dict[str, Any]:
        """The answer as a JSON object; numbers with a fraction are `Decimal`.

        Raises:
            ResponseError: Dataverse refused this question.
            ProtocolError: the answer is no JSON object.
        """
        if self.status >= 400:
            error = error_responses.read_error(self.status, self.headers, self.body)
            raise error_responses.to_error(error, self.url)
        try:
            value = json.loads(self.body.decode("utf-8-sig"), parse_float=Decimal)
        except ValueError as error:
            raise MalformedBodyError("An answer of a batch is not JSON", why=str(error)) from error
        if not isinstance(value, dict):
            raise ProtocolError("An answer of a batch is JSON, but no object")
        return value


def new_boundary() -> str:
    """What tells the parts of a body apart."""
    return f"batch_{uuid.uuid4()}"


def to_body(urls: Sequence[str], questions: Sequence[BatchRequest], boundary: str) -> bytes:
    """The body of a batch; each line must end in CR LF (docs)."""
    lines: list[str] = []
    for url, question in zip(urls, questions, strict=True):
        lines += [
            f"--{boundary}",
            "Content-Type: application/http",
            "Content-Transfer-Encoding: binary",
            "",
            f"GET {url} HTTP/1.1",
            "Accept: application/json",
        ]
        if question.prefer:
            lines.append(f"Prefer: {', '.join(question.prefer)}")
        lines += ["", ""]
    return "\r\n".join([*lines, f"--{boundary}--", ""]).encode()


def read_answers(body: bytes, urls: Sequence[str]) -> list[Answer]:
    """The answers, in the order of the questions.

    Raises:
        MalformedBodyError: there is not one answer for each question.
    """
    mark = _MARK.match(body)
    parts = re.split(rb"(?:^|\r?\n)" + re.escape(mark[1]), body)[1:-1] if mark else []
    if len(parts) != len(urls):
        raise MalformedBodyError(
            "The answer to a batch is not complete",
            why=f"{len(parts)} of {len(urls)} answers are in it",
        )
    return [_answer(part, url) for part, url in zip(parts, urls, strict=True)]


def _answer(part: bytes, url: str) -> Answer:
    _, _, message = _parted(part.lstrip(b"\r\n"))
    head, _, content = _parted(message)
    status = _STATUS_LINE.match(head)
    if status is None:
        raise MalformedBodyError("A part of the answer to a batch holds no answer")
    lines = head.decode("latin-1").splitlines()[1:]
    pairs = (line.partition(":") for line in lines)
    headers = CaseInsensitiveDict({name.strip(): text.strip() for name, _, text in pairs})
    return Answer(url, int(status[1]), headers, content)


def _parted(content: bytes) -> tuple[bytes, bytes, bytes]:
    """What is before the first empty line, that line, and what is after it."""
    found = _EMPTY_LINE.search(content)
    if found is None:
        return content, b"", b""
    return content[: found.start()], found[0], content[found.end() :]
