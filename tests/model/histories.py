"""Random histories of an environment and of a pipeline that follows it.

Rows, columns, tokens, privileges, switches, faults and interruptions change in any order; after
every run that ends well every cell of the destination is that of the sandbox.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    initialize,
    rule,
    run_state_machine_as_test,
)

from dataverse_source.errors import AccessDeniedError, DataverseError
from dataverse_source.sandbox.api.faults import Fault
from dataverse_source.sandbox.api.limits import LimitSettings
from dataverse_source.sync.read import whole_table
from tests.model.beyond_moves import BEYOND, BeyondMoves
from tests.model.host_clock import HostClock
from tests.model.life import CHANGE, KINDS, LOOKBACK, Life
from tests.model.memory import MemoryDestination
from tests.model.oracle import assert_in_step
from tests.model.scenes import SCENES, SELECTED, Scene
from tests.model.schedule import Killed, Schedule
from tests.model.switchboard import SWITCH, faults
from tests.model.world import connection_with, the_world
from tests.model.world_moves import NUMBER

REMODELLING = st.sampled_from(
    ["add_column", "drop_column", "retype_column", "rename_table", "track", "do_not_track"]
)
REAL_LIMITS = LimitSettings(enforced=True, requests=25, window_seconds=20.0, concurrent=52)
"""Few requests a window: a longer run meets several 429s, and the wait that each one asks for."""

USUAL = (whole_table.SLOW_PAGE_SECONDS, whole_table.FEW_PAGES)
"""Which tables are read by intervals of createdon, side by side."""


class Histories(BeyondMoves):
    """One history after the other, all in the same sandbox, each begun with empty tables."""

    def __init__(self) -> None:
        super().__init__()
        self.world = the_world()
        self.sandbox = self.world.sandbox
        self.world.begin()
        self.life = Life(self.sandbox)
        self.destination = MemoryDestination()
        now = self.sandbox.clock.now
        self.schedules = [Schedule(self.destination, HostClock(now)) for _ in range(2)]
        self.turn = 0
        self.silent_cascades = False
        self.unguarded = False
        self.metadata_version = self.sandbox.store.metadata_version

    @initialize(
        scene=st.sampled_from(SCENES),
        page_size=st.sampled_from([1, 2, 3, 5000]),
        limit=st.sampled_from([None, None, 1, 3]),
        deletes=st.sampled_from(["remove", "remove", "keep"]),
        sweeps=st.sampled_from([None, 0]),
        labels=st.booleans(),
        rows=st.integers(0, 7),
        over_the_wire=st.sampled_from([False, False, False, False, True]),
        side_by_side=st.sampled_from([False, False, True]),
        beyond=BEYOND,
    )
    def begin(
        self,
        scene: Scene,
        page_size: int,
        limit: int | None,
        deletes: str,
        sweeps: int | None,
        labels: bool,
        rows: int,
        over_the_wire: bool,
        side_by_side: bool,
        beyond: frozenset[str] = frozenset(),
    ) -> None:
        self.scene = scene
        if side_by_side:  # however few pages there are, and however quickly they come
            whole_table.SLOW_PAGE_SECONDS, whole_table.FEW_PAGES = 0.0, 0
        self.world.wire.over_the_wire = over_the_wire
        self.given = {"page_size": page_size, "labels": labels, "max_rows_per_load": limit}
        self.given |= {"sweep_interval": sweeps, "deletes": deletes}
        per_table = {name: dict(some) for name, some in scene.settings.items()}
        if "new_*" in scene.names:  # the keys of an elastic table are not compared
            per_table["new_sensorreading"] = {"deletes": "remove"}
        self.per_table = per_table
        self.begin_beyond(beyond, rows + page_size)
        scene = self.scene
        self.configure()
        for number in range(rows):
            for table in dict.fromkeys(scene.changing):
                self.life.create(table, number)

    def teardown(self) -> None:
        whole_table.SLOW_PAGE_SECONDS, whole_table.FEW_PAGES = USUAL
        self.end_beyond()
        self.sandbox.hooks.clear()
        self.sandbox.faults.clear()

    @rule(at=NUMBER, changes=st.lists(CHANGE, max_size=4))
    def change(self, at: int, changes: list[tuple[str, int]]) -> None:
        """Rows change."""
        for offset, (change, number) in enumerate(changes):
            self._change(self._changing(at + offset), change, number)

    @rule(at=NUMBER, changes=st.lists(CHANGE, max_size=4))
    def change_and_run(self, at: int, changes: list[tuple[str, int]]) -> None:
        """Most of what happens between two runs."""
        self.change(at, changes)
        self.run()

    @rule(at=NUMBER, number=NUMBER)
    def begin_late(self, at: int, number: int) -> None:
        self.life.begin_late(self._changing(at), number)

    @rule()
    def end_late(self) -> None:
        self.life.end_late()

    @rule(number=NUMBER)
    def roll_up(self, number: int) -> None:
        self.life.roll_up(number)

    @rule(change=REMODELLING, at=NUMBER, number=NUMBER, kind=st.sampled_from(KINDS))
    def remodel(self, change: str, at: int, number: int, kind: str) -> None:
        """The schema changes."""
        self._remodel(change, at, number, kind)

    @rule(hours=st.sampled_from([0.0003, 0.02, 0.07, 2, 30, 24 * 8]))
    def wait(self, hours: float) -> None:
        self.life.wait(hours)

    @rule(switch=SWITCH)
    def turn_switch(self, switch: tuple[str, str]) -> None:
        name, value = switch
        if name == "masked_columns" and self.readable_columns:
            return  # no environment begins to mask what a profile shows without a rule
        self.silent_cascades |= value == "parent_only"
        self.unguarded |= value == "unguarded"
        self.sandbox.switches = self.sandbox.switches.changed(**{name: value})

    @rule(may=st.booleans())
    def change_tracking_privilege(self, may: bool) -> None:
        self.sandbox.users.change(self.sandbox.client_id, organization_read=may)

    @rule(at=st.none() | NUMBER)
    def change_read_privilege(self, at: int | None) -> None:
        """One table may not be read any more, or all may."""
        hidden = None if at is None else self._changing(at)
        schema = self.sandbox.store.schema
        every = frozenset(one.logical_name for one in schema.tables)
        readable = None if hidden is None else every - {hidden}
        self.sandbox.users.change(self.sandbox.client_id, readable_tables=readable)

    @rule(at=NUMBER)
    def change_read_depth(self, at: int) -> None:
        """The role is narrowed to the user's own rows of a table, or widened to all rows again.

        A run sees it: what it has found out then is all that the next one knows. It happens long
        after the rows have changed, as a lookback would show them again.
        """
        self.life.wait(2)
        user = self.sandbox.users.of_client(self.sandbox.client_id)
        depths = {} if user and user.read_depths else {self._changing(at): "user"}
        self.sandbox.users.change(self.sandbox.client_id, read_depths=depths)
        with suppress(DataverseError):
            self.run_once()

    @rule(limited=st.booleans())
    def enforce_limits(self, limited: bool) -> None:
        self.sandbox.limits.settings = REAL_LIMITS if limited else LimitSettings()

    @rule(turn=st.sampled_from([0, 1]))
    def other_schedule(self, turn: int) -> None:
        self.turn = turn

    @rule(turn=st.sampled_from([0, 1]), days=st.sampled_from([-1, 0, 1]))
    def set_a_clock(self, turn: int, days: int) -> None:
        """The clock of one of the two machines is wrong, or right again."""
        self.schedules[turn].clock.ahead = timedelta(days=days)

    @rule()
    def lose_the_working_folder(self) -> None:
        self.schedules[self.turn].lose_everything()

    @rule(
        kill_at=st.none() | st.integers(0, 30),
        fault=st.none() | faults(),
        nth=st.integers(1, 6),
        meanwhile=st.lists(st.tuples(NUMBER, CHANGE), max_size=5),
        remodelling=st.none() | REMODELLING,
        number=NUMBER,
    )
    def run_interrupted(
        self,
        kill_at: int | None,
        fault: tuple[Fault, str, int, int] | None,
        nth: int,
        meanwhile: list[tuple[int, tuple[str, int]]],
        remodelling: str | None,
        number: int,
    ) -> None:
        """A run that may be killed, meets a fault, or reads while rows and columns change."""
        if fault is not None:
            what, path, skip, times = fault
            self.sandbox.faults.plan(what, path=path, skip=skip, times=times)

        one_at_a_time = threading.Lock()  # tables are read side by side

        def change() -> None:
            with one_at_a_time:
                for at, (name, value) in meanwhile:
                    self._change(self._changing(at), name, value)

        def remodel() -> None:
            with one_at_a_time:
                self._remodel(str(remodelling), number, number, KINDS[number % len(KINDS)])

        if meanwhile:
            self.sandbox.hooks.on(r"/v9\.2/", change, nth=nth, times=3)
        if remodelling is not None:
            self.sandbox.hooks.on(r"/v9\.2/", remodel, nth=nth + number % 5)
        try:
            self.run_once(kill_at)
        except (Killed, DataverseError):
            self.cut_short = True
        finally:
            self.sandbox.hooks.clear()
            self.sandbox.faults.clear()

    @rule(landed=st.none())
    def run(self, landed: Any = None) -> None:
        """A run that ends well, and then all cells are equal.

        What delta links may have missed is read a lookback later. What a server holds back from
        deltas while a transaction is open, it tells when that has ended.
        """
        if self.life.late and self.sandbox.switches.delta_chain == "snapshot":
            with suppress(DataverseError):
                self.run_once()
            self.life.end_late()
        if self.unguarded:
            with suppress(DataverseError):
                self.run_once()
            self.sandbox.clock.advance(2 * LOOKBACK.total_seconds())
        before = copy.deepcopy(self.destination.tables)
        states = copy.deepcopy(self.destination.state)
        schema = self.sandbox.store.schema
        readable = self.sandbox.users._by_client[self.sandbox.client_id].readable_tables
        tables = self.read.tables(schema)
        unreadable = set() if readable is None else {*schema.by_logical_name} - readable
        hidden = tables.keys() & unreadable
        refused = hidden | self.failing_queries(unreadable)
        try:
            failed: Any = self.run_once(landed=landed)
        except AccessDeniedError:
            assert refused
            failed = {*tables, *self.queries}  # of one table, or of none that may be read
            assert refused == failed
        assert set(failed) == refused, f"failed: {failed}"
        self.assert_beyond(before, refused)
        for logical_name, name in tables.items():
            table = schema.by_logical_name[logical_name]
            if logical_name in hidden:
                set_name = str(table.entity_set_name)
                assert self.destination.tables.get(set_name) == before.get(set_name)
                after, was = self._stored(logical_name), _stored(states, logical_name)
                was.pop("swept", None)  # it may have to be compared, or read, again
                assert {name: value for name, value in after.items() if name != "swept"} in (
                    {},
                    was,
                )
                continue
            some = self.settings.of_table(name, str(table.entity_set_name), logical_name)
            select = {*SELECTED[name], *self.files_of(name)} if some.select else None
            assert_in_step(
                self.sandbox,
                self.destination,
                table,
                self._stored(logical_name),
                select=None if select is None else frozenset(select),
                labels=some.labels,
                keeps=some.deletes == "keep",
                silent_cascades=self.silent_cascades,
                only_active=some.filter is not None,
            )

    def run_once(self, kill_at: int | None = None, landed: Any = None) -> dict[str, DataverseError]:
        if self.metadata_version != self.sandbox.store.metadata_version:
            self.metadata_version = self.sandbox.store.metadata_version
            self.world.connection.metadata.refresh()
        self.world.new_process()
        schedule = self.schedules[self.turn]
        names = [*self.read.names, *self.queries]
        with schedule.clock.shown():
            return schedule.run(lambda: connection_with(self.settings), names, kill_at, landed)

    def _stored(self, logical_name: str) -> dict[str, Any]:
        return _stored(self.destination.state, logical_name)

    def _changing(self, at: int) -> str:
        return self.scene.changing[at % len(self.scene.changing)]

    def _change(self, table: str, change: str, number: int) -> None:
        life = self.life
        steps: dict[str, Any] = {
            "create": life.create,
            "update": life.update,
            "delete": life.delete,
            "create_again": life.create_again,
            "merge": life.merge,
        }
        if change == "delete_in_bulk":
            life.delete(table, number, in_bulk=True)
        else:
            steps[change](table, number)
        if table == "annotation":
            self.change_note(change, number)

    def _remodel(self, change: str, at: int, number: int, kind: str) -> None:
        tables = self.scene.remodelled
        if not tables:
            return
        table, life = tables[at % len(tables)], self.life
        steps: dict[str, Callable[[], object]] = {
            "add_column": lambda: life.add_column(table, kind),
            "drop_column": lambda: life.drop_column(table, number),
            "retype_column": lambda: life.retype_column(table, number, kind),
            "rename_table": lambda: life.rename_table(table, number % 3),
            "track": lambda: life.track(table, True),
            "do_not_track": lambda: life.track(table, False),
        }
        steps[change]()


def _stored(state: dict[str, dict[str, Any]], logical_name: str) -> dict[str, Any]:
    """The state of a table."""
    tables = (resource.get("tables", {}) for resource in state.values())
    return next((one[logical_name] for one in tables if logical_name in one), {})


def search(
    histories: int,
    *,
    steps: int,
    start: int,
    shrink: bool = True,
    kind: type[Histories] = Histories,
) -> None:
    """Looks for a history after which a cell differs.

    Args:
        histories: how many to try.
        steps: the longest one.
        start: the seed: the same number gives the same histories.
        shrink: whether a history that fails is made shorter, which can take many minutes.
        kind: of the histories.
    """
    machine: Any = seed(start)(type(kind.__name__, (kind,), {}))
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=histories,
            stateful_step_count=steps,
            deadline=None,
            database=None,
            print_blob=True,
            phases=[Phase.generate, *([Phase.shrink] if shrink else [])],
            suppress_health_check=list(HealthCheck),
        ),
    )
