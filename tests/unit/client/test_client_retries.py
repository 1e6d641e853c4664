"""Faults, throttling and refused tokens: what the client tries again, and what not."""

from __future__ import annotations

import gzip
import logging
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest
from dlt.common import logger

from dataverse_source.client.client import Counters
from dataverse_source.client.counters import CostsByPath, TableCosts
from dataverse_source.client.session import new_session
from dataverse_source.errors import (
    AccessDeniedError,
    ConnectionFailedError,
    DataverseError,
    MalformedBodyError,
    ProtocolError,
    ResponseError,
    ServerError,
    ThrottledError,
    UnauthorizedError,
)
from tests.support.clients import EMPTY, HTML_503, Bench
from tests.support.servers import (
    Answer,
    ca_file,
    dataverse_error,
    script,
    serving,
    tls_context,
)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with new_session(ca_bundle=ca_file(tmp_path)) as session:
        yield Bench(session)


def test_two_bad_gateways_then_an_answer(bench: Bench) -> None:
    with serving(script(HTML_503, HTML_503, EMPTY)) as server:
        client = bench.client(server.url)
        assert client.get_json("accounts") == {"value": []}
    assert len(bench.waits) == 2
    assert 0.5 <= bench.waits[0] <= 1.0
    assert 1.0 <= bench.waits[1] <= 2.0
    assert client.counters == Counters(3, 2, 0, sum(bench.waits))
    assert client.costs_by_path == {"accounts": TableCosts(3, sum(bench.waits))}


def test_waits_of_one_table_count_once_where_they_overlap() -> None:
    held = 0.0
    costs = CostsByPath(lambda: held)
    with costs.queued("accounts"):
        held = 2.0
        with costs.queued("accounts"), costs.queued("contacts"):
            held = 5.0
        held = 6.0
    with costs.queued("accounts"):
        held = 7.0
    costs.add("accounts", seconds_waited=0.5)
    waited = {path: cost.seconds_waited for path, cost in costs.copy().items()}
    assert waited == {"accounts": 7.5, "contacts": 3.0}


@pytest.mark.parametrize(
    "broken",
    [
        Answer(drop=True),
        Answer(body=b'{"value": []}', cut=4),
        Answer(body=b'{"value": ['),
        Answer(body=b""),
        Answer(body=b"\xff\xff"),
        Answer(body=b"not gzip", headers={"Content-Encoding": "gzip"}),
        Answer(body=gzip.compress(b'{"value": []}' * 9)[:-9], headers={"Content-Encoding": "gzip"}),
        Answer(body=b"<html><title>Sign in</title>", headers={"Content-Type": "text/html"}),
        Answer(408),
        Answer(500, b'{"error": {"code": "0x80040216", "message": "unexpected"}}'),
        Answer(502, b"\xff\xfe"),
        Answer(504),
        dataverse_error(412, "0x80072494", "metadata changed"),
    ],
)
def test_faults_that_may_pass(bench: Bench, broken: Answer) -> None:
    with serving(script(broken, broken, EMPTY)) as server:
        assert bench.client(server.url).get_json("x") == {"value": []}
    assert len(bench.waits) == 2


@pytest.mark.parametrize(
    ("broken", "kind", "says"),
    [
        (Answer(drop=True), ConnectionFailedError, "The connection to 127.0.0.1 broke"),
        (Answer(body=b"{"), MalformedBodyError, "not complete JSON"),
        (
            Answer(body=b"<html><title>Sign in</title>", headers={"Content-Type": "text/html"}),
            ProtocolError,
            "answer: Sign in",
        ),
        (HTML_503, ServerError, "answer: Down"),
    ],
)
def test_faults_that_do_not_pass(
    bench: Bench,
    broken: Answer,
    kind: type[DataverseError],
    says: str,
) -> None:
    with serving(lambda _: broken) as server:
        client = bench.client(server.url)
        with pytest.raises(kind) as caught:
            client.get_json("accounts", {"$filter": "private"})
    text = str(caught.value)
    assert says in text
    assert "tried: 5 times" in text
    assert "/api/data/v9.2/accounts" in text
    assert "private" not in text
    assert client.counters.requests == 5
    assert len(bench.waits) == 4


@pytest.mark.parametrize("status", [400, 403, 404, 405, 410, 412, 413, 501])
def test_refusals_are_not_tried_again(bench: Bench, status: int) -> None:
    with serving(script(dataverse_error(status, "0x80060888", "no"))) as server:
        client = bench.client(server.url)
        with pytest.raises(ResponseError) as caught:
            client.get_json("x")
    assert (caught.value.status, caught.value.code) == (status, "0x80060888")
    assert bench.waits == []


@pytest.mark.parametrize("status", [400, 410, 412, 500])
def test_an_expired_delta_token_is_not_tried_again(bench: Bench, status: int) -> None:
    words = "Version stamp associated with the client has expired. Please perform a full sync."
    with (
        serving(script(dataverse_error(status, "0x80044352", words))) as server,
        pytest.raises(ResponseError) as caught,
    ):
        bench.client(server.url).get_json("x")
    assert caught.value.code == "0x80044352"
    assert bench.waits == []


