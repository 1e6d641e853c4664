"""Requests and responses as the rooms of the sandbox exchange them, without sockets."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Request:
    """One HTTP request.

    Attributes:
        method: upper case.
        path: the path as received, still percent-encoded, without the query.
        query: the query string as received, still percent-encoded, without the ``?``.
        headers: by lower-case name; repeated headers are joined with ``, ``.
        body: raw bytes.
        base_url: scheme, host and port that the caller used, from the Host header.
        server: number of the web server that answers.
    """

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    base_url: str = ""
    server: int = 0


@dataclass
class Response:
    """One HTTP answer; the server adds Content-Length, Date and gzip.

    Attributes:
        rows: how many rows the body holds; None where nobody counted them.
    """

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    rows: int | None = None

    @classmethod
    def of_json(cls, value: Any, status: int = 200, **headers: str) -> Response:
        """An answer with ``value`` as compact JSON (header names with ``_`` for ``-``)."""
        body = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        return cls(status, body, {"Content-Type": "application/json; charset=utf-8", **named})


class DataverseFault(Exception):
    """An error that is sent to the caller as Dataverse sends it.

    Attributes:
        status: HTTP status.
        code: ``0x...`` as in the Web API's code list, may be empty.
        message: the text in ``error.message``.
        headers: headers of the answer, such as Retry-After.
    """

    def __init__(
        self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(f"{status} {code} {message}")
        self.status = status
        self.code = code
        self.message = message
        self.headers = dict(headers or {})

    def response(self) -> Response:
        """The answer: ``{"error": {"code": ..., "message": ...}}``."""
        answer = Response.of_json(
            {"error": {"code": self.code, "message": self.message}}, self.status
        )
        answer.headers.update(self.headers)
        return answer
