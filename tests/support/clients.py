"""What the client's tests share: tokens without a login service, noted waits, a page parser."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from typing import Any

import requests

from dataverse_source.client.client import DataverseClient
from dataverse_source.client.throttle.limiter import ConcurrencyLimiter, LimiterClock
from dataverse_source.errors import MalformedBodyError
from tests.support.servers import Answer, ScriptedServer, json_answer

HTML_503 = Answer(503, b"<html><title>Down</title></html>", {"Content-Type": "text/html"})
EMPTY = json_answer({"value": []})


class Tokens:
    """token-0, and a higher number after every renewal."""

    def __init__(self) -> None:
        self.number = 0
        self.rejected: list[str] = []

    def token(self) -> str:
        return f"token-{self.number}"

    def renew(self, rejected: str) -> str:
        self.rejected.append(rejected)
        self.number += 1
        return self.token()


class FastClock(LimiterClock):
    """A clock on which waits for the server take no time; ``waits`` notes them."""

    def __init__(self, waits: list[float]) -> None:
        self.waits = waits
        self._seconds = 0.0

    def now(self) -> float:
        return self._seconds

    def wait(self, turn: threading.Condition, seconds: float | None) -> None:
        if seconds is None:
            super().wait(turn, seconds)
        else:
            self.waits.append(seconds)
            self._seconds += seconds


@dataclass
class Bench:
    """A session to make clients with; their waits are noted, not waited."""

    session: requests.Session
    waits: list[float] = field(default_factory=list)
    tokens: Tokens = field(default_factory=Tokens)

    def client(self, url: str, **options: Any) -> DataverseClient:
        limiter = ConcurrencyLimiter(clock=FastClock(self.waits))
        given = {"tokens": self.tokens, "session": self.session, "limiter": limiter}
        options = {**given, **options}
        return DataverseClient(url, pause=self.waits.append, **options)


@dataclass(frozen=True)
class Page:
    rows: list[Any]
    next_link: str | None
    more: bool | None = None

    @property
    def count(self) -> int:
        return len(self.rows)


def parse_page(body: bytes) -> Page:
    try:
        page = json.loads(body)
    except ValueError as error:
        raise MalformedBodyError("The answer is not complete JSON") from error
    return Page(page["value"], page.get("@odata.nextLink"))


def targets(server: ScriptedServer) -> list[str]:
    return [request.target for request in server.received]
