"""A sandbox with one tracked table, and a client that reads it over HTTPS as users do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import requests

from dataverse_source.sandbox import Sandbox, Switches
from dataverse_source.sandbox.environment.clock import Clock
from tests.support.sandbox.reading import small_schema
from tests.support.sandbox.user_clients import api, signed_in

TRACK = "odata.track-changes"
SET = "new_widgets"
TABLE = "new_widget"
KEY = "new_widgetid"
SELECT = f"{SET}?$select=new_name"


@dataclass
class Tracker:
    """A signed-in client of a sandbox that holds widgets."""

    sandbox: Sandbox
    session: requests.Session

    def ask(self, url: str, prefer: str = "") -> requests.Response:
        """The answer to a GET of a link, or of a path below the Web API's root."""
        url = url if url.startswith("https://") else api(self.sandbox, url)
        return self.session.get(url, headers={"Prefer": prefer} if prefer else {})

    def page(self, url: str, prefer: str = "") -> Any:
        """The parsed page of a GET that succeeds."""
        answer = self.ask(url, prefer)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def fault(self, url: str, prefer: str = "") -> tuple[int, str, str]:
        """Status, code and message of a refusal."""
        answer = self.ask(url, prefer)
        assert answer.status_code >= 400, answer.text
        error = answer.json()["error"]
        return answer.status_code, error["code"], error["message"]

    def delta_link(self, start: str = SELECT) -> str:
        """The delta link after a whole first read."""
        page = self.page(start, TRACK)
        while "@odata.nextLink" in page:
            page = self.page(page["@odata.nextLink"], TRACK)
        return str(page["@odata.deltaLink"])

    def create(self, name: str, **values: Any) -> str:
        """A new widget's key."""
        return self.sandbox.store.create(TABLE, {"new_name": name, **values})

    def create_many(self, *names: str) -> list[str]:
        """The keys of new widgets."""
        return [self.create(name) for name in names]

    def set(self, **settings: Any) -> None:
        """Sets switches, and all others to their defaults."""
        self.sandbox.switches = Switches().changed(**settings)


@contextmanager
def tracker() -> Iterator[Tracker]:
    """A tracker over a sandbox of its own, with no rows and a clock that stands still."""
    with (
        Sandbox(rows={}, schema=small_schema("Cascade"), clock=Clock(frozen=True)) as sandbox,
        signed_in(sandbox) as session,
    ):
        yield Tracker(sandbox, session)


def names(page: Any) -> list[str]:
    """What a page says, in its order: names of rows, and ``-key`` for deleted ones."""
    return [f"-{row['id']}" if "reason" in row else row["new_name"] for row in page["value"]]
