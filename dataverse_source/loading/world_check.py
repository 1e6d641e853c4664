"""Notices that an environment was restored, or that the user has other rights than before.

Restored from a backup: the newest row of each table tells.
Version numbers only rise, so a row whose version is lower than the one that was read means that
the environment is an older one: it has its address and its organization id still. So does a row
that was modified after a read, and has a version number that had been given before it: a restored
environment gives numbers again. A delta link tells it only until as many have been given again. One
batch asks for all tables at once, and for the user's read privileges: with other ones, rows appear
or vanish without a change.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from typing import Any, Literal

from dataverse_source.client.batch import BatchRequest
from dataverse_source.client.client import DataverseClient
from dataverse_source.client.responses import Response
from dataverse_source.config.log import logger
from dataverse_source.errors import (
    ConnectionFailedError,
    DataverseError,
    ProtocolError,
    ResponseError,
)
from dataverse_source.loading import user_rights
from dataverse_source.loading.connection import Connection
from dataverse_source.loading.load_package import Package
from dataverse_source.loading.run_context import EVERY_TABLE, RunContext
from dataverse_source.metadata.model import Table
from dataverse_source.sync.read.query import MODIFIED_ON, literal
from dataverse_source.sync.read.stored_links import delta_link_version
from dataverse_source.sync.read.table_reader import VERSION, VERSION_MARGIN
from dataverse_source.sync.state import NewestRow, TableState, read_state

TABLES_PER_REQUEST = 200
"""Far fewer than the 1,000 requests that a batch may hold, so that no batch takes long."""

CLOCKS_APART = timedelta(minutes=1)
"""Longest difference between the clocks of an environment's servers."""

RESTORED = "the environment is older than at the last run: it was restored from a backup"

Finding = Literal["older", "gone", "again"]
"""What has become of a table: its newest row has an older version, or is not there; or version
numbers have been given again."""


@dataclass(frozen=True)
class Witness:
    """What was read of a table last.

    Attributes:
        table: its overview entry.
        row: key and version of the newest row; None if it is not known.
        given_again: condition of rows whose version numbers were given again; None if none can be
            told.
    """

    table: Table
    row: NewestRow | None
    given_again: str | None

    @property
    def requests(self) -> list[BatchRequest]:
        """The requests for the newest row's version, and for a number that was given again."""
        conditions = [f"{self.table.primary_id} eq {self.row.key}"] if self.row else []
        conditions += [self.given_again] if self.given_again else []
        column = f",{self.row.column}" if self.row else ""
        query = {"$select": f"{self.table.primary_id}{column}", "$top": "1"}
        path = str(self.table.entity_set_name)
        return [BatchRequest(path, query | {"$filter": one}) for one in conditions]

    def finding(self, answers: Iterator[Response]) -> Finding | None:
        """What the answers to `requests` say; takes so many of them."""
        found = _finding(self.row, next(answers)) if self.row else None
        again = self.given_again is not None and bool(_rows(next(answers)))
        return found if found == "older" or not again else "again"


@dataclass(frozen=True)
class World:
    """What a run has found out about the environment.

    Attributes:
        newest: what has become of the newest rows, by logical name; tables without are fine.
        rights: fingerprint of the user's read privileges; None if they are not known.
    """

    newest: Mapping[str, Finding] = field(default_factory=dict)
    rights: str | None = None


