"""The world moves in random histories: settings, the destination, the environment as a whole."""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from dataverse_source.config.checks import make_settings
from dataverse_source.config.settings import Settings
from dataverse_source.config.values import is_pattern
from dataverse_source.errors import DataverseError
from dataverse_source.sandbox import Sandbox
from dataverse_source.sandbox.environment.profiles import mask_column
from dataverse_source.sandbox.schema import schema_changes
from dataverse_source.sync.audit_changes import AUDIT_CHANGES, AUDITS
from dataverse_source.sync.write.file_table import FILES
from tests.model.life import Life
from tests.model.memory import MemoryDestination
from tests.model.oracle import ACTIVE
from tests.model.scenes import SELECTED, Scene
from tests.model.schedule import Schedule
from tests.model.world import World

NUMBER = st.integers(0, 60)
SETTING = st.sampled_from(
    [
        *[("labels", value) for value in (True, False)],
        *[("page_size", value) for value in (1, 2, 5000)],
        *[("max_rows_per_load", value) for value in (None, 1, 3)],
        *[("deletes", value) for value in ("remove", "keep")],
        *[("sync", value) for value in ("auto", "changes", "cursor", "full")],
        *[("sweep_interval", value) for value in (None, 0)],
    ]
)
MASK = "[0-9a-m]"
"""What a masking rule hides of a text."""
FILTERED = frozenset({"account", "accounts", "contact", "contacts"})
NO_HISTORY = frozenset({"new_sensorreading", "accountleadscollection"})
"""An elastic table; and one whose rows are no more than keys."""
LOGS = frozenset({AUDITS, AUDIT_CHANGES})
RESTORE_HOURS = 0.1
"""An environment is away for minutes when it is restored or copied over."""

SECURED = (
    ("account", "new_taxnumber"),
    ("account", "numberofemployees"),
    ("contact", "birthdate"),
    ("new_project", "new_notes"),
)


