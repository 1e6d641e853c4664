"""A sandbox's two sides without a server, in which an exchange is set up and asked again."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from urllib.parse import unquote

from dataverse_source.sandbox.api.gateway import METADATA_SEGMENTS
from dataverse_source.sandbox.api.headers import JSON_TYPE
from dataverse_source.sandbox.api.router import DataSide
from dataverse_source.sandbox.environment.clock import Clock
from dataverse_source.sandbox.environment.environment import Caller, Environment
from dataverse_source.sandbox.http.batch import answer_batch
from dataverse_source.sandbox.http.messages import DataverseFault, Request, Response
from dataverse_source.sandbox.metadata.router import MetadataSide
from dataverse_source.sandbox.schema.catalog import default_schema
from dataverse_source.sandbox.schema.tables import Schema
from dataverse_source.sandbox.store.store import Store
from tests.conformance.comparing import HOST
from tests.conformance.extras import extended

USER = "4026be43-6b69-e111-8f65-78e7d1620f5e"
CALLER = Caller(USER, "22222222-2222-2222-2222-222222222222")
_API = re.compile(r"/api/data/v9\.[012]/(?P<rest>.*)", re.DOTALL)


@lru_cache(maxsize=1)
def schema() -> Schema:
    """The default tables with the columns that the docs' samples add."""
    return extended(default_schema())


class Corner:
    """Data side and metadata side over a store of their own."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.caller = CALLER
        self.store = Store(schema(), self.clock)
        self.environment = Environment(self.store, self.clock)
        self._data = DataSide(self.environment)
        self._metadata = MetadataSide(self.environment)

    def ask(self, method: str, path: str, headers: dict[str, str], content: str = "") -> Response:
        """The answer to a request, refusals included; a batch's boundary follows its body."""
        address, _, query = path.partition("?")
        if content.strip().startswith("--"):
            boundary = content.split()[0].removeprefix("--")
            headers = {"content-type": f"multipart/mixed; boundary={boundary}", **headers}
        body = content.replace("\n", "\r\n").encode()
        answer = self._answer(Request(method, address, query, headers, body, HOST))
        # The server says so of every answer.
        answer.headers.setdefault("OData-Version", "4.0")
        return answer

    def _answer(self, request: Request) -> Response:
        found = _API.fullmatch(request.path)
        if found is None:
            return Response(404)
        rest = found["rest"]
        segment = re.split(r"[(/?]", unquote(rest), maxsplit=1)[0]
        if segment == "$batch":
            return answer_batch(request, self._answer, self.store.transaction)
        side = self._metadata if segment in METADATA_SEGMENTS else self._data
        try:
            return side.answer(request, rest, self.caller)
        except DataverseFault as fault:
            answer = fault.response()
            answer.headers["Content-Type"] = JSON_TYPE
            return answer


@contextmanager
def corner() -> Iterator[Corner]:
    """A corner, cleared away afterwards."""
    made = Corner()
    try:
        yield made
    finally:
        made.store.close()
