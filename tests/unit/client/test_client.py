"""One request of the client: headers, exact numbers, the server's hints, redirects, threads."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from decimal import Decimal
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataverse_source.client.client import environment_base
from dataverse_source.client.session import new_session
from dataverse_source.credentials import DataverseCredentials, token_source
from dataverse_source.errors import (
    ConfigurationError,
    NotFoundError,
    ProtocolError,
)
from tests.support.clients import EMPTY, Bench, parse_page
from tests.support.servers import (
    CLIENT,
    SECRET,
    TENANT,
    Answer,
    Received,
    ca_file,
    dataverse_error,
    json_answer,
    login_service,
    script,
    serving,
    tls_context,
    token_answer,
)

words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with new_session(ca_bundle=ca_file(tmp_path)) as session:
        yield Bench(session)


def test_the_headers_of_the_documentation(bench: Bench) -> None:
    with serving(script(EMPTY)) as server:
        bench.client(server.url).get_json(
            "accounts",
            {"$select": "name,accountid"},
            prefer=["odata.maxpagesize=5000", "odata.track-changes"],
        )
    request = server.received[0]
    assert request.method == "GET"
    assert request.target == "/api/data/v9.2/accounts?$select=name,accountid"
    assert request.headers["authorization"] == "Bearer token-0"
    assert request.headers["accept"] == "application/json"
    assert request.headers["odata-version"] == "4.0"
    assert request.headers["odata-maxversion"] == "4.0"
    assert request.headers["if-none-match"] == "null"
    assert request.headers["prefer"] == "odata.maxpagesize=5000, odata.track-changes"
    assert request.headers["user-agent"].startswith("dlt-dataverse/")


def test_no_prefer_header_without_a_preference(bench: Bench) -> None:
    with serving(script(EMPTY)) as server:
        bench.client(server.url).get_json("accounts")
    assert "prefer" not in server.received[0].headers


def test_over_tls_with_tokens_from_the_login_service(bench: Bench) -> None:
    with (
        serving(login_service(script(token_answer("real"))), tls_context()) as login,
        serving(script(EMPTY), tls_context()) as server,
    ):
        credentials = DataverseCredentials(
            tenant_id=TENANT, client_id=CLIENT, client_secret=SECRET, authority_host=login.url
        )
        tokens = token_source(credentials, server.url, session=bench.session)
        client = bench.client(server.url, tokens=tokens)
        assert client.get_json("accounts") == {"value": []}
    assert server.received[0].headers["authorization"] == "Bearer real"


def test_api_version(bench: Bench) -> None:
    client = bench.client("https://contoso.crm4.dynamics.com/", api_version="v9.1")
    assert client.url("accounts") == "https://contoso.crm4.dynamics.com/api/data/v9.1/accounts"
    assert client.environment_url == "https://contoso.crm4.dynamics.com"


def test_environment_url_is_checked(bench: Bench) -> None:
    with pytest.raises(ConfigurationError, match="starts with http://"):
        bench.client("http://contoso.crm4.dynamics.com")
    assert environment_base("contoso.crm4.dynamics.com") == "https://contoso.crm4.dynamics.com"


def test_numbers_stay_exact(bench: Bench) -> None:
    body = b'{"money": 0.10000000000000000001, "big": 9007199254740993, "text": "\xc3\xa4"}'
    with serving(script(Answer(body=body), Answer(body=b"\xef\xbb\xbf" + body))) as server:
        client = bench.client(server.url)
        for _ in range(2):
            assert client.get_json("x") == {
                "money": Decimal("0.10000000000000000001"),
                "big": 9007199254740993,
                "text": "ä",
            }


def test_gzip(bench: Bench) -> None:
    body = gzip.compress(b'{"value": [1]}')
    with serving(script(Answer(body=body, headers={"Content-Encoding": "gzip"}))) as server:
        assert bench.client(server.url).get_json("x") == {"value": [1]}


def test_what_answers_say_about_the_server(bench: Bench) -> None:
    headers = {"Date": "Wed, 21 Oct 2026 07:28:00 GMT", "x-ms-dop-hint": "4"}
    odd = {"Date": "yesterday", "x-ms-dop-hint": "many"}
    with serving(script(json_answer({}, 200, **headers), json_answer({}, 200, **odd))) as server:
        client = bench.client(server.url)
        assert (client.server_time, client.dop_hint) == (None, None)
        for _ in range(2):
            client.get_json("x")
            assert client.server_time == datetime(2026, 10, 21, 7, 28, tzinfo=timezone.utc)
            assert client.dop_hint == 4


def test_an_error_answer_tells_the_time_too(bench: Bench) -> None:
    answer = dataverse_error(404, "", "no", Date="Wed, 21 Oct 2026 07:28:00 GMT")
    with serving(script(answer)) as server:
        client = bench.client(server.url)
        with pytest.raises(NotFoundError):
            client.get_json("x")
    assert client.server_time is not None


def test_a_query_goes_with_a_path_only(bench: Bench) -> None:
    client = bench.client("https://contoso.crm4.dynamics.com")
    with pytest.raises(ValueError, match="with a path only"):
        client.get(f"{client.environment_url}/x", query={"a": "b"}, parse=len)


def test_absolute_urls_are_pinned(bench: Bench) -> None:
    with serving(script(EMPTY)) as elsewhere:
        client = bench.client("https://contoso.crm4.dynamics.com")
        with pytest.raises(ProtocolError, match="another host"):
            client.get(f"{elsewhere.url}/x", parse=len)
        with pytest.raises(ProtocolError, match="another host"):
            next(client.pages(f"{elsewhere.url}/x", parse=parse_page))
    assert elsewhere.received == []


@pytest.mark.parametrize("status", [301, 302, 303, 304, 307, 308])
def test_redirects_are_not_followed(bench: Bench, status: int) -> None:
    with serving(script(EMPTY)) as elsewhere:
        location = {"Location": f"{elsewhere.url}/x?private=1"}
        with (
            serving(script(Answer(status, headers=location))) as server,
            pytest.raises(ProtocolError, match="redirect") as caught,
        ):
            bench.client(server.url).get_json("x")
    assert elsewhere.received == []
    assert elsewhere.url in str(caught.value)
    assert "private" not in str(caught.value)


def test_many_threads_share_a_client(bench: Bench) -> None:
    with serving(lambda r: json_answer({"value": [r.target]}), tls_context()) as server:
        client = bench.client(server.url)
        found: list[str] = []

        def work(number: int) -> None:
            for page in range(5):
                found.extend(client.get_json(f"t{number}", {"page": str(page)})["value"])

        threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    expected = {f"/api/data/v9.2/t{n}?page={page}" for n in range(8) for page in range(5)}
    assert set(found) == expected
    assert len(found) == len(expected)
    assert client.counters.requests == 40


def test_a_token_that_ends_under_many_threads_is_renewed_once(
    bench: Bench,
) -> None:
    def dataverse(request: Received) -> Answer:
        good = request.headers["authorization"] == "Bearer token-2"
        return EMPTY if good else Answer(401)

    answers = script(token_answer("token-1"), token_answer("token-2"))
    with (
        serving(login_service(answers), tls_context()) as login,
        serving(dataverse, tls_context()) as server,
    ):
        credentials = DataverseCredentials(
            tenant_id=TENANT, client_id=CLIENT, client_secret=SECRET, authority_host=login.url
        )
        tokens = token_source(credentials, server.url, session=bench.session)
        client = bench.client(server.url, tokens=tokens)
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(lambda n: client.get_json(f"t{n}"), range(24)))
    assert found == [{"value": []}] * 24
    assert len([request for request in login.received if request.method == "POST"]) == 2
    assert client.counters.retries == 0


def test_what_is_asked_for_is_what_arrives(bench: Bench) -> None:
    with serving(lambda _: EMPTY) as server:
        client = bench.client(server.url)

        @given(st.dictionaries(words, words, max_size=4))
        @settings(max_examples=50, deadline=None)
        def ask(query: dict[str, str]) -> None:
            client.get_json("accounts", query)
            target = server.received[-1].target
            assert f"{server.url}{target}" == client.url("accounts", query)
            received = parse_qsl(urlsplit(target).query, keep_blank_values=True)
            assert dict(received) == query

        ask()
