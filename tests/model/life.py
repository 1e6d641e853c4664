"""What happens in an environment while nobody reads it: to rows, and to the schema."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any

from hypothesis import strategies as st

from dataverse_source.sandbox import Sandbox
from dataverse_source.sandbox.schema import schema_changes
from dataverse_source.sandbox.schema.tables import LOOKUP_TYPES, Column, Table
from dataverse_source.sandbox.store.cascade import Restricted
from dataverse_source.sandbox.store.errors import DuplicateRow, NoSuchRow
from dataverse_source.sandbox.store.layout import is_stored
from dataverse_source.sandbox.store.seed_values import made_up_row
from dataverse_source.sandbox.writes import upkeep

BY_DATAVERSE = frozenset(
    {"createdon", "modifiedon", "versionnumber", "overriddencreatedon", "partitionid"}
    | {"ttlinseconds", "merged", "masterid", "activitytypecode", "opendeals", "openrevenue"}
    | {"ownerid", "owningbusinessunit"}
    | {"documentbody", "filename", "mimetype", "filesize", "isdocument"}
)
"""Columns that no user writes as such, and those of documents, see `Documents`."""

KINDS = ("String", "Memo", "Integer", "BigInt", "Decimal", "Double", "Boolean", "DateTime")
CHANGE = st.tuples(
    st.sampled_from(["create", "update", "delete", "create_again", "merge", "delete_in_bulk"]),
    st.integers(0, 60),
)
LOOKBACK = timedelta(seconds=300)
TTL_SECONDS = 1000
OTHER = "0c5d7e11-2222-4333-8444-555566667777"
"""The user who owns what the application user does not."""


@dataclass
class Late:
    """A row that is being written, and that nobody sees yet."""

    table: str
    number: int
    version: int
    moment: datetime


@dataclass
class Life:
    """Changes to the sandbox, each chosen by a table and a number.

    Attributes:
        fixed: columns that may not go, by table: the settings name them.
    """

    sandbox: Sandbox
    fixed: dict[str, frozenset[str]] = field(default_factory=dict)
    dead: dict[str, list[tuple[str, str | None]]] = field(default_factory=dict)
    late: list[Late] = field(default_factory=list)
    columns: int = 0

    def create(self, table: str, number: int) -> None:
        """A new row; some have been created elsewhere, long ago."""
        self.sandbox.clock.advance(0.3)
        values = self._values(self._table(table), number)
        now = self.sandbox.clock.now()
        created = now - timedelta(days=400) if number % 5 == 0 else now
        with suppress(DuplicateRow):
            self.sandbox.store.create(table, values, created_on=created, modified_on=now)

    def update(self, table: str, number: int) -> None:
        """Other values in some columns of a row."""
        self.sandbox.clock.advance(0.3)
        found = self._row(table, number)
        if found is not None:
            self._update(table, found, number)

    def delete(self, table: str, number: int, *, in_bulk: bool = False) -> None:
        """A row is gone, and what hangs on it."""
        self.sandbox.clock.advance(0.3)
        found = self._row(table, number)
        if found is None:
            return
        key, partition = found
        with suppress(Restricted):
            self.sandbox.store.delete(table, key, in_bulk=in_bulk, partition_id=partition)
            self.dead.setdefault(table, []).append(found)

    def create_again(self, table: str, number: int) -> None:
        """A deleted row is back under its key."""
        dead = self.dead.get(table)
        if dead:
            key, partition = dead.pop(number % len(dead))
            definition = self._table(table)
            values = self._values(definition, number) | {definition.primary_id: key}
            if partition is not None:
                values["partitionid"] = partition
            with suppress(DuplicateRow):
                self.sandbox.store.create(table, values)

    def merge(self, table: str, number: int) -> None:
        """One account or contact is merged into another."""
        one, other = self._row(table, number), self._row(table, number + 1)
        mergeable = {"merged", "masterid", "statuscode"} <= self._table(table).by_name.keys()
        if mergeable and one is not None and other is not None and one != other:
            upkeep.merge(self.sandbox.environment, table, one[0], other[0])

    def roll_up(self, number: int) -> None:
        """Dataverse recalculates a rollup column."""
        found = self._row("account", number)
        if found is not None and "opendeals" in self._table("account").by_name:
            values = {"opendeals": number}
            upkeep.recalculate(self.sandbox.environment, "account", found[0], values)

    def begin_late(self, table: str, number: int) -> None:
        """A transaction takes its version number and its time, and is not done yet."""
        store = self.sandbox.store
        self.late.append(Late(table, number, store.reserve_version(), store.clock.now()))

    def end_late(self) -> None:
        """The transactions that are under way are done, or given up when they have been long."""
        late, self.late = self.late, []
        for one in late:
            in_time = self.sandbox.clock.now() - one.moment < LOOKBACK - timedelta(seconds=2)
            found = self._row(one.table, one.number)
            if not in_time or one.table not in self.sandbox.store.schema.by_logical_name:
                self._give_up(one)
            elif found is None or one.number % 2:
                values = self._values(self._table(one.table), one.number)
                store = self.sandbox.store
                store.create(one.table, values, created_on=one.moment, version=one.version)
            else:
                given = {"modified_on": one.moment, "version": one.version}
                self._update(one.table, found, one.number, **given)

    def wait(self, hours: float) -> None:
        """Time goes by; a transaction does not stay open that long."""
        if timedelta(hours=hours) >= LOOKBACK / 2:
            self.end_late()
        self.sandbox.clock.advance(hours * 3600)

    def add_column(self, table: str, kind: str) -> None:
        """A maker adds a column."""
        self.columns += 1
        self._add(table, f"new_extra{self.columns}", kind)

    def drop_column(self, table: str, number: int) -> str | None:
        """A maker deletes a column; returns its name."""
        free = self._free_columns(table)
        if not free:
            return None
        name = free[number % len(free)].name
        schema = self.sandbox.store.schema
        self.sandbox.store.change_schema(schema_changes.without_column(schema, table, name))
        return name

    def retype_column(self, table: str, number: int, kind: str) -> None:
        """A column is deleted, and another of the same name has another type."""
        name = self.drop_column(table, number)
        if name is not None:
            self._add(table, name, kind)

    def rename_table(self, table: str, number: int) -> None:
        """Another entity set name."""
        self._change(table, entity_set_name=f"{table}{number}set")

    def track(self, table: str, on: bool) -> None:
        """Change tracking is switched on or off."""
        self._change(table, change_tracking=on)

    def _add(self, table: str, name: str, kind: str) -> None:
        precise = kind in ("Decimal", "Double")
        behavior = "UserLocal" if kind == "DateTime" else None
        column = Column(name, kind, precision=2 if precise else None, date_behavior=behavior)
        schema = schema_changes.with_column(self.sandbox.store.schema, table, column)
        self.sandbox.store.change_schema(schema)

    def _change(self, table: str, **changes: Any) -> None:
        schema = self.sandbox.store.schema
        changed = schema_changes.with_table_changed(schema, table, **changes)
        self.sandbox.store.change_schema(changed)

    def _give_up(self, late: Late) -> None:
        with self.sandbox.store.transaction() as connection:
            connection.execute("DELETE FROM reserved WHERE version = ?", (late.version,))

    def _update(self, table: str, found: tuple[str, str | None], number: int, **given: Any) -> None:
        key, partition = found
        values = self._values(self._table(table), number, few=True)
        with suppress(NoSuchRow):
            self.sandbox.store.update(table, key, values, partition_id=partition, **given)

    def _table(self, name: str) -> Table:
        return self.sandbox.store.schema.by_logical_name[name]

    def _row(self, table: str, number: int) -> tuple[str, str | None] | None:
        """Key and partition of one row."""
        definition = self._table(table)
        rows = self.sandbox.store.rows(table)
        if not rows:
            return None
        row = rows[number % len(rows)]
        partition = row["partitionid"] if definition.table_type == "Elastic" else None
        return row[definition.primary_id], partition

    def _free_columns(self, table: str) -> list[Column]:
        definition = self._table(table)
        kept = {
            definition.primary_id,
            definition.primary_name,
            "statecode",
            "statuscode",
            "lastname",
        }
        kept |= BY_DATAVERSE | self.fixed.get(table, frozenset())
        return [one for one in definition.columns if one.name not in kept and not one.attribute_of]

    def _values(self, table: Table, number: int, *, few: bool = False) -> dict[str, Any]:
        random = Random(f"{table.logical_name} {number} {self.sandbox.store.version}")
        usual = [
            one
            for one in table.columns
            if is_stored(one)
            and one.type not in LOOKUP_TYPES
            and not one.attribute_of
            and one.name != table.primary_id
            and one.name not in BY_DATAVERSE
        ]
        if table.is_intersect:
            return self._ends(table, number)
        if few:
            usual = random.sample(usual, min(len(usual), random.randint(1, 3)))
        values = made_up_row(table, usual, random, number)
        if "ownerid" in table.by_name and not (few and number % 4):
            values |= self._owner(number)
        values |= self._links(table, number)
        if table.table_type == "Elastic" and not few:
            values |= self._partition(table, number)
        return values

    def _ends(self, table: Table, number: int) -> dict[str, Any]:
        store = self.sandbox.store
        pair = next(one for one in store.schema.many_to_many if one.intersect == table.logical_name)
        one = self._row(pair.table1, number) or (store.create(pair.table1, {}), None)
        other = self._row(pair.table2, number) or (store.create(pair.table2, {}), None)
        return {pair.intersect_attribute1: one[0], pair.intersect_attribute2: other[0]}

    def _owner(self, number: int) -> dict[str, Any]:
        """The application user, or somebody else."""
        user = self.sandbox.users.of_client(self.sandbox.client_id)
        own = user is not None and number % 2
        return {"ownerid": user.user_id if own and user else OTHER, "ownerid@table": "systemuser"}

    def _links(self, table: Table, number: int) -> dict[str, Any]:
        """Some lookups, of one target or of several."""
        links: dict[str, Any] = {}
        for column in table.columns:
            targets = [one for one in column.targets if one in ("account", "contact")]
            if column.type not in LOOKUP_TYPES or column.name in BY_DATAVERSE or not targets:
                continue
            target = targets[number % len(targets)]
            found = self._row(target, number)
            if found is not None and number % 3:
                links |= {column.name: found[0], f"{column.name}@table": target}
        return links

    def _partition(self, table: Table, number: int) -> dict[str, Any]:
        """A few partitions; now and then a key that another one has as well; a time to live."""
        values: dict[str, Any] = {"partitionid": f"p{number % 3}"}
        if number % 4 == 0:
            values["ttlinseconds"] = TTL_SECONDS
        found = self._row(table.logical_name, number)
        if found is not None and number % 5 == 0 and found[1] != values["partitionid"]:
            values[table.primary_id] = found[0]
        return values
