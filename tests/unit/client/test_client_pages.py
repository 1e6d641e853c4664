"""Next links: followed as they are, to the same host only, never in a circle."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dataverse_source.client.session import new_session
from dataverse_source.errors import (
    ProtocolError,
)
from tests.support.clients import EMPTY, HTML_503, Bench, Page, parse_page, targets
from tests.support.servers import (
    Answer,
    Received,
    ca_file,
    json_answer,
    script,
    serving,
)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with new_session(ca_bundle=ca_file(tmp_path)) as session:
        yield Bench(session)


def linked(server_url: str, target: str, rows: list[Any]) -> Answer:
    return json_answer({"value": rows, "@odata.nextLink": f"{server_url}{target}"})


def cookie(page: int, last: str, inner_page: int | None = None) -> str:
    """A $skiptoken in the form of docs "Page results using OData"."""
    inner = (
        f"%253ccookie%2520page%253d%2522{inner_page or page - 1}%2522%253e%253caccountid%2520last"
        f"%253d%2522%257b{last}%257d%2522%2520%252f%253e%253c%252fcookie%253e"
    )
    return (
        f"$skiptoken=%3Ccookie%20pagenumber=%22{page}%22%20pagingcookie=%22{inner}%22"
        f"%20istracking=%22False%22%20/%3E"
    )


class Chain:
    """Answers each target with the next: ``targets[i]`` leads to ``targets[i + 1]``."""

    def __init__(self, *targets: str) -> None:
        self.targets = targets
        self.url = ""

    def __call__(self, request: Received) -> Answer:
        index = self.targets.index(request.target)
        if index + 1 == len(self.targets):
            return json_answer({"value": [index]})
        return linked(self.url, self.targets[index + 1], [index])


def read(chain: Chain, bench: Bench) -> tuple[list[Any], list[str]]:
    with serving(chain) as server:
        chain.url = server.url
        client = bench.client(server.url)
        pages = client.pages(f"{server.url}{chain.targets[0]}", prefer=["p"], parse=parse_page)
        rows = [row for page in pages for row in page.rows]
    assert all(request.headers["prefer"] == "p" for request in server.received)
    return rows, targets(server)


def test_next_links_are_followed_byte_for_byte(bench: Bench) -> None:
    path = "/api/data/v9.2/accounts?$select=name"
    chain = Chain(path, f"{path}&{cookie(2, 'A')}", f"{path}&{cookie(3, 'B')}")
    rows, asked = read(chain, bench)
    assert rows == [0, 1, 2]
    assert asked == list(chain.targets)


@pytest.mark.parametrize(
    "query",
    [
        "$filter=name%20eq%20'A%26B%2BC'&$skiptoken=2",
        "$skiptoken=%253c%2520%252f",
        "$deltatoken=919042%2108%2F22%2F2017%2008%3A10%3A44",
        "$filter=contains(name,'%25')&x=a+b",
        "fetchXml=%3Cfetch%3E",
        "$skiptoken=~-._!$'()*,;:@/?",
    ],
)
def test_links_that_stay_byte_for_byte(bench: Bench, query: str) -> None:
    chain = Chain("/api/data/v9.2/a", f"/api/data/v9.2/a?{query}")
    assert read(chain, bench)[1] == list(chain.targets)


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ("?$deltatoken=1%2108%2f22", "?$deltatoken=1%2108%2F22"),
        ("?$filter=a eq 'b'", "?$filter=a%20eq%20'b'"),
        ("?$filter=a eq '100%'&$skiptoken=%253c", "?$filter=a%20eq%20'100%25'&$skiptoken=%253c"),
        ("?$filter=a eq 'C#'&b=c", "?$filter=a%20eq%20'C%23'&b=c"),
        ("?$filter=a eq 'ä'", "?$filter=a%20eq%20'%C3%A4'"),
    ],
)
def test_links_that_mean_the_same_on_the_wire(bench: Bench, given: str, sent: str) -> None:
    with serving(script(EMPTY)) as server:
        client = bench.client(server.url)
        client.get(f"{server.url}/a{given}", parse=len)
    assert targets(server) == [f"/a{sent}"]


def test_pages_are_fetched_one_at_a_time(bench: Bench) -> None:
    chain = Chain("/a", "/a?$skiptoken=2")
    with serving(chain) as server:
        chain.url = server.url
        pages = bench.client(server.url).pages(f"{server.url}/a", parse=parse_page)
        assert server.received == []
        next(pages)
        assert len(server.received) == 1


def test_a_page_in_the_middle_is_tried_again(bench: Bench) -> None:
    with serving(lambda request: answers(request)) as server:
        answers = script(
            linked(server.url, "/b", [1]),
            HTML_503,
            Answer(401),
            linked(server.url, "/c", [2]),
            EMPTY,
        )
        pages = bench.client(server.url).pages(f"{server.url}/a", parse=parse_page)
        assert [row for page in pages for row in page.rows] == [1, 2]
    assert targets(server) == ["/a", "/b", "/b", "/b", "/c"]


@pytest.mark.parametrize(
    "link",
    [
        "https://evil.example/a",
        "http://127.0.0.1.evil.example/a",
        "http://127.0.0.1:1/a",
        "/a?$skiptoken=2",
        "",
    ],
)
def test_links_elsewhere(bench: Bench, link: str) -> None:
    with serving(script(linked("", link, [1]))) as server:
        pages = bench.client(server.url).pages(f"{server.url}/a", parse=parse_page)
        assert next(pages).rows == [1]
        with pytest.raises(ProtocolError, match="another host"):
            next(pages)
    assert len(server.received) == 1


def test_a_link_that_comes_again(bench: Bench) -> None:
    chain = Chain("/a", "/a?$skiptoken=2", "/a?$skiptoken=3", "/a?$skiptoken=2")
    with pytest.raises(ProtocolError, match="in a circle"):
        read(chain, bench)


def test_a_link_to_itself(bench: Bench) -> None:
    with pytest.raises(ProtocolError, match="in a circle"):
        read(Chain("/a", "/a"), bench)


def test_a_paging_cookie_that_stands_still(bench: Bench) -> None:
    chain = Chain("/a", f"/a?{cookie(2, 'A')}", f"/a?{cookie(3, 'A')}", f"/a?{cookie(4, 'A')}")
    with pytest.raises(ProtocolError, match="in a circle"):
        read(chain, bench)


def test_a_chain_that_starts_in_the_middle_is_guarded_too(bench: Bench) -> None:
    chain = Chain(f"/a?{cookie(2, 'A')}", f"/a?{cookie(3, 'A')}")
    with pytest.raises(ProtocolError, match="in a circle"):
        read(chain, bench)


def test_a_link_back_to_a_page_that_was_read_before(bench: Bench) -> None:
    for one, other in (("/a", "/a"), (f"/a?{cookie(2, 'A')}", f"/a?{cookie(3, 'A')}")):
        with serving(script(linked("", "/b", [1]))) as server:
            url, before = f"{server.url}{other}", f"{server.url}{one}"
            pages = bench.client(server.url).pages(url, parse=parse_page, before=before)
            with pytest.raises(ProtocolError, match="in a circle"):
                next(pages)
        assert not server.received


def test_simple_paging_has_no_cookie_to_watch(bench: Bench) -> None:
    tokens = [
        f"/a?$skiptoken=%3Ccookie%20pagenumber=%22{n}%22%20pagingcookie=%22%22%20/%3E"
        for n in (2, 3, 4)
    ]
    assert read(Chain("/a", *tokens), bench)[0] == [0, 1, 2, 3]


def test_errors_of_the_parser_get_address_and_request_id(bench: Bench) -> None:
    def parse(_: bytes) -> Page:
        raise ProtocolError("The page has no rows")

    with serving(script(json_answer({}, x_ms_service_request_id="a-1"))) as server:
        client = bench.client(server.url)
        with pytest.raises(ProtocolError) as caught:
            client.get("accounts", parse=parse)
    assert caught.value.where == f"{server.url}/api/data/v9.2/accounts"
    assert caught.value.request_id == "a-1"
    assert bench.waits == []


def test_an_answer_that_is_no_object(bench: Bench) -> None:
    with (
        serving(script(Answer(body=b"[1]"))) as server,
        pytest.raises(ProtocolError, match="no object"),
    ):
        bench.client(server.url).get_json("x")