@pytest.mark.parametrize(
    ("retry_after", "low", "high"),
    [
        ({"Retry_After": "34.226"}, 34.226, 37.7),
        ({"Retry_After": "0"}, 1.0, 1.1),
        ({"Retry_After": "9999"}, 300.0, 330.0),
        (
            {
                "Retry_After": "Wed, 21 Oct 2026 07:28:30 GMT",
                "Date": "Wed, 21 Oct 2026 07:28:00 GMT",
            },
            30.0,
            33.0,
        ),
        ({}, 0.5, 1.0),
    ],
)
def test_throttling_waits_as_asked(
    bench: Bench,
    retry_after: dict[str, str],
    low: float,
    high: float,
) -> None:
    busy = dataverse_error(429, "0x80072322", "Number of requests exceeded", **retry_after)
    with serving(script(busy, EMPTY)) as server:
        client = bench.client(server.url)
        client.get_json("x")
    assert len(bench.waits) == 1
    assert low <= bench.waits[0] <= high
    assert client.counters.throttled == 1


def test_throttled_until_the_end(bench: Bench) -> None:
    busy = dataverse_error(429, "0x80072321", "Combined execution time exceeded", Retry_After="5")
    with serving(lambda _: busy) as server:
        client = bench.client(server.url)
        with pytest.raises(ThrottledError, match="tried: 10 times") as caught:
            client.get_json("x")
    assert caught.value.code == "0x80072321"
    assert len(bench.waits) == 9


def test_503_with_retry_after_waits_as_asked(bench: Bench) -> None:
    with serving(script(Answer(503, headers={"Retry-After": "12"}), EMPTY)) as server:
        bench.client(server.url).get_json("x")
    assert 12.0 <= bench.waits[0] <= 13.2


def test_an_unknown_host_is_named(bench: Bench) -> None:
    client = bench.client("https://contoso.invalid")
    with pytest.raises(ConnectionFailedError, match=r"contoso\.invalid was not found") as caught:
        client.get_json("accounts")
    assert "environment_url" in str(caught.value)
    assert len(bench.waits) == 2


def test_a_certificate_that_is_not_trusted() -> None:
    with new_session() as session, serving(script(EMPTY), tls_context()) as server:
        bench = Bench(session)
        with pytest.raises(ConnectionFailedError, match="is not trusted"):
            bench.client(server.url).get_json("accounts")
    assert bench.waits == []
    assert server.received == []


def test_retries_are_logged_without_query_or_token(
    bench: Bench,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(logger, "LOGGER", logging.getLogger("test-of-dlt"))
    with caplog.at_level(logging.WARNING), serving(script(HTML_503, EMPTY)) as server:
        bench.client(server.url).get_json("accounts", {"$filter": "private"})
    assert "HTTP status 503" in caplog.text
    assert "/api/data/v9.2/accounts again in" in caplog.text
    assert "(1 of 4)" in caplog.text
    assert "private" not in caplog.text
    assert "token-0" not in caplog.text


def test_a_refused_token_is_renewed_once(bench: Bench) -> None:
    with serving(script(Answer(401), EMPTY)) as server:
        bench.client(server.url).get_json("x")
    assert bench.tokens.rejected == ["token-0"]
    assert [r.headers["authorization"] for r in server.received] == [
        "Bearer token-0",
        "Bearer token-1",
    ]
    assert bench.waits == []


def test_a_new_token_that_is_refused_too(bench: Bench) -> None:
    challenge = (
        "Bearer authorization_uri=https://login.microsoftonline.com/1-2/oauth2/authorize, "
        "resource_id=https://contoso.crm4.dynamics.com/"
    )
    with (
        serving(lambda _: Answer(401, headers={"WWW-Authenticate": challenge})) as server,
        pytest.raises(UnauthorizedError) as caught,
    ):
        bench.client(server.url).get_json("x")
    assert len(server.received) == 2
    assert "https://contoso.crm4.dynamics.com/" in str(caught.value)
    assert "token-1" not in "".join(traceback.format_exception(caught.value))


def test_a_token_is_renewed_once_an_attempt(bench: Bench) -> None:
    """A request that waits an hour for the limits to pass meets two tokens that end."""
    with serving(script(Answer(401), HTML_503, Answer(401), EMPTY)) as server:
        assert bench.client(server.url).get_json("x") == {"value": []}
    assert bench.tokens.rejected == ["token-0", "token-1"]


def test_a_token_that_is_refused_twice_in_an_attempt_is_an_error(bench: Bench) -> None:
    with (
        serving(script(HTML_503, Answer(401), Answer(401))) as server,
        pytest.raises(UnauthorizedError),
    ):
        bench.client(server.url).get_json("x")
    assert len(server.received) == 3


@pytest.mark.parametrize("status", [401, 403])
def test_no_application_user(bench: Bench, status: int) -> None:
    refusal = dataverse_error(status, "0x80072560", "The user is not a member of the organization.")
    with (
        serving(script(refusal)) as server,
        pytest.raises(AccessDeniedError, match="no application user"),
    ):
        bench.client(server.url).get_json("x")
    assert bench.tokens.rejected == []
