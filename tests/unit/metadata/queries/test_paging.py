"""What a page of FetchXML says about the next one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dataverse_source.errors import MalformedBodyError, ProtocolError
from dataverse_source.metadata.queries.paging import (
    COOKIE,
    MORE,
    Chain,
    PageBody,
    Place,
    split,
    text_of,
)
from dataverse_source.metadata.queries.xml import Source, parse
from tests.support.places import ROOT
from tests.unit.metadata.queries.compiling import entity, query

EXCHANGES = ROOT / "tests" / "fixtures" / "microsoft-docs" / "exchanges.jsonl"
ROWS = [{"name": 'a "value":[] b', "n": 1}, {"name": "]}"}]


def printed_pages() -> list[str]:
    """The answers to FetchXML that Microsoft's docs print."""
    lines = Path(EXCHANGES).read_text(encoding="utf-8").splitlines()
    found = [json.loads(line) for line in lines if "fetchXml=" in line]
    return [one["response"]["body_text"] for one in found if one["response"]["status"] == 200]


def test_the_pages_that_the_docs_print() -> None:
    pages = printed_pages()
    assert len(pages) >= 6
    told = []
    for text in pages:
        found = split(text.encode())
        assert json.loads(found.rows)["value"] == json.loads(text)["value"]
        told.append((found.more, found.cookie))
    cookies = [cookie for more, cookie in told if more and cookie]
    assert cookies
    assert all(one.startswith('<cookie page="') and " last=" in one for one in cookies)
    assert any(not more for more, _ in told)


@pytest.mark.parametrize("more", [True, False, "true", "False", None])
@pytest.mark.parametrize("last", [True, False])
def test_members_before_and_after_the_rows(more: object, last: bool) -> None:
    about: dict[str, object] = {
        f"@{COOKIE}": '<cookie pagenumber="2" pagingcookie="%253ccookie%253e" />'
    }
    about |= {} if more is None else {f"@{MORE}": more}
    members = {"value": ROWS, **about} if last else {**about, "value": ROWS}
    for spaced in (None, 1):
        found = split(json.dumps(members, indent=spaced).encode())
        assert json.loads(found.rows)["value"] == ROWS
        assert found.more is (str(more).lower() == "true")
        assert found.cookie == "<cookie>"


def test_what_is_no_page() -> None:
    with pytest.raises(MalformedBodyError):
        split(b'{"value":[{"a":1')
    with pytest.raises(MalformedBodyError):
        split(b"")
    with pytest.raises(ProtocolError):
        split(b"[1]")
    with pytest.raises(ProtocolError, match="neither true nor false"):
        split(json.dumps({f"@{MORE}": 3, "value": []}).encode())


def test_the_number_is_ours_and_the_cookie_is_escaped() -> None:
    cookie = '<cookie page="1"><name last="a &amp; \'b\'" first="ä" /></cookie>'
    sent = text_of(query(entity('<attribute name="name"/>')), Place(7, cookie), 100)
    root = parse(sent, Source("q", "here"))
    assert root.attributes == {"count": "100", "page": "7", "paging-cookie": cookie}


def test_a_cookie_that_comes_again() -> None:
    chain = Chain("q")
    place = chain.next(PageBody(b"", True, '<cookie page="1"><a last="1"/></cookie>'), 5)
    assert place == Place(2, '<cookie page="1"><a last="1"/></cookie>', 5)
    with pytest.raises(ProtocolError, match="circle"):
        chain.next(PageBody(b"", True, '<cookie page="2"><a last="1"/></cookie>'), 5)
    assert chain.next(PageBody(b"", False, "anything"), 5) is None


@pytest.mark.parametrize(
    ("archived", "remedy"), [(False, "SELECT DISTINCT"), (True, 'datasource="retained"')]
)
def test_pages_without_a_cookie_end_at_50_000_rows(archived: bool, remedy: str) -> None:
    chain = Chain("q", archived=archived)
    for _ in range(9):
        assert chain.next(PageBody(b"", True, None), 5000)
    with pytest.raises(ProtocolError, match="50,000") as caught:
        chain.next(PageBody(b"", True, None), 5000)
    assert remedy in str(caught.value.remedy)
