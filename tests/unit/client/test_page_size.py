"""Queries that are too much for Dataverse go on with smaller pages, and lose nothing."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dlt.common import logger

from dataverse_source.client.page_size import SMALLEST, is_too_heavy, smaller
from dataverse_source.client.session import new_session
from dataverse_source.client.throttle.limiter import ConcurrencyLimiter
from dataverse_source.errors import ServerError
from dataverse_source.sandbox import Sandbox
from tests.end_to_end.test_service_limits import reading
from tests.support.clients import EMPTY, Bench, parse_page
from tests.support.servers import ca_file, dataverse_error, json_answer, script, serving

CODES = ("0x80048544", "0x80048644", "0x80044151", "0x80048573", "0x80048574", "0x80048575")
PAGE_OF_400: Any = {"page_size": 400, "prefer": ['odata.include-annotations="x"']}


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with new_session(ca_bundle=ca_file(tmp_path)) as session:
        yield Bench(session)


def sizes(requests: Any) -> list[str]:
    """What the requests asked for, in order."""
    return [one.headers["prefer"].partition(",")[0].rpartition("=")[2] for one in requests]


def test_half_as_many_rows_down_to_the_smallest() -> None:
    assert smaller(400) == 200
    assert smaller(75) == SMALLEST
    assert smaller(SMALLEST) is None
    assert smaller(None) is None


def test_codes() -> None:
    assert all(
        is_too_heavy(code) and is_too_heavy(code.upper().replace("X", "x")) for code in CODES
    )
    assert not is_too_heavy("0x80060888")
    assert not is_too_heavy(None)


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("status", [400, 429, 500])
def test_the_failed_page_is_asked_again_and_the_next_ones_stay_small(
    bench: Bench, code: str, status: int
) -> None:
    heavy = dataverse_error(status, code, "too much")
    last = json_answer({"value": [2]})
    with serving(lambda request: next(answers)) as server:
        link = f"{server.url}/api/data/v9.2/accounts?$skiptoken=2"
        first = json_answer({"value": [1], "@odata.nextLink": link})
        answers = iter([heavy, heavy, first, last])
        client = bench.client(server.url)
        pages = client.pages(client.url("accounts"), **PAGE_OF_400, parse=parse_page)
        assert [page.rows for page in pages] == [[1], [2]]
    assert sizes(server.received) == ["400", "200", "100", "100"]
    assert bench.waits == []


def test_another_query_begins_with_large_pages_again(bench: Bench) -> None:
    with serving(script(dataverse_error(500, CODES[2], "too much"), EMPTY, EMPTY)) as server:
        client = bench.client(server.url)
        for _ in range(2):
            list(client.pages(client.url("accounts"), **PAGE_OF_400, parse=parse_page))
    assert sizes(server.received) == ["400", "200", "400"]


def test_the_smallest_page_is_tried_again_and_then_given_up(bench: Bench) -> None:
    with serving(lambda _: dataverse_error(500, CODES[2], "SQL timeout expired.")) as server:
        client = bench.client(server.url)
        with pytest.raises(ServerError, match="Read fewer columns") as caught:
            list(client.pages(client.url("accounts"), **PAGE_OF_400, parse=parse_page))
    assert sizes(server.received) == ["400", "200", "100", "50", "50", "50", "50", "50"]
    assert caught.value.code == CODES[2]
    assert len(bench.waits) == 4


def test_questions_without_pages_are_tried_again_as_they_are(bench: Bench) -> None:
    with serving(script(dataverse_error(500, CODES[2], "too much"), EMPTY)) as server:
        bench.client(server.url).get_json("WhoAmI")
    assert len(server.received) == 2


def test_it_is_said_once(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(logger, "LOGGER", logging.getLogger("test-of-pages"))
    heavy = dataverse_error(500, CODES[2], "SQL timeout expired.")
    with (
        caplog.at_level(logging.WARNING),
        serving(script(heavy, heavy, json_answer({"value": []}))) as server,
    ):
        client = bench.client(server.url)
        url = client.url("accounts", {"$filter": "private"})
        list(client.pages(url, **PAGE_OF_400, parse=parse_page))
    assert caplog.text.count("too much for Dataverse") == 1
    assert "Pages of 400 rows" in caplog.text
    assert "private" not in caplog.text


@pytest.mark.parametrize("tracked", [False, True])
def test_a_chain_that_shrinks_twice_loses_and_doubles_nothing(tracked: bool) -> None:
    prefer = ["odata.track-changes"] if tracked else []
    with (
        Sandbox({"accounts": 1500}) as sandbox,
        reading(sandbox, ConcurrencyLimiter()) as client,
    ):
        sandbox.faults.plan("sql_timeout", path="/accounts", skip=1)
        sandbox.faults.plan("sql_timeout", path="/accounts", skip=3)
        url = client.url("accounts", {"$select": "name"})
        pages = list(client.pages(url, page_size=400, prefer=prefer, parse=parse_page))
        asked = sizes(sandbox.requests.matching("/accounts"))
        stored = sandbox.store.count("account")
    keys = [row["accountid"] for page in pages for row in page.rows]
    assert len(keys) == len(set(keys)) == stored
    assert len(pages[0].rows) == 400
    assert asked[:3] == ["400", "400", "200"]
    assert asked[-1] == "100"