class WorldCheck:
    """Asks once a load package whether the environment is the one of the last run.

    Args:
        connection: to the environment.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self._load_id: str | None = None
        self._world = World()
        self._restored: list[str] = []

    def findings(self, package: Package, run: RunContext, tables: Iterable[Table]) -> World:
        """What was found.

        A row that has an older version means that all tables are those of an older environment:
        its table is read again, the others are compared. If only numbers have been given again, all
        are compared, as a row that was dated by hand would look like that.

        Args:
            package: that is being filled.
            run: takes the reasons.
            tables: that are read.
        """
        if package.load_id is None:
            return self._world
        with self._lock:
            if package.load_id != self._load_id:
                self._ask(package, run, list(tables))
            for table in self._restored:
                run.reasons.setdefault(table, RESTORED)
            if {"older", "again"} & set(self._world.newest.values()):
                run.comparisons.setdefault(EVERY_TABLE, RESTORED)
            return self._world

    def _ask(self, package: Package, run: RunContext, tables: list[Table]) -> None:
        self._load_id = package.load_id
        new = [table for table in tables if table.logical_name not in run.up_to_date]
        if not new:  # a further package of the same run
            self._world, self._restored = replace(self._world, newest={}), []
            return
        witnesses = dict(self._witnesses(package, run, tables))
        found = look(self._connection.client, self._connection.user_id, witnesses)
        caller = self._connection.settings.caller
        self._world = replace(found, rights=user_rights.with_caller(found.rights, caller))
        self._restored = [
            package.loaded_as(str(witnesses[name].table.entity_set_name))
            for name, finding in self._world.newest.items()
            if finding == "older"
        ]

    def _witnesses(
        self, package: Package, run: RunContext, tables: Iterable[Table]
    ) -> Iterator[tuple[str, Witness]]:
        now = self._connection.client.server_time or datetime.now(timezone.utc)
        for table in tables:
            stored = package.state_of(str(table.entity_set_name), table.logical_name)
            state = read_state(stored)
            if not state.complete or table.logical_name in run.up_to_date:
                continue
            again = _given_again(state, now)
            if again and not self._is_dated(table):
                again = None
            if state.newest or again:
                yield table.logical_name, Witness(table, state.newest, again)

    def _is_dated(self, table: Table) -> bool:
        try:
            found = self._connection.metadata.table(table.logical_name)
        except DataverseError:  # told when the table is read
            return False
        return found.has(VERSION) and found.has(MODIFIED_ON)


def _given_again(state: TableState, now: datetime) -> str | None:
    """Condition of rows that were modified after the last read, with numbers given before it.

    The range of numbers is narrow, so that an index finds what is in it.
    """
    newest = state.newest if state.newest and state.newest.column == VERSION else None
    if state.delta is not None:
        highest, read_at = delta_link_version(state.delta.link), state.delta.given
    else:
        highest = newest.version if newest else None
        read_at = state.watermark.modified_since if state.watermark else None
    if highest is None or read_at is None or state.compared is None:
        return None
    read_at = max(read_at, state.compared)
    low = max((newest.version if newest else highest) - VERSION_MARGIN, 0)
    return (
        f"{VERSION} gt {low} and {VERSION} le {highest} "
        f"and {MODIFIED_ON} gt {literal(read_at + CLOCKS_APART)} "
        f"and {MODIFIED_ON} le {literal(now + CLOCKS_APART)}"
    )


def look(client: DataverseClient, user_id: str | None, witnesses: Mapping[str, Witness]) -> World:
    """Asks for the user's privileges and for the newest rows; one request if they are few.

    If Dataverse accepts no batch, nothing is known.

    Args:
        client: sends the requests.
        user_id: systemuserid of the user; None if it is not known.
        witnesses: by logical name.

    Raises:
        AuthenticationError: sign-in failed.
    """
    found: dict[str, Finding] = {}
    names = list(witnesses)
    requests = [one for name in names for one in witnesses[name].requests]
    first = [] if user_id is None else [user_rights.request(user_id)]
    rights = None
    try:
        answers = []
        for start in range(0, max(len(requests), 1), TABLES_PER_REQUEST):
            batch = [*first, *requests[start : start + TABLES_PER_REQUEST]]
            got = client.batch(batch) if batch else []
            if first:
                rights, got = user_rights.fingerprint(got[0]), got[1:]
            first = []
            answers += got
    except (ResponseError, ProtocolError, ConnectionFailedError) as error:
        logger.info("Whether the environment was restored is not checked: %s", error)
        return World()
    each = iter(answers)
    for name in names:
        finding = witnesses[name].finding(each)
        if finding is not None:
            found[name] = finding
    return World(found, rights)


def _finding(row: NewestRow, answer: Response) -> Finding | None:
    rows = _rows(answer)
    if rows is None:
        return None
    if not rows:
        return "gone"
    try:
        value = rows[0].get(row.column)
        if value is None:
            return None
        if row.column == VERSION:
            version = int(value)
        else:
            moment = datetime.fromisoformat(str(value).replace("Z", "+00:00"))
            version = int(moment.timestamp() // 1)
    except (DataverseError, KeyError, TypeError, ValueError):
        return None  # whatever it is, reading the table tells
    return "older" if version < row.version else None


def _rows(answer: Response) -> list[dict[str, Any]] | None:
    try:
        rows: list[dict[str, Any]] = answer.json()["value"]
    except (DataverseError, KeyError, TypeError, ValueError):
        return None  # whatever it is, reading the table tells
    return rows
