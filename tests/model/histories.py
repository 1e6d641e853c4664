"""Random histories of an environment and of a pipeline that follows it.

Rows, columns, tokens, privileges, switches, faults and interruptions change in any order; after
every run that ends well every cell of the destination is that of the sandbox.
"""

from __future__ import annotations

import functools
from datetime import datetime, timezone
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    rule,
    run_state_machine_as_test,
)

from dataverse_source.connection import Connection
from dataverse_source.credentials import DataverseCredentials
from dataverse_source.errors import DataverseError
from dataverse_source.sandbox import Sandbox, schema_changes
from dataverse_source.sandbox.faults import Fault
from dataverse_source.sandbox.switches import Switches
from dataverse_source.sandbox.tables import Column
from dataverse_source.settings import make_settings
from tests.comparing import same, sandbox_rows
from tests.model.memory import Killed, MemoryDestination, Schedule

NAMES = ["accounts", "contacts", "accountleadscollection"]
SWITCHES: dict[str, list[str]] = {
    "first_delta_link": ["last_page_version_order", "last_page_key_order", "first_page"],
    "delta_chain": ["as_first_sync", "snapshot"],
    "tracked_next_link": [
        "skiptoken_tracking_true",
        "skiptoken_tracking_false",
        "deltatoken_and_skiptoken",
    ],
    "delta_link_pages": ["last_only", "every_page"],
    "delta_select": ["accepted", "ignored", "refused"],
    "delta_prefer": ["optional", "required"],
    "expired_delta": ["400", "410", "412", "500", "full_result"],
    "garbled_delta": ["0x80040203", "0x80044352"],
    "schema_change_expires": ["any", "alter_or_delete", "never"],
    "tracking_privilege_code": ["0x80040220", "0x80048306"],
    "modified_on_resolution": ["second", "hidden_milliseconds", "fraction_refused"],
    "guid_comparison": ["sql_order", "text_order", "refused"],
    "throttle_form": ["json_seconds", "json_decimal_seconds", "json_no_header", "html"],
    "skiptoken_expiry": ["never", "0x80041129", "0x8004112A"],
    "cascade_tombstones": ["all", "parent_only"],
    "reappearing_row": ["delete_then_row", "row_only"],
    "secured_columns": ["null", "omitted"],
    "gzip": ["when_asked", "never"],
    "privilege_code": ["0x80040220", "0x80048306"],
}
SWITCH = st.sampled_from([(name, value) for name, values in SWITCHES.items() for value in values])
PASSING = ["html_502", "html_503", "html_504", "throttled", "json_500", "sql_timeout"]
PASSING += ["sign_in_page", "empty_body", "reset", "truncated", "truncated_gzip"]
LASTING = ["no_value", "foreign_next_link", "repeated_next_link", "redirect"]
TABLES = st.sampled_from(["account", "contact"])
NAME = {"account": "name", "contact": "lastname"}


@functools.lru_cache(maxsize=1)
def running_sandbox() -> Sandbox:
    """One for all histories of a process."""
    return Sandbox(rows={}, seed=1).start()


@functools.lru_cache(maxsize=1)
def shared_connection() -> Connection:
    """Signed in once; it never waits before another try."""
    sandbox = running_sandbox()
    credentials = DataverseCredentials()
    for name in ("tenant_id", "client_id", "client_secret", "authority_host"):
        setattr(credentials, name, getattr(sandbox, name))
    made = make_settings(
        environment_url=sandbox.environment_url, tables=NAMES, ca_bundle=sandbox.ca_bundle
    )
    connection = Connection(made, credentials)
    connection.client._pause = lambda seconds: None
    return connection