class WorldMoves(RuleBasedStateMachine):
    """The rules of a history that are not about rows and runs.

    Attributes:
        read: the scene without the tables that are left out.
        given: settings of all tables.
        per_table: settings by configured name.
        saved: backups of the destination; the first one is empty.
        readable_columns: secured ones that a profile shows, as ``<table>.<column>``.
        environments: how many backups of the environment there are.
        cut_short: whether a run was, or rows were lost, so that bytes that nobody names may have
            stayed.
        lost_events: keys of events of the audit that somebody has deleted in the destination.
    """

    world: World
    sandbox: Sandbox
    life: Life
    destination: MemoryDestination
    scene: Scene
    read: Scene
    settings: Settings
    schedules: list[Schedule]
    turn: int

    def __init__(self) -> None:
        super().__init__()
        self.left_out: set[str] = set()
        self.given: dict[str, Any] = {}
        self.per_table: dict[str, dict[str, Any]] = {}
        self.saved = [MemoryDestination()]
        self.spelled_out = False
        self.readable_columns: set[str] = set()
        self.environments = 0
        self.cut_short = False
        self.lost_events: set[Any] = set()

    def run(self, landed: Any = None) -> None:
        """A run that ends well, and then all cells are equal."""
        raise NotImplementedError

    def run_once(self, kill_at: int | None = None, landed: Any = None) -> dict[str, DataverseError]:
        """One run; returns why tables have failed, by logical name."""
        raise NotImplementedError

    def configure(self) -> None:
        """Makes the settings for the tables that are not left out."""
        names = tuple(name for name in self.scene.names if name not in self.left_out)
        self.read = replace(self.scene, names=names)
        if self.spelled_out:
            by_pattern = self.read.tables(self.sandbox.store.schema)
            plain = [name for name in names if not is_pattern(name)]
            found = [table for table, name in by_pattern.items() if is_pattern(name)]
            names = (*plain, *found)
            self.read = replace(self.scene, names=names)
        known = {*names, *self.read.tables(self.sandbox.store.schema)}
        self.settings = make_settings(
            environment_url=self.sandbox.environment_url,
            tables=names,
            table_settings={name: some for name, some in self.per_table.items() if name in known},
            ca_bundle=self.sandbox.ca_bundle,
            **self.given,
            **self.beyond_settings(names),
        )

    def beyond_settings(self, names: Collection[str]) -> Mapping[str, Any]:
        """The settings of what is loaded beside tables."""
        raise NotImplementedError

    @rule(setting=SETTING)
    def change_setting(self, setting: tuple[str, Any]) -> None:
        """A user changes a setting of all tables."""
        self.given = {**self.given, setting[0]: setting[1]}
        self.configure()

    @rule(at=NUMBER)
    def select_other_columns(self, at: int) -> None:
        """A user lists the columns of a table, or no longer does."""
        names = [name for name in self.scene.names if name in SELECTED]
        if names:
            name = names[at % len(names)]
            some = self.per_table.setdefault(name, {})
            if some.pop("select", None) is None:
                some["select"] = list(SELECTED[name])
            self.configure()

    @rule(at=NUMBER)
    def change_the_filter(self, at: int) -> None:
        """A user reads active rows only, or all rows again."""
        names = [name for name in self.scene.names if name in FILTERED]
        if names:
            some = self.per_table.setdefault(names[at % len(names)], {})
            if some.pop("filter", None) is None:
                some["filter"] = ACTIVE
            self.configure()

    @rule(at=NUMBER)
    def begin_a_history(self, at: int) -> None:
        """A user has all versions of a table's rows kept from now on; there is no way back.

        An audit that is loaded without is refused one.
        """
        names = [name for name in self.read.names if not is_pattern(name)]
        names = [name for name in names if name not in NO_HISTORY]
        begun = any(one.pending for one in self.schedules) or AUDITS in self.destination.columns
        names = [name for name in names if not begun or name != AUDITS]
        if names:
            some = self.per_table.setdefault(names[at % len(names)], {})
            some |= {"history": True, "deletes": "remove"}
            self.configure()

    @rule()
    def spell_out_patterns(self) -> None:
        """A user lists the tables that a pattern stands for, or goes back to the pattern."""
        if any(map(is_pattern, self.scene.names)):
            self.spelled_out = not self.spelled_out
            self.configure()

    @rule(at=NUMBER)
    def take_tables_out_and_in(self, at: int) -> None:
        """A user no longer reads a table, or reads all of them again."""
        name = self.scene.names[at % len(self.scene.names)]
        alone = len(self.scene.names) == 1
        self.left_out = set() if self.left_out or alone else {name}
        self.configure()

    @rule(at=NUMBER, number=NUMBER)
    def rows_vanish_in_the_destination(self, at: int, number: int) -> None:
        """Somebody deletes rows in the destination: one of a table, or all.

        A log is not compared. So only a machine that knows how many rows there were notices that
        some are missing; of all rows every machine does.
        """
        names = sorted({*self.destination.counts(), FILES} & self.destination.tables.keys())
        if names:
            self.cut_short = True
            name = names[at % len(names)]
            is_log, knows = name in LOGS, self.schedules[self.turn].remembers
            before = set(self.destination.tables[name])
            self.destination.lose_rows(name, number if knows or not is_log else 0)
            if name == AUDITS:
                self.lost_events |= before - self.destination.tables[name].keys()
            if is_log and knows:
                self.run()

    @rule()
    def back_up_the_destination(self) -> None:
        self.saved.append(copy.deepcopy(self.destination))

    @rule(at=NUMBER)
    def restore_the_destination(self, at: int) -> None:
        """It is that of a backup, or another one, which is empty."""
        self.cut_short = True
        self.destination.restore(self.saved[at % len(self.saved)])

    @rule(secured=st.booleans(), at=NUMBER)
    def secure_a_column(self, secured: bool, at: int) -> None:
        """Column security hides a column, or no longer does."""
        schema = self.sandbox.store.schema
        columns = [one for one in SECURED if one[1] in schema.by_logical_name[one[0]].by_name]
        if columns:
            table, column = columns[at % len(columns)]
            schema = schema_changes.with_column_changed(schema, table, column, secured=secured)
            self.sandbox.store.change_schema(schema)

    @rule(shown=st.booleans(), at=NUMBER)
    def show_a_secured_column(self, shown: bool, at: int) -> None:
        """A profile lets the application user read a secured column, or no longer does."""
        if self.sandbox.switches.masked_columns == "all_secured":
            return
        name = ".".join(SECURED[at % len(SECURED)])
        (self.readable_columns.add if shown else self.readable_columns.discard)(name)
        columns = frozenset(self.readable_columns)
        self.sandbox.users.change(self.sandbox.client_id, readable_columns=columns)

    @rule(masked=st.booleans(), at=NUMBER)
    def mask_a_column(self, masked: bool, at: int) -> None:
        """A masking rule is put on a column, or taken off; it shows where a profile shows it."""
        table, column = SECURED[at % len(SECURED)]
        store = self.sandbox.store
        if masked and not self._rules_of(table, column):
            mask_column(self.sandbox.environment, table, column, MASK, "#")
        elif not masked:
            for rule in self._rules_of(table, column):
                store.delete("attributemaskingrule", rule["attributemaskingruleid"])

    def _rules_of(self, table: str, column: str) -> list[dict[str, Any]]:
        rules = self.sandbox.store.rows("attributemaskingrule")
        place = table, column
        return [one for one in rules if (one["entityname"], one["attributelogicalname"]) == place]

    @rule()
    def back_up_the_environment(self) -> None:
        """For a restore any time later, also from before a history began."""
        self.life.end_late()
        self.environments += 1
        self.sandbox.back_up(str(self.environments))

    @rule(at=NUMBER)
    def restore_an_old_environment(self, at: int) -> None:
        """It is that of a backup, whatever has been read since."""
        if self.environments:
            with suppress(DataverseError):
                self.run_once()
            self.life.end_late()
            self.sandbox.restore(str(at % self.environments + 1))
            self._environment_replaced()

    @rule()
    def restore_the_environment(self) -> None:
        """It is restored after a run has read rows that are newer than the backup."""
        self.life.end_late()
        self.sandbox.back_up("model")
        for number, table in enumerate(dict.fromkeys(self.scene.changing)):
            self.life.create(table, number)
            self.life.update(table, number)
        with suppress(DataverseError):
            self.run_once()
        self.sandbox.restore("model")
        self._environment_replaced()

    @rule(seed=NUMBER)
    def copy_over_the_environment(self, seed: int) -> None:
        """Another environment has the address now."""
        self.life.end_late()
        rows = {table: 2 for table in dict.fromkeys(self.scene.changing) if table != "accountleads"}
        self.sandbox.copy_over(rows=rows, seed=seed, schema=self.sandbox.store.schema)
        self._environment_replaced()

    def _environment_replaced(self) -> None:
        self.life.wait(RESTORE_HOURS)
        self.life.dead.clear()
        self.world.connection.metadata.refresh()
