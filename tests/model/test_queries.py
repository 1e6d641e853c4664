"""Random rows and random queries: what is read equals the same query in Python, whatever the pages.

The sandbox is that of the histories. Values repeat on purpose, so that pages end between rows that
are equal in all that a query shows.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dataverse_source.config.checks import make_settings
from dataverse_source.loading.table_reading import open_table
from dataverse_source.sandbox.switches import Switches
from dataverse_source.sync.read.workers import WorkerPool
from tests.model.world import connection_with, the_world

NAMES = st.sampled_from(["a", "A", "b", "ä", None])
ACCOUNTS = st.lists(
    st.tuples(NAMES, st.sampled_from([None, "1", "1.5"]), st.sampled_from([None, 1, 2])), max_size=7
)
CONTACTS = st.lists(st.tuples(NAMES, st.one_of(st.none(), st.integers(0, 6))), max_size=9)
KINDS = ("one_inner", "one_outer", "many_inner", "many_outer", "distinct", "groups", "all", "top")
COLUMNS = '<attribute name="name"/><attribute name="revenue"/>'
ACCOUNT = '<attribute name="name" alias="n"/><attribute name="revenue"/>'


def link(name: str, from_: str, to: str, kind: str, inner: str) -> str:
    return (
        f'<link-entity name="{name}" from="{from_}" to="{to}" alias="x" link-type="{kind}">'
        f"{inner}</link-entity>"
    )


def text_of(kind: str) -> str:
    """The FetchXML of a kind of query."""
    how = kind.partition("_")[2]
    if kind.startswith("one"):
        inner = link("account", "accountid", "parentcustomerid", how, ACCOUNT)
        return f'<fetch><entity name="contact"><attribute name="lastname"/>{inner}</entity></fetch>'
    if kind.startswith("many"):
        inner = link(
            "contact", "parentcustomerid", "accountid", how, '<attribute name="lastname"/>'
        )
        return f'<fetch><entity name="account">{COLUMNS}{inner}</entity></fetch>'
    if kind == "distinct":
        return f'<fetch distinct="1"><entity name="account">{COLUMNS}</entity></fetch>'
    if kind == "groups":
        inner = (
            '<attribute name="industrycode" alias="i" groupby="true"/>'
            '<attribute name="revenue" alias="total" aggregate="sum"/>'
            '<attribute name="accountid" alias="n" aggregate="count"/>'
        )
        return f'<fetch aggregate="true"><entity name="account">{inner}</entity></fetch>'
    top = ' top="3"' if kind == "top" else ""
    order = '<order attribute="name"/>'
    return f'<fetch{top}><entity name="account">{COLUMNS}{order}</entity></fetch>'


def expected(kind: str, accounts: list[dict[str, Any]], contacts: list[dict[str, Any]]) -> Any:
    """What the query has to return: (columns, rows)."""
    by_key = {row["accountid"]: row for row in accounts}
    nobody: dict[str, Any] = {}
    if kind.startswith("one"):
        pairs = [(row, by_key.get(row["parentcustomerid"], nobody)) for row in contacts]
        pairs = [one for one in pairs if one[1] or kind.endswith("outer")]
        return ("contactid", "lastname", "n", "x_revenue"), [
            (row["contactid"], row["lastname"], other.get("name"), other.get("revenue"))
            for row, other in pairs
        ]
    if kind.startswith("many"):
        below = defaultdict(list)
        for row in contacts:
            below[row["parentcustomerid"]].append(row["lastname"])
        found = []
        for row in accounts:
            others = below.get(row["accountid"], [None] if kind.endswith("outer") else [])
            found += [(row["name"], row["revenue"], other) for other in others]
        return ("name", "revenue", "x_lastname"), found
    if kind == "distinct":
        folded = {(_folded(row["name"]), row["revenue"]) for row in accounts}
        return ("name", "revenue"), list(folded)
    if kind == "groups":
        groups = defaultdict(list)
        for row in accounts:
            groups[row["industrycode"]].append(row["revenue"])
        return ("i", "n", "total"), [
            (industry, len(some), _sum([one for one in some if one is not None]))
            for industry, some in groups.items()
        ]
    return ("accountid", "name", "revenue"), [
        (row["accountid"], row["name"], row["revenue"]) for row in accounts
    ]


def _sum(values: list[Any]) -> Decimal | None:
    return sum(map(Decimal, values)) if values else None  # type: ignore[return-value]


def _folded(text: str | None) -> str | None:
    return None if text is None else text.casefold()


@settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
@given(
    accounts=ACCOUNTS,
    contacts=CONTACTS,
    kind=st.sampled_from(KINDS),
    page_size=st.sampled_from([1, 2, 3, 5000]),
    last=st.sampled_from(["absent", "false_and_cookie"]),
    parallel=st.booleans(),
)
def test_a_query_equals_the_same_query_in_python(
    accounts: list[Any],
    contacts: list[Any],
    kind: str,
    page_size: int,
    last: Any,
    parallel: bool,
) -> None:
    world = the_world()
    world.begin()
    store = world.sandbox.store
    world.sandbox.switches = Switches(last_fetchxml_page=last)
    keys = [
        store.create("account", {"name": name, "revenue": revenue, "industrycode": industry})
        for name, revenue, industry in accounts
    ]
    for name, parent in contacts:
        owner = keys[parent] if parent is not None and parent < len(keys) else None
        store.create("contact", {"lastname": name, "parentcustomerid": owner})
    made = make_settings(
        environment_url=world.sandbox.environment_url,
        ca_bundle=world.sandbox.ca_bundle,
        queries={"q": {"fetchxml": text_of(kind), "page_size": page_size}},
    )
    reader: Any = open_table(connection_with(made), "q")
    batches = reader.rows_of_query(WorkerPool()) if parallel else reader.batches()
    found = [row for rows in batches for row in rows.to_pylist()]
    names, rows = expected(kind, store.rows("account"), store.rows("contact"))
    shown = Counter(
        tuple(
            _folded(row[name]) if kind == "distinct" and name == "name" else row[name]
            for name in names
        )
        for row in found
    )
    if kind == "top":
        assert sum(shown.values()) == min(3, len(rows))
        assert shown <= Counter(rows)
    else:
        assert shown == Counter(rows)
