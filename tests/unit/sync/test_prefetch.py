"""Pages that are decoded while the next one is fetched; batches of many pages."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, cast

import pyarrow as pa
import pytest

from dataverse_source.arrow.decode import Page
from dataverse_source.client.client import DataverseClient
from dataverse_source.errors import MalformedBodyError, ProtocolError
from dataverse_source.sync.context import DeletedKeys, RowBatch, SyncSteps
from dataverse_source.sync.read.prefetch import PagePrefetch, link_at_the_end
from dataverse_source.sync.read.workers import WorkerPool
from dataverse_source.sync.state import TableState
from dataverse_source.sync.write import batches
from dataverse_source.sync.write.batches import large_batches

NEXT = "@odata.nextLink"


class Bodies:
    """Stands for a client: follows the links of bodies that it has."""

    def __init__(self, bodies: dict[str, bytes]) -> None:
        self.bodies = bodies
        self.asked: list[str] = []

    def get(self, url: str, *, parse: Callable[[bytes], Any], **_: Any) -> Any:
        self.asked.append(url)
        return parse(self.bodies[url])

    def pages(self, url: str, *, parse: Callable[[bytes], Any], **_: Any) -> Iterator[Any]:
        while True:
            page = self.get(url, parse=parse)
            yield page
            if page.next_link is None:
                return
            url = page.next_link


def decode(body: bytes) -> Page:
    try:
        document = json.loads(body)
    except ValueError as error:
        raise MalformedBodyError("not whole") from error
    return Page(pa.table({"id": document["value"]}), document.get(NEXT))


def flow(client: Bodies) -> list[list[str]]:
    pages = PagePrefetch(cast(DataverseClient, client), WorkerPool(), decode).pages("1", [])
    return [page.rows["id"].to_pylist() for page in pages]


def body(values: list[str], link: str | None = None) -> bytes:
    return json.dumps({"value": values} | ({} if link is None else {NEXT: link})).encode()


def test_all_pages_come_in_order() -> None:
    bodies = {str(n): body([f"row {n}"], str(n + 1) if n < 9 else None) for n in range(1, 10)}
    assert flow(Bodies(bodies)) == [[f"row {n}"] for n in range(1, 10)]


def test_a_link_that_does_not_stand_last() -> None:
    first = json.dumps({NEXT: "2", "value": ["a"]}).encode()
    assert flow(Bodies({"1": first, "2": body(["b"])})) == [["a"], ["b"]]


def test_a_page_that_is_broken_in_its_middle_is_asked_for_once_more() -> None:
    client = Bodies({"1": body(["a"], "2"), "2": b'{"value": ["b", ' + body(["b"], "3")[-25:]})
    client.bodies["3"] = body(["c"])
    broken, whole = client.bodies["2"], body(["b"], "3")

    def get(url: str, *, parse: Callable[[bytes], Any], **_: Any) -> Any:
        client.asked.append(url)
        again = url == "2" and client.asked.count("2") > 1
        return parse(whole if again else client.bodies[url])

    client.get = get  # type: ignore[method-assign]
    assert link_at_the_end(broken) == "3"
    assert flow(client) == [["a"], ["b"], ["c"]]
    assert client.asked.count("2") == 2


def test_two_next_links_are_an_error() -> None:
    first = b'{"value": ["a"], "' + NEXT.encode() + b'": "2", "@odata.nextLink": "3"}'

    def first_wins(text: bytes) -> Page:
        pairs = json.loads(text, object_pairs_hook=lambda pairs: dict(reversed(pairs)))
        return Page(pa.table({"id": pairs["value"]}), pairs.get(NEXT))

    client = Bodies({"1": first, "3": body(["b"])})
    with pytest.raises(ProtocolError, match="not the one at its end"):
        list(PagePrefetch(cast(DataverseClient, client), WorkerPool(), first_wins).pages("1", []))


@pytest.mark.parametrize(
    ("text", "link"),
    [
        ('{"value":[],"@odata.nextLink":"https://x/?a=1"}', "https://x/?a=1"),
        ('{"value":[], "@odata.nextLink" : "https://x/\\u0026\\"" }\r\n', 'https://x/&"'),
        ('{"value":[{"a@odata.nextLink":"https://x"}]}', None),
        ('{"value":[{"@odata.nextLink":"https://x"}]}', None),
        ('{"value":[],"x":{"@odata.nextLink":"https://x"}}', None),
        ('{"value":[],"contacts@odata.nextLink":"https://x"}', None),
        ('{"value":["\\",\\"@odata.nextLink\\":\\"https://x"}', None),
        ('{"value":[],"@odata.nextLink":null}', None),
        ('{"value":[],"@odata.nextLink":"https://x"', None),
        ('{"value":[],"@odata.nextLink":"\\ud8"}', None),
        ("", None),
    ],
)
def test_link_at_the_end(text: str, link: str | None) -> None:
    assert link_at_the_end(text.encode()) == link


def table(*keys: str) -> pa.Table:
    return pa.table({"id": list(keys)})


def test_pages_are_joined_up_to_a_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "ROWS_A_BATCH", 3)

    def steps() -> SyncSteps:
        for key in "abcdefg":
            yield RowBatch(table(key), replace=True)
        return TableState(mode="full")

    found = []
    joined = large_batches(steps())
    with pytest.raises(StopIteration) as end:  # noqa: PT012 (the loop ends with it)
        while True:
            found.append(next(joined))
    assert [one.table["id"].to_pylist() for one in found if isinstance(one, RowBatch)] == [
        ["a", "b", "c"],
        ["d", "e", "f"],
        ["g"],
    ]
    assert all(isinstance(one, RowBatch) and one.replace for one in found)
    assert end.value.value == TableState(mode="full")


def test_what_is_gone_keeps_its_place() -> None:
    def steps() -> SyncSteps:
        yield RowBatch(table("a"))
        yield RowBatch(table("b"))
        yield DeletedKeys(pa.array(["c"]))
        yield RowBatch(table())
        return TableState()

    kinds = [(type(one).__name__, len(getattr(one, "table", ()))) for one in large_batches(steps())]
    assert kinds == [("RowBatch", 2), ("DeletedKeys", 0), ("RowBatch", 0)]
