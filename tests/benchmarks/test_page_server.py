from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.page_server import PageSandbox
from benchmarks.plain import signed_in
from benchmarks.rows import FIRST_VERSION, LOOKUPS, columns, created, key

ROWS = 990
Ask = Any


@pytest.fixture(scope="module")
def ask(made: Path) -> Iterator[Ask]:
    """Asks for accounts; answers the JSON of one page."""
    with PageSandbox(made, ROWS) as sandbox:
        session = signed_in(sandbox.connection)
        root = f"{sandbox.environment_url}/api/data/v9.2"

        def once(url: str = "accounts", prefer: str = "odata.maxpagesize=300") -> Any:
            url = url if url.startswith("https://") else f"{root}/{url}"
            answer = session.get(url, headers={"Prefer": prefer}, timeout=60)
            assert answer.status_code in (200, 501), answer.text
            return answer.json()

        yield once
        session.close()


def chain(ask: Ask, url: str = "accounts", prefer: str = "odata.maxpagesize=300") -> list[Any]:
    """The keys of all pages, and the last page."""
    page, keys = ask(url, prefer), []
    while True:
        keys += [row["accountid"] for row in page["value"]]
        if "@odata.nextLink" not in page:
            return [keys, page]
        page = ask(page["@odata.nextLink"], prefer)


def test_a_chain_gives_every_row_once(ask: Ask) -> None:
    expected = [key(number) for number in range(ROWS)]
    assert chain(ask)[0] == expected
    assert chain(ask, f"accounts?$select={','.join(columns())}")[0] == expected
    assert chain(ask, "accounts?$select=accountid&$orderby=createdon,accountid")[0] == expected


def test_annotations_come_when_they_are_asked_for(ask: Ask) -> None:
    named = "_ownerid_value@Microsoft.Dynamics.CRM.lookuplogicalname"
    assert named not in ask()["value"][0]
    assert named in ask("accounts", f"odata.maxpagesize=5,{LOOKUPS}")["value"][0]


@pytest.mark.parametrize(("first", "last"), [(0, 990), (3, 8), (250, 500), (77, 777), (5, 5)])
def test_a_range_of_time_gives_its_rows(ask: Ask, first: int, last: int) -> None:
    start, end = (created(number).strftime("%Y-%m-%dT%H:%M:%SZ") for number in (first, last))
    filtered = f"accounts?$filter=(createdon ge {start}) and (createdon lt {end})"
    expected = [key(number) for number in range(first, last)]
    assert chain(ask, filtered + "&$orderby=createdon")[0] == expected
    exactly = f"accounts?$filter=createdon gt {start} and createdon le {end}"
    assert chain(ask, exactly)[0] == [key(n) for n in range(first + 1, min(last + 1, ROWS))]


def test_ends_of_the_table(ask: Ask) -> None:
    last = ask("accounts?$select=accountid&$orderby=createdon desc&$top=1")["value"]
    assert [row["accountid"] for row in last] == [key(ROWS - 1)]
    version = ask("accounts?$select=versionnumber&$orderby=versionnumber desc&$top=1")["value"]
    assert [row["versionnumber"] for row in version] == [FIRST_VERSION + ROWS - 1]
    newer = ask(f"accounts?$filter=versionnumber gt {FIRST_VERSION + 987}")["value"]
    assert [row["accountid"] for row in newer] == [key(988), key(989)]
    first = ask("accounts?$orderby=createdon&$top=3")["value"]
    assert [row["accountid"] for row in first] == [key(number) for number in range(3)]
    assert ask("accounts?$filter=createdon eq null")["value"] == []


def test_a_tracked_chain_ends_with_a_delta_link(ask: Ask) -> None:
    keys, page = chain(ask, "accounts?$select=accountid", "odata.track-changes")
    assert len(keys) == ROWS
    delta = ask(page["@odata.deltaLink"], "odata.track-changes")
    assert delta["value"] == []
    assert "@odata.deltaLink" in delta


@pytest.mark.parametrize(
    "query", ["$select=name", "$filter=name eq 'a'", "$orderby=name", "$orderby=createdon desc"]
)
def test_what_pages_can_not_answer_is_refused(ask: Ask, query: str) -> None:
    assert "Prerendered pages can't answer" in ask(f"accounts?{query}")["error"]["message"]


def test_other_tables_are_the_sandbox_s(ask: Ask) -> None:
    assert ask("systemusers?$select=systemuserid&$top=1")["value"]
    counts = ask("RetrieveTotalRecordCount(EntityNames=['account'])")
    assert counts["EntityRecordCountCollection"]["Values"] == [ROWS]
