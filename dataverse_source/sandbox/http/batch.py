"""``$batch``: several requests in one, with change sets that take effect as one or not at all.

Source: docs page "Execute batch operations using the Web API".
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from itertools import pairwise
from typing import Any

from dataverse_source.sandbox.http.messages import DataverseFault, Request, Response

LONGEST_BATCH = 1000
LONGEST_URL = 65_536
"""Requests in a batch, and characters of a URL within it."""

Answer = Callable[[Request], Response]
Transaction = Callable[[], AbstractContextManager[Any]]

_BOUNDARY = re.compile(r'boundary="?([^";]+)"?', re.IGNORECASE)
_EMPTY_LINE = re.compile(rb"\r?\n\r?\n")
_CONTENT_ID = re.compile(r"\$(\w+)(?=/|$)")
_BOUND = re.compile(rb'(?<=@odata\.bind")\s*:\s*(?:"[^"]*"|\[[^\]]*\])')
_REQUEST_LINE = re.compile(r"(\S+)\s+(.+?)(?:\s+HTTP/\S+)?")
_BOUND_ID = re.compile(rb'(?<=")\$(\w+)(?=["/])')


@dataclass(frozen=True)
class _Part:
    """A part of a multipart body: its own headers and what follows them."""

    headers: dict[str, str]
    content: bytes


@dataclass
class _Batch:
    """A batch under way."""

    outer: Request
    answer: Answer
    transaction: Transaction
    count: int = 0
    named: dict[str, str] = field(default_factory=dict)
    """URL of the row that a request of a change set made, by Content-ID."""


class _ChangeSetFailed(Exception):
    """A request of a change set failed: the whole set is rolled back."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status)
        self.response = response


def answer_batch(request: Request, answer: Answer, transaction: Transaction) -> Response:
    """Answers a batch.

    Args:
        request: the POST to ``$batch``.
        answer: answers one request of the batch; faults must come as responses.
        transaction: what a change set runs in.

    Raises:
        DataverseFault: the body is not a batch.
    """
    parts = _parts(request.body, request.headers.get("content-type", ""))
    go_on = "odata.continue-on-error" in request.headers.get("prefer", "").lower()
    batch = _Batch(request, answer, transaction)
    done: list[bytes] = []
    status = 200
    for part in parts:
        content, failed = _answer_part(batch, part)
        done.append(content)
        if failed and not go_on:
            # The outer status becomes that of the request which stopped the batch.
            status = failed
            break
    boundary = f"batchresponse_{uuid.uuid4()}"
    body = _joined(done, boundary)
    return Response(status, body, {"Content-Type": f"multipart/mixed; boundary={boundary}"})


def _answer_part(batch: _Batch, part: _Part) -> tuple[bytes, int]:
    """The part of the answer, and its HTTP status when it is an error, else 0."""
    if part.headers.get("content-type", "").lower().startswith("multipart/mixed"):
        return _answer_change_set(batch, part)
    response = _answer_one(batch, part)
    return _as_part(response), response.status if response.status >= 400 else 0


def _answer_change_set(batch: _Batch, part: _Part) -> tuple[bytes, int]:
    boundary = f"changesetresponse_{uuid.uuid4()}"
    answered: list[bytes] = []
    try:
        with batch.transaction():
            for inner in _parts(part.content, part.headers["content-type"]):
                response = _answer_one(batch, inner, in_change_set=True)
                if response.status >= 400:
                    raise _ChangeSetFailed(response)
                answered.append(_as_part(response, inner.headers.get("content-id")))
    except _ChangeSetFailed as failed:
        return _as_part(failed.response), failed.response.status
    head = f"Content-Type: multipart/mixed; boundary={boundary}\r\n\r\n".encode()
    return head + _joined(answered, boundary), 0


def _answer_one(batch: _Batch, part: _Part, *, in_change_set: bool = False) -> Response:
    batch.count += 1
    if batch.count > LONGEST_BATCH:
        return _refusal(f"A batch can contain up to {LONGEST_BATCH} requests.").response()
    try:
        request = _inner_request(batch, part.content)
    except DataverseFault as fault:
        return fault.response()
    if request.path.endswith("/$batch"):
        return _refusal("A batch can't contain another batch.").response()
    if in_change_set and request.method == "GET":
        return _refusal("A change set can't contain a GET request.").response()
    response = batch.answer(request)
    content_id = part.headers.get("content-id")
    if content_id and "OData-EntityId" in response.headers:
        batch.named[content_id] = response.headers["OData-EntityId"]
    return response


