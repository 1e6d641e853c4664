"""Random histories: a careful reader ends with the right rows under every switch."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from dataverse_source.sandbox.http.messages import DataverseFault
from dataverse_source.sandbox.schema.tables import Column, Schema
from dataverse_source.sandbox.switches import Switches
from tests.support.sandbox.reading import ROOT, Reading, small_schema
from tests.support.sandbox.tracked import CarefulReader

TRACKING = {
    "first_delta_link": ("last_page_version_order", "last_page_key_order", "first_page"),
    "delta_chain": ("as_first_sync", "snapshot"),
    "tracked_next_link": (
        "skiptoken_tracking_true",
        "skiptoken_tracking_false",
        "deltatoken_and_skiptoken",
    ),
    "delta_link_pages": ("last_only", "every_page"),
    "delta_select": ("accepted", "ignored", "refused"),
    "delta_prefer": ("optional", "required"),
    "expired_delta": ("400", "410", "412", "500", "full_result"),
    "schema_change_expires": ("any", "alter_or_delete", "never"),
    "version_commit_order": ("tokens_guarded", "unguarded"),
    "cascade_tombstones": ("all", "parent_only"),
    "reappearing_row": ("delete_then_row", "row_only"),
}
SWITCHES = st.fixed_dictionaries({n: st.sampled_from(values) for n, values in TRACKING.items()})
NAMES = st.integers(0, 99).map(str)
KEY = "new_widgetid"
BEGINNING = datetime(2026, 1, 1, tzinfo=timezone.utc)


class Histories(RuleBasedStateMachine):
    """Rows change while a reader goes from page to page."""

    def __init__(self) -> None:
        super().__init__()
        self.side = Reading(small_schema("Cascade"))
        # A history has to be the same one each time it is told: its clock moves by requests only.
        self.side.clock.freeze()
        self.side.clock.set(BEGINNING)
        self.store = self.side.store
        self.gone: list[str] = []
        self.reserved: list[tuple[int, int]] = []
        self.syncs = 0
        self.columns = 0
        self.eventful = False
        """Whether tokens may expire, which makes the reader begin anew."""
        self.under_way: Iterator[None] | None = None
        self.reader = CarefulReader(
            self.get, self.side.clock, "new_widgets", KEY, "new_name,versionnumber"
        )

    def teardown(self) -> None:
        try:
            self.compare()
        finally:
            self.side.store.close()

    def get(self, url: str, prefer: str) -> tuple[int, Any]:
        self.side.clock.advance(0.3)
        try:
            answer = self.side.ask(unquoted(url), prefer)
        except DataverseFault as fault:
            answer = fault.response()
        return answer.status, json.loads(answer.body)

    @property
    def keys(self) -> list[str]:
        return [row[KEY] for row in self.store.rows("new_widget")]

    @property
    def makers(self) -> list[str]:
        return [row["new_makerid"] for row in self.store.rows("new_maker")]

    @initialize(switches=SWITCHES, rows=st.integers(0, 9), eventful=st.booleans())
    def begin(self, switches: dict[str, Any], rows: int, eventful: bool) -> None:
        self.eventful = eventful
        self.side.environment.switches = Switches(**switches)
        makers = [self.store.create("new_maker", {"new_name": str(n)}) for n in range(2)]
        for number in range(rows):
            maker = makers[number % 2] if number % 3 else None
            self.store.create("new_widget", {"new_name": str(number), "new_makerid": maker})

    @rule(name=NAMES, choice=st.integers(0, 9))
    def create(self, name: str, choice: int) -> None:
        maker = self.makers[choice % len(self.makers)] if self.makers and choice > 4 else None
        self.store.create("new_widget", {"new_name": name, "new_makerid": maker})

    @precondition(lambda self: self.keys)
    @rule(choice=st.integers(0, 99), name=NAMES)
    def update(self, choice: int, name: str) -> None:
        key = self.keys[choice % len(self.keys)]
        self.store.update("new_widget", key, {"new_name": name}, touch=choice % 2 == 0)

    @precondition(lambda self: self.keys)
    @rule(choice=st.integers(0, 99), in_bulk=st.booleans())
    def delete(self, choice: int, in_bulk: bool) -> None:
        key = self.keys[choice % len(self.keys)]
        self.store.delete("new_widget", key, in_bulk=in_bulk)
        self.gone.append(key)

    @precondition(lambda self: self.makers)
    @rule()
    def delete_by_cascade(self) -> None:
        before = self.keys
        self.store.delete("new_maker", self.makers[0])
        left = set(self.keys)
        self.gone += [key for key in before if key not in left]

    @precondition(lambda self: self.gone)
    @rule(choice=st.integers(0, 99), name=NAMES)
    def reappear(self, choice: int, name: str) -> None:
        key = self.gone.pop(choice % len(self.gone))
        self.store.create("new_widget", {KEY: key, "new_name": name})

    @rule()
    def finish(self) -> None:
        self.compare()

    @rule()
    def take_a_number(self) -> None:
        self.reserved.append((self.syncs, self.store.reserve_version()))

    @precondition(lambda self: self.reserved)
    @rule(name=NAMES, choice=st.integers(0, 9))
    def write_late(self, name: str, choice: int) -> None:
        _, version = self.reserved.pop(0)
        if self.keys and choice > 4:
            self.store.update(
                "new_widget", self.keys[choice % len(self.keys)], {"new_name": name},
                version=version,
            )  # fmt: skip
        else:
            self.store.create("new_widget", {"new_name": name}, version=version)

    @precondition(lambda self: self.eventful)
    @rule(alter=st.booleans())
    def change_the_schema(self, alter: bool) -> None:
        self.columns += 1
        schema = self.store.schema
        table = schema.by_logical_name["new_widget"]
        if alter:
            changed = replace(table, display_name=f"Widget {self.columns}")
        else:
            added = Column(f"new_added{self.columns}", "String")
            changed = replace(table, columns=(*table.columns, added))
        others = tuple(each for each in schema.tables if each is not table)
        self.store.change_schema(Schema((changed, *others), schema.one_to_many))

    @precondition(lambda self: self.eventful and self.under_way is None)
    @rule(hours=st.sampled_from([1, 24, 200]))
    def wait(self, hours: int) -> None:
        self.side.clock.advance(hours * 3600)

    @rule(steps=st.integers(1, 3))
    def read_on(self, steps: int) -> None:
        if self.under_way is None:
            self._begin_sync()
        for _ in range(steps):
            if self.under_way is not None and next(self.under_way, self) is self:
                self.under_way = None

    def compare(self) -> None:
        """Lets the reader come to an end, and once more without changes meanwhile."""
        for _ in self.under_way or ():
            pass
        while self.reserved:
            self.write_late("late", 0)
        self._begin_sync()
        for _ in self.under_way or ():
            pass
        self.under_way = None
        found = {
            key: (row["new_name"], row["versionnumber"]) for key, row in self.reader.rows.items()
        }
        assert found == {
            row[KEY]: (row["new_name"], row["versionnumber"])
            for row in self.store.rows("new_widget")
        }

    def _begin_sync(self) -> None:
        # No transaction lasts longer than from one sync to the next.
        while self.reserved and self.reserved[0][0] < self.syncs:
            self.write_late("late", 9)
        self.syncs += 1
        silent = self.side.environment.switches.cascade_tombstones == "parent_only"
        self.under_way = self.reader.sync(sweep=silent)


def unquoted(url: str) -> str:
    """A link as ``Reading.ask`` takes it: relative."""
    return url[len(ROOT) :] if url.startswith(ROOT) else url


TestHistories = Histories.TestCase
TestHistories.settings = settings(max_examples=100, stateful_step_count=40)