class Histories(RuleBasedStateMachine):
    """One history after the other, all in the same sandbox, each begun with empty tables."""

    def __init__(self) -> None:
        super().__init__()
        self.sandbox = running_sandbox()
        self.schema = self.sandbox.store.schema
        self.destination = MemoryDestination()
        self.schedules = [Schedule(self.destination), Schedule(self.destination)]
        self.turn = 0
        self.dead: list[str] = []
        self.columns = 0

    @initialize(
        page_size=st.sampled_from([1, 2, 3, 5000]),
        limit=st.sampled_from([None, None, 1, 3]),
        deletes=st.sampled_from(["remove", "keep"]),
        sweeps=st.booleans(),
        rows=st.integers(0, 7),
    )
    def begin(
        self, page_size: int, limit: int | None, deletes: str, sweeps: bool, rows: int
    ) -> None:
        self.sandbox.switches = Switches()
        self.sandbox.users.change(self.sandbox.client_id, organization_read=True)
        self.sandbox.hooks.clear()
        self.sandbox.faults.clear()
        self.sweeps = sweeps
        self.keeps = deletes == "keep"
        given: dict[str, Any] = {"page_size": page_size, "deletes": deletes}
        if limit is not None:
            given["max_rows_per_load"] = limit
        if sweeps:
            given["sweep_interval"] = 0
        self.settings = make_settings(
            environment_url=self.sandbox.environment_url,
            tables=NAMES,
            table_settings={
                "accounts": {"select": ["name", "revenue", "statecode"]},
                "contacts": {"sync": "cursor", "sweep_interval": 0, "select": ["lastname"]},
                "accountleadscollection": {"sweep_interval": 0},
            },
            ca_bundle=self.sandbox.ca_bundle,
            **given,
        )
        for _ in range(rows):
            self.create("account")
            self.create("contact")

    def teardown(self) -> None:
        store = self.sandbox.store
        for fault in (self.sandbox.hooks, self.sandbox.faults):
            fault.clear()
        for table in ("accountleads", "account", "contact", "lead"):
            primary = store.schema.by_logical_name[table].primary_id
            for row in store.rows(table):
                if store.row(table, row[primary]) is not None:
                    store.delete(table, row[primary])
        if store.schema is not self.schema:
            store.change_schema(self.schema)
            shared_connection().metadata.refresh()
        self.sandbox.clock.set(datetime.now(timezone.utc))

    @rule(table=TABLES)
    def create(self, table: str) -> None:
        number = self.sandbox.store.version
        self.sandbox.store.create(table, {NAME[table]: f"Row {number}"})

    @rule(number=st.integers(0, 9))
    def pair(self, number: int) -> None:
        lead = self.sandbox.store.create("lead", {"subject": "Lead"})
        key = self._key("account", number)
        if key is not None:
            self.sandbox.store.create("accountleads", {"accountid": key, "leadid": lead})

    @rule(number=st.integers(0, 9))
    def unpair(self, number: int) -> None:
        key = self._key("accountleads", number)
        if key is not None:
            self.sandbox.store.delete("accountleads", key)

    @rule(table=TABLES, number=st.integers(0, 9))
    def update(self, table: str, number: int) -> None:
        key = self._key(table, number)
        if key is not None:
            text = f"Changed {self.sandbox.store.version}"
            self.sandbox.store.update(table, key, {NAME[table]: text})

    @rule(table=TABLES, number=st.integers(0, 9))
    def delete(self, table: str, number: int) -> None:
        key = self._key(table, number)
        if key is not None:
            self.sandbox.store.delete(table, key)
            if table == "account":
                self.dead.append(key)

    @rule(number=st.integers(0, 9))
    def create_again(self, number: int) -> None:
        if self.dead:
            key = self.dead.pop(number % len(self.dead))
            self.sandbox.store.create("account", {"accountid": key, "name": "Again"})

    @rule()
    def touch_the_schema(self) -> None:
        """A new column, which is not read; it may expire delta links all the same."""
        self.columns += 1
        column = Column(f"new_extra{self.columns}", "String")
        schema = schema_changes.with_column(self.sandbox.store.schema, "account", column)
        self.sandbox.store.change_schema(schema)
        shared_connection().metadata.refresh()

    @rule(hours=st.sampled_from([0.02, 2, 30, 24 * 8]))
    def wait(self, hours: float) -> None:
        self.sandbox.clock.advance(hours * 3600)

    @rule(switch=SWITCH)
    def turn_switch(self, switch: tuple[str, str]) -> None:
        name, value = switch
        if name == "cascade_tombstones" and not self.sweeps:
            return  # such deletes are in no delta; only a comparison of keys finds them
        self.sandbox.switches = self.sandbox.switches.changed(**{name: value})

    @rule(may=st.booleans())
    def change_privilege(self, may: bool) -> None:
        if may or self.sweeps:  # without tracking deletes are found once a day
            self.sandbox.users.change(self.sandbox.client_id, organization_read=may)

    @rule(turn=st.sampled_from([0, 1]))
    def other_schedule(self, turn: int) -> None:
        self.turn = turn

    @rule()
    def lose_the_working_folder(self) -> None:
        self.schedules[self.turn].lose_everything()

    @rule(
        kill_at=st.none() | st.integers(0, 30),
        fault=st.none() | st.sampled_from([*PASSING, *LASTING]),
        skip=st.integers(0, 8),
        meanwhile=st.integers(0, 4),
    )
    def run_interrupted(
        self, kill_at: int | None, fault: str | None, skip: int, meanwhile: int
    ) -> None:
        """A run that may be killed, meets a fault, or reads while rows change."""
        if fault is not None:
            self.sandbox.faults.plan(
                Fault(fault, retry_after=0.0),  # type: ignore[arg-type]
                path=r"/(accounts|contacts|accountleadscollection)\?",
                skip=skip,
            )
        numbers = iter(range(100))

        def change() -> None:
            number = next(numbers)
            self.create("account")
            self.update("account", number)
            self.delete("account", number + 1)
            self.update("contact", number)

        if meanwhile:
            self.sandbox.hooks.on(r"/(accounts|contacts)\?", change, nth=meanwhile, times=3)
        try:
            self.schedules[self.turn].run(self._connection, NAMES, kill_at)
        except (Killed, DataverseError):
            pass
        finally:
            self.sandbox.hooks.clear()
            self.sandbox.faults.clear()

    @rule(
        changes=st.lists(
            st.sampled_from(["create", "update", "delete", "create_again", "pair", "unpair"]),
            max_size=5,
        ),
        table=TABLES,
        number=st.integers(0, 9),
    )
    def change_and_run(self, changes: list[str], table: str, number: int) -> None:
        """Most of what happens between two runs."""
        steps = {
            "create": lambda: self.create(table),
            "update": lambda: self.update(table, number),
            "delete": lambda: self.delete(table, number),
            "create_again": lambda: self.create_again(number),
            "pair": lambda: self.pair(number),
            "unpair": lambda: self.unpair(number),
        }
        for change in changes:
            steps[change]()
        self.run()

    @rule()
    def run(self) -> None:
        """A run that ends well, and then all cells are equal."""
        self.schedules[self.turn].run(self._connection, NAMES)
        for name in NAMES:
            self._compare(name)

    def _compare(self, name: str) -> None:
        table = self.sandbox.store.schema.by_entity_set[name]
        arrived = self.destination.tables.get(name, {})
        columns = set(next(iter(arrived.values()), {}))
        expected = sandbox_rows(self.sandbox, table.logical_name, columns)
        listed = self.destination.tables.get("_dataverse_deletions", {})
        kept = {key for one, key in listed if one == name}
        assert not kept & expected.keys(), f"{name}: listed as gone, but there"
        assert arrived.keys() - kept == expected.keys(), name
        for key, row in expected.items():
            for column, value in row.items():
                there = arrived[key].get(column)
                assert same(there, value), f"{name} {key} {column}: {there!r}, not {value!r}"

    def _key(self, table: str, number: int) -> str | None:
        rows = self.sandbox.store.rows(table)
        primary = self.sandbox.store.schema.by_logical_name[table].primary_id
        return str(rows[number % len(rows)][primary]) if rows else None

    def _connection(self) -> Connection:
        """A connection with the settings of this history, over the client of all of them."""
        connection = Connection(self.settings, None)
        connection._opened = shared_connection()._open()
        return connection


def search(histories: int, *, steps: int) -> None:
    """Looks for a history after which a cell differs.

    Args:
        histories: how many to try.
        steps: the longest one.
    """
    run_state_machine_as_test(
        Histories,
        settings=settings(
            max_examples=histories,
            stateful_step_count=steps,
            deadline=None,
            database=None,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
