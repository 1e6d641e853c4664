"""Queries that are too much for Dataverse go on with smaller pages, and lose nothing."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dlt.common import logger

from dataverse_source.client.body import TooLargeError
from dataverse_source.client.page_size import SMALLEST, PageSize, has_heavy_code, is_too_heavy
from dataverse_source.client.session import new_session
from dataverse_source.client.throttle.limiter import ConcurrencyLimiter
from dataverse_source.errors import (
    ConnectionFailedError,
    DataverseError,
    ProtocolError,
    ResponseError,
    ServerError,
    ThrottledError,
)
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


def refused(status: int, code: str | None = None) -> ResponseError:
    return ServerError("refused", status=status, code=code)


def sizes_of(size: PageSize, error: DataverseError, times: int) -> list[int | None]:
    return [size.rows for _ in range(times) if size.make_smaller(error)]


def test_half_as_many_rows_down_to_the_smallest() -> None:
    heavy = refused(500, CODES[0])
    assert sizes_of(PageSize(400), heavy, 9) == [200, 100, SMALLEST]
    assert sizes_of(PageSize(75), heavy, 9) == [SMALLEST]
    assert sizes_of(PageSize(None), heavy, 9) == []


def test_pages_that_begin_small_get_as_small_as_one_row() -> None:
    assert sizes_of(PageSize(20), refused(502), 9) == [10, 5, 2, 1]


def test_bodies_that_are_too_large_need_less_than_the_smallest() -> None:
    assert sizes_of(PageSize(200), TooLargeError("large"), 9) == [100, 50, 25, 12, 6, 3, 1]


def test_pages_grow_again_when_it_may_have_been_the_gateway() -> None:
    size = PageSize(400)
    assert sizes_of(size, refused(503), 2) == [200, 100]
    size.went_well()
    assert size.rows == 200
    size.went_well()
    size.went_well()
    assert size.rows == 400


def test_pages_stay_below_a_size_that_has_failed_twice() -> None:
    size = PageSize(400)
    size.make_smaller(refused(504))
    size.went_well()
    size.make_smaller(refused(504))
    size.went_well()
    assert size.rows == 200


def test_pages_stay_small_where_dataverse_says_that_they_must() -> None:
    size = PageSize(400)
    size.make_smaller(refused(500, CODES[0]))
    size.went_well()
    assert size.rows == 200


def test_failures_of_heavy_queries() -> None:
    assert all(
        has_heavy_code(code) and has_heavy_code(code.upper().replace("X", "x")) for code in CODES
    )
    assert not has_heavy_code("0x80060888")
    assert not has_heavy_code(None)
    for status, code in ((502, None), (503, None), (504, None), (400, "0x80040216")):
        assert is_too_heavy(refused(status, code))
    slow, refused_connection = ConnectionFailedError("slow"), ConnectionFailedError("refused")
    slow.timed_out = True
    assert is_too_heavy(slow)
    for error in (
        refused_connection,
        refused(500),
        refused(403),
        ThrottledError("limits", status=503),
        ProtocolError("no rows"),
    ):
        assert not is_too_heavy(error)


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
    # The last page is full, so it is asked for again with a row less, and the last row by its link.
    assert asked[-3:] == ["100", "99", "100"]
