"""One machine that runs the pipeline of a history: what `load` does, with `MemoryDestination`."""

from __future__ import annotations

import copy
import json
import shutil
import uuid
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

from dataverse_source.config.values import is_pattern
from dataverse_source.errors import DataverseError
from dataverse_source.loading.connection import Connection
from dataverse_source.loading.destination_memory import Memory, Moved, Seen, what_moved
from dataverse_source.loading.file_loading import remove_files
from dataverse_source.loading.load_package import Package as PackageToFill
from dataverse_source.loading.run_context import RunContext, running
from dataverse_source.loading.table_states import take_over
from dataverse_source.loading.tables import Tables
from dataverse_source.sync.context import Landed
from tests.model.counting import assert_counted
from tests.model.host_clock import HostClock
from tests.model.inline_links import InlineLinks
from tests.model.memory import LoadedInMemory, MemoryDestination, Package, State

MOST_PACKAGES = 500
"""Far more than a run of some hundred rows takes, of one row each."""


class Killed(Exception):
    """The process has ended, in the middle of whatever it did."""


@dataclass
class Schedule:
    """One machine with a working folder of the pipeline: its state, and a package left behind.

    Attributes:
        folder: where files are noted that are stored but not loaded; None if there are none.
    """

    destination: MemoryDestination
    clock: HostClock
    state: State = field(default_factory=dict)
    pending: Package | None = None
    known: int = -1
    memory: Memory | None = None
    folder: Path | None = None

    @property
    def remembers(self) -> bool:
        """Whether the last run was here, and ended: the next one knows how many rows it left."""
        is_last = self.pending is None and self.known == self.destination.newest
        return is_last and self.memory is not None and self.memory["state"] == self._hash()

    def lose_everything(self) -> None:
        """The working folder is gone."""
        self.state, self.pending, self.known, self.memory = {}, None, -1, None
        self.clock.offset = 0.0
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)

    def run(
        self,
        connect: Callable[[], Connection],
        names: list[str],
        kill_at: int | None = None,
        landed: Callable[[Schedule, dict[str, str]], dict[str, Landed]] | None = None,
    ) -> dict[str, DataverseError]:
        """What `load` does: what was left behind, then package after package.

        Args:
            connect: opens a connection.
            names: of the tables in the settings.
            kill_at: the step at which the process ends.
            landed: returns rows that were read in parts, as `finish_load` finds them.

        Returns:
            Why tables have failed, by logical name.

        Raises:
            Killed: at the step ``kill_at`` of the run.
            DataverseError: what went wrong with all of them.
        """
        steps = _Steps(kill_at)
        if self.pending is not None:
            if self.destination.newest > self.pending.number:
                self.lose_everything()
            else:
                self._load(steps)
        if self.destination.newest > self.known:  # dlt keeps a state that is newer
            self.state = copy.deepcopy(self.destination.state)
            self.known = self.destination.newest
        tables = Tables(connect())
        moved, begun = self._moved(), list(self.destination.loads)
        run = RunContext(
            in_load=True,
            isolates=len(names) > 1 or is_pattern(names[0]),
            reasons=moved.read_again,
            comparisons=moved.compare,
            landed=landed(self, moved.read_again) if landed else {},
            first_links=InlineLinks(outlive_packages=len(begun) % 3 > 0),
        )
        todo: dict[str, Any] = {}
        for _ in range(MOST_PACKAGES):
            with running(run):
                self._extract(tables, run.only, steps)
            before = self.destination.image()
            self._load(steps)
            assert_counted(run, before, self.destination.image())
            run.loaded(run.only)
            done, todo = todo, _with_more(self.state)
            for table in run.failures:
                todo.pop(table, None)
            if not todo or todo == done:
                remove_files(run)
                self._remember(begun, moved.left(self.destination.counts(), _done(run)))
                return {name: error for name, (_, error) in run.failures.items()}
            run.only = frozenset(todo)
        raise AssertionError(f"a run does not end; still to do: {todo}")

    def _moved(self) -> Moved:
        """What the source finds out about the destination, see `DestinationMemory`."""
        there, memory = self.destination, self.memory
        has_load = memory is None or not memory["load"] or int(memory["load"]) in there.loads
        seen = Seen(
            self._hash(), len(there.loads), has_load, there.counts(), files=there.file_rows()
        )
        return what_moved(memory, seen)

    def _remember(self, begun: list[int], left: Moved) -> None:
        there = self.destination
        own = [number for number in there.loads if number not in begun]
        before = self.memory["load"] if self.memory else ""
        self.memory = Memory(
            state=self._hash(),
            load=str(own[-1]) if own else before,
            states=len(begun) + len(own),
            rows=there.counts(),
            others={},
            read_again=left.read_again,
            compare=left.compare,
            files=there.file_rows(),
        )

    def _hash(self) -> str:
        return json.dumps([self.known, self.state], sort_keys=True)

    def _extract(self, tables: Tables, only: frozenset[str] | None, steps: _Steps) -> None:
        state = copy.deepcopy(self.state)
        items = []

        def state_of(_: Any, name: str, logical_name: str, *, loads: bool) -> Any:
            assert loads
            return take_over(state, name, logical_name)

        def loaded(name: str, *_: object) -> LoadedInMemory:
            return LoadedInMemory(self.destination, name)

        load_id, load_time = uuid.uuid4().hex, self.clock.next_package()
        began, before = [load_time], copy.deepcopy(self.state)

        def to_fill(_: Any, offset: Callable[[], timedelta]) -> PackageToFill:
            began.append(self.clock.followed(load_time, offset()))
            return PackageToFill(load_id, began[-1], loaded, before)

        with (
            mock.patch("dataverse_source.loading.tables.current_package", to_fill),
            mock.patch("dataverse_source.loading.tables.resource_state", state_of),
            mock.patch("dataverse_source.loading.file_loading.active_pipeline", self._pipeline),
        ):
            for name in tables.names():
                stored = state.setdefault(name, {})
                if only is not None and not only & set(stored.get("tables", {})):
                    continue
                found = tables.items(name, None)
                with closing(found):  # type: ignore[type-var]  # it is a generator
                    for item in found:
                        if item is not None:  # None: a table is still being read
                            steps.tick()
                            items.append((name, item))
        steps.tick()
        number = max(self.destination.newest, self.known) + 1
        self.pending = Package(number, items, state, began[-1])
        self.state = copy.deepcopy(state)
        steps.tick()

    def _pipeline(self) -> Any:
        """What the files of a source ask of the pipeline that runs."""
        return self.folder and SimpleNamespace(working_dir=str(self.folder))

    def _load(self, steps: _Steps) -> None:
        assert self.pending is not None
        self.destination.load(self.pending)
        steps.tick()  # loaded, but still here: loading it again changes nothing
        self.known, self.pending = self.pending.number, None


def _done(run: RunContext) -> set[str]:
    """As `RunContext.done`, where names are the same in the destination."""
    found = run.up_to_date - set(run.failures)
    return found | {name for name, logical_name in run.names.items() if logical_name in found}


def _with_more(state: State) -> dict[str, Any]:
    """The state of the tables that want a further package."""
    return {
        table: stored
        for resource in state.values()
        for table, stored in resource.get("tables", {}).items()
        if stored.get("more")
    }


class _Steps:
    def __init__(self, kill_at: int | None) -> None:
        self._left = kill_at

    def tick(self) -> None:
        if self._left is not None:
            self._left -= 1
            if self._left < 0:
                raise Killed
