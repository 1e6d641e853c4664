"""A log of the requests that the sandbox answered."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from dataverse_source.sandbox.http.messages import Request

LONGEST = 200_000
"""Requests that are kept; the oldest go first."""


@dataclass
class LoggedRequest:
    """One request and what became of it.

    Attributes:
        query: as received, still percent-encoded.
        headers: by lower-case name.
        status: of the answer; None while there is none yet.
        fault: kind of the fault that hit it, None for none.
        seconds: that the answer took to make.
        sent: bytes of body that went over the wire.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(default=b"", repr=False)
    status: int | None = None
    fault: str | None = None
    seconds: float = 0.0
    sent: int = 0


class RequestLog:
    """A list of requests in the order in which they came. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: list[LoggedRequest] = []

    def begin(self, request: Request) -> LoggedRequest:
        """Adds a request; the server writes the outcome into the returned entry."""
        entry = LoggedRequest(
            request.method, request.path, request.query, request.headers, request.body
        )
        with self._lock:
            self._entries.append(entry)
            if len(self._entries) > LONGEST:
                del self._entries[: LONGEST // 10]
        return entry

    def matching(self, part: str) -> list[LoggedRequest]:
        """The requests whose path contains ``part``."""
        return [entry for entry in self if part in entry.path]

    def clear(self) -> None:
        """Forgets all requests."""
        with self._lock:
            self._entries.clear()

    def __iter__(self) -> Iterator[LoggedRequest]:
        with self._lock:
            return iter(list(self._entries))

    def __len__(self) -> int:
        return len(self._entries)

    def __getitem__(self, index: int) -> LoggedRequest:
        return self._entries[index]