def _inner_request(batch: _Batch, content: bytes) -> Request:
    head, body = _split_head(content)
    lines = head.decode("utf-8", "replace").splitlines()
    # A URL with spaces in it, as some clients write it, reaches to the last space.
    words = _REQUEST_LINE.fullmatch(lines[0].strip()) if lines else None
    if words is None:
        raise _refusal("A part of the batch holds no HTTP request.")
    method, url = words[1].upper(), words[2]
    if len(url) > LONGEST_URL:
        raise _refusal(f"A URL in a batch can have up to {LONGEST_URL} characters.")
    path, _, query = _resolved(batch, url).partition("?")
    return replace(
        batch.outer,
        method=method,
        path=path,
        query=query,
        headers=_headers(lines[1:]),
        body=_BOUND.sub(lambda bound: _referred(batch, bound[0]), body.strip(b"\r\n")),
    )


def _referred(batch: _Batch, bound: bytes) -> bytes:
    """References of a body to rows, with URLs in place of ``$`` and a Content-ID."""

    def url(found: re.Match[bytes]) -> bytes:
        return batch.named.get(found[1].decode(), found[0].decode()).encode()

    return _BOUND_ID.sub(url, bound)


def _resolved(batch: _Batch, url: str) -> str:
    """The path of a URL that may be absolute, relative, or begin with a Content-ID."""
    found = _CONTENT_ID.match(url)
    if found and found.group(1) in batch.named:
        url = batch.named[found.group(1)] + url[found.end() :]
    if url.startswith(("http://", "https://")):
        return "/" + url.split("/", 3)[-1]
    if url.startswith("/"):
        return url
    return batch.outer.path.removesuffix("$batch") + url


def _parts(body: bytes, content_type: str) -> list[_Part]:
    found = _BOUNDARY.search(content_type)
    if found is None:
        raise _refusal("The Content-Type of a batch must name its boundary.")
    mark = re.escape(b"--" + found.group(1).strip().encode())
    line = re.compile(rb"(?:^|\r?\n)" + mark + rb"(--)?[ \t]*(?:\r?\n|$)")
    marks = list(line.finditer(body))
    if not marks or not marks[-1].group(1):
        raise _refusal("The batch does not end with its closing boundary.")
    parts: list[_Part] = []
    for begin, end in pairwise(marks):
        head, content = _split_head(body[begin.end() : end.start()])
        parts.append(_Part(_headers(head.decode("latin-1").splitlines()), content))
    return parts


def _split_head(content: bytes) -> tuple[bytes, bytes]:
    found = _EMPTY_LINE.search(content)
    if found is None:
        return content.strip(b"\r\n"), b""
    return content[: found.start()], content[found.end() :]


def _headers(lines: list[str]) -> dict[str, str]:
    pairs = (line.partition(":") for line in lines if ":" in line)
    return {name.strip().lower(): text.strip() for name, _, text in pairs}


def _as_part(response: Response, content_id: str | None = None) -> bytes:
    head = ["Content-Type: application/http", "Content-Transfer-Encoding: binary"]
    if content_id:
        head.append(f"Content-ID: {content_id}")
    status = HTTPStatus(response.status)
    head += ["", f"HTTP/1.1 {status.value} {status.phrase}"]
    if response.status >= 400:
        head.append(f"REQ_ID: {uuid.uuid4()}")
    head += [f"{name}: {text}" for name, text in response.headers.items()]
    if "OData-Version" not in response.headers:
        head.append("OData-Version: 4.0")
    return "\r\n".join([*head, "", ""]).encode() + response.body


def _joined(parts: list[bytes], boundary: str) -> bytes:
    mark = f"--{boundary}".encode()
    return b"".join(mark + b"\r\n" + part + b"\r\n" for part in parts) + mark + b"--\r\n"


def _refusal(message: str) -> DataverseFault:
    return DataverseFault(400, "0x80060888", message)
