from __future__ import annotations

from collections.abc import Iterator

import pytest
import requests

from dataverse_source.sandbox import LatencySettings, Sandbox
from dataverse_source.sandbox.api.latency import rows_of
from dataverse_source.sandbox.api.prerender import Prerendered
from dataverse_source.sandbox.http.messages import Request, Response
from tests.support.sandbox.user_clients import api, signed_in


@pytest.fixture
def running() -> Iterator[Sandbox]:
    with Sandbox(rows={"account": 20}, prerender=True) as sandbox:
        yield sandbox


@pytest.fixture
def session(running: Sandbox) -> Iterator[requests.Session]:
    with signed_in(running) as session:
        yield session


def test_makes_each_answer_once_until_the_state_changes() -> None:
    kept, made = Prerendered(), []

    def make() -> Response:
        made.append(1)
        return Response(200, b"body", {"A": "b"})

    request = Request("GET", "/accounts", headers={"prefer": "odata.maxpagesize=5"})
    first = kept.answer(request, "user", 1, make)
    first.headers["C"] = "added on the way out"
    again = kept.answer(request, "user", 1, make)
    assert (len(made), again.headers) == (1, {"A": "b"})
    kept.answer(request, "another", 1, make)
    kept.answer(Request("GET", "/accounts"), "user", 1, make)
    assert len(made) == 3
    kept.answer(request, "user", 2, make)
    assert len(made) == 4
    kept.answer(Request("POST", "/accounts"), "user", 2, make)
    kept.answer(Request("POST", "/accounts"), "user", 2, make)
    assert len(made) == 6


def test_errors_are_not_kept() -> None:
    kept = Prerendered()
    request = Request("GET", "/accounts")
    assert kept.answer(request, "user", 1, lambda: Response(500)).status == 500
    assert kept.answer(request, "user", 1, lambda: Response(200)).status == 200


def test_client_sees_no_difference(running: Sandbox, session: requests.Session) -> None:
    url = api(running, "accounts?$select=name")
    first, second = session.get(url), session.get(url)
    plain = session.get(url, headers={"Accept-Encoding": "identity"})
    assert first.content == second.content == plain.content
    assert first.headers["Content-Encoding"] == second.headers["Content-Encoding"] == "gzip"
    assert "Content-Encoding" not in plain.headers
    assert first.headers["REQ_ID"] != second.headers["REQ_ID"]
    running.store.create("account", {"name": "new"})
    assert len(session.get(url).json()["value"]) == 21


def test_faults_still_work(running: Sandbox, session: requests.Session) -> None:
    url = api(running, "accounts?$select=name")
    session.get(url)
    running.faults.plan("repeated_next_link")
    assert session.get(url).json()["@odata.nextLink"] == url
    assert "@odata.nextLink" not in session.get(url).json()


def test_latency_counts_the_rows_of_a_kept_answer(
    running: Sandbox, session: requests.Session
) -> None:
    settings = LatencySettings(base_seconds=1, row_seconds=2, expand_seconds=4)
    request = Request("GET", "/accounts", "$expand=a($select=b)")
    body = b'{"value":[{"@odata.etag":"1"},{"@odata.etag":"2"}]}'
    assert settings.seconds(request, Response(200, body)) == 1 + 2 * 2 + 4
    assert settings.seconds(request, Response(200, b"gzip", rows=5)) == 1 + 5 * 2 + 4
    assert rows_of(Response(200, body)) == 2
    running.latency = LatencySettings(row_seconds=10, scale=0.0)
    url = api(running, "accounts?$select=name")
    left = [
        session.get(url).headers["x-ms-ratelimit-time-remaining-xrm-requests"] for _ in range(2)
    ]
    assert float(left[0].replace(",", "")) - float(left[1].replace(",", "")) == pytest.approx(200)
