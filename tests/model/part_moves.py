"""Loads in parts in random histories: plans, workers that come twice, late or never, finishes."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import rule

from dataverse_source.errors import DataverseError
from dataverse_source.loading.parts.finishing import landed_rows_of
from dataverse_source.loading.parts.landing import Landing
from dataverse_source.loading.parts.load_plan import LoadPlan, load_plan
from dataverse_source.loading.parts.making import Wish, make_load_plan
from dataverse_source.loading.parts.opened import OpenedTable, open_table
from dataverse_source.loading.parts.reading import manifest_name, read_part_of
from dataverse_source.loading.run_context import EVERY_TABLE
from dataverse_source.sync.context import Landed
from tests.model.life import CHANGE
from tests.model.memory import State
from tests.model.scenes import SELECTED
from tests.model.schedule import Killed, Schedule
from tests.model.world import connection_with
from tests.model.world_moves import NUMBER, WorldMoves

LANDING = "memory://landing"


class PartMoves(WorldMoves):
    """Rules that load tables in parts.

    Attributes:
        plans: those that were finished.
    """

    def __init__(self) -> None:
        super().__init__()
        self.plans: list[LoadPlan] = []

    def _change(self, table: str, change: str, number: int) -> None:
        raise NotImplementedError

    def _remodel(self, change: str, at: int, number: int, kind: str) -> None:
        raise NotImplementedError

    @rule(
        at=NUMBER,
        parts=st.integers(1, 4),
        order=st.lists(NUMBER, max_size=4),
        changes=st.lists(CHANGE, max_size=4),
        reset=st.booleans(),
        old=st.sampled_from([False, False, False, True]),
        remodelling=st.sampled_from([None, None, None, "add_column", "retype_column"]),
        days=st.sampled_from([0, 0, 0, 0, 0.1, 40]),
        kill_at=st.none() | st.integers(0, 8),
    )
    def load_in_parts(
        self,
        at: int,
        parts: int,
        order: list[int],
        changes: list[tuple[str, int]],
        reset: bool,
        old: bool,
        remodelling: str | None,
        days: float,
        kill_at: int | None,
    ) -> None:
        """A plan, parts in any order and more than once, rows that change meanwhile, a finish.

        A finish may be killed, and is then tried again, as its scheduler does; a plan may be an old
        one, a column may be added and the delta link may expire between plan and finish.
        """
        name = self._divisible(at)
        if name is None:
            return
        if reset:
            self._reset(name)
        plan = self.plans[-1] if old and self.plans else self._planned(name, parts)
        if plan is None:
            return
        numbers = range(len(plan.parts))
        table = plan.logical_name
        for number in [*(one % len(numbers) for one in order if numbers), *numbers]:
            for change, row in changes:
                self._change(table, change, row + number)
            self._read_part(plan, number)
        if order and numbers:  # a worker was killed before its manifest was written
            Landing(plan.landing).remove(manifest_name(order[0] % len(numbers)))
            self._read_part(plan, order[0] % len(numbers))
        if remodelling:
            self._remodel(remodelling, at, at, "String")
        if days:
            self.life.wait(days * 24)
        if kill_at is not None:
            with suppress(Killed, DataverseError):
                self.run_once(kill_at, self._landed(plan))
        self.run(self._landed(plan))
        if at % 2:
            self.run(self._landed(plan))  # finished once more
        if plan.parts:
            self.plans.append(plan)

    def _landed(self, plan: LoadPlan) -> Any:
        """What finds a plan's rows, as `finish_load` does."""

        def find(schedule: Schedule, moved: dict[str, str]) -> dict[str, Landed]:
            def opened() -> OpenedTable:
                return self._opened(plan.logical_name, schedule.state, moved)

            try:
                found = landed_rows_of(plan, self._connected(), opened)
            except DataverseError:  # it says why; an ordinary run is right
                return {}
            return {plan.logical_name: found} if found else {}

        return find

    def _planned(self, name: str, parts: int) -> LoadPlan | None:
        with suppress(DataverseError):
            connection = self._connected()
            opened = self._opened(name, self.schedules[self.turn].state, {})
            plan = make_load_plan(opened, connection, lambda: LANDING, Wish(parts))
            return load_plan(json.dumps(plan.to_json()))
        return None

    def _divisible(self, at: int) -> str | None:
        """A table that can be divided; None if the scene has none."""
        found = []
        for name, shown in self.read.tables(self.sandbox.store.schema).items():
            columns = self.sandbox.store.schema.by_logical_name[name].by_name
            selects = shown in SELECTED and self.per_table.get(shown, {}).get("select")
            if {"createdon", "versionnumber"} <= columns.keys() and not selects:
                found.append(name)
        return sorted(found)[at % len(found)] if found else None

    def _reset(self, name: str) -> None:
        """`dataverse-source reset` forgets the table."""
        for state in (self.destination.state, *(one.state for one in self.schedules)):
            for resource in state.values():
                resource.get("tables", {}).pop(name, None)

    def _read_part(self, plan: LoadPlan, number: int) -> None:
        with suppress(DataverseError):
            read_part_of(plan, number, self._connected())

    def _connected(self) -> Any:
        self.world.connection.metadata.refresh()
        self.world.new_process()
        return connection_with(self.settings)

    def _opened(self, table: str, states: State, moved: dict[str, str]) -> OpenedTable:
        return open_table(
            connection_with(self.settings),
            table,
            states,
            lambda name: moved.get(name) or moved.get(EVERY_TABLE),
        )
