"""Random rows and random queries: what is read equals the same query in Python, whatever the pages.

The sandbox is that of the histories. Values repeat on purpose, so that pages end between rows that
are equal in all that a query shows.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dataverse_source.config.checks import make_settings
from dataverse_source.loading.table_reading import open_table
from dataverse_source.sandbox.switches import Switches
from dataverse_source.sync.read.workers import WorkerPool
from tests.model.query_forms import KINDS, expected, folded, text_of
from tests.model.world import connection_with, the_world

NAMES = st.sampled_from(["a", "A", "b", "ä", None])
ACCOUNTS = st.lists(
    st.tuples(NAMES, st.sampled_from([None, "1", "1.5"]), st.sampled_from([None, 1, 2])), max_size=7
)
CONTACTS = st.lists(st.tuples(NAMES, st.one_of(st.none(), st.integers(0, 6))), max_size=9)


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
            folded(row[name]) if kind == "distinct" and name == "name" else row[name]
            for name in names
        )
        for row in found
    )
    if kind == "top":
        assert sum(shown.values()) == min(3, len(rows))
        assert shown <= Counter(rows)
    else:
        assert shown == Counter(rows)
