"""Keeps compressed answers until rows change, so that a benchmark measures the client."""

from __future__ import annotations

import threading
from collections.abc import Callable

from dataverse_source.sandbox.http.messages import Request, Response

_VARYING = ("prefer", "accept", "accept-encoding", "if-none-match")


class Prerendered:
    """Keeps the answers to GET requests until the rows change. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._state: object = None
        self._kept: dict[tuple[str, ...], Response] = {}

    def answer(
        self, request: Request, user_id: str, state: object, make: Callable[[], Response]
    ) -> Response:
        """The kept answer, or a new one.

        Args:
            request: what was asked.
            user_id: by whom.
            state: equal as long as rows and schema are the same.
            make: makes the answer, ready for the wire.
        """
        if request.method != "GET":
            return make()
        headers = request.headers
        varying = (headers.get(name, "") for name in _VARYING)
        key = (request.base_url, request.path, request.query, user_id, *varying)
        with self._lock:
            if state != self._state:
                self._kept.clear()
                self._state = state
            kept = self._kept.get(key)
        if kept is None:
            kept = make()
            with self._lock:
                if kept.status == 200 and state == self._state:
                    self._kept[key] = kept
        return Response(kept.status, kept.body, dict(kept.headers), kept.rows)
