"""Notices that an environment was restored, or that the user has other rights than before.

Restored from a backup: the newest row of each table tells.
Version numbers only rise, so a row whose version is lower than the one that was read means that
the environment is an older one: it has its address and its organization id still. A restored
environment gives numbers again: a row that was modified after a read may have a number that had
been given before it, or the very number that the destination holds of it, with another modifiedon.
A delta link tells it only until as many have been given again. One batch asks for all tables at
once, and for the user's read privileges: with other ones, rows appear or vanish without a change.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
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
from dataverse_source.loading import numbers_given_again, user_rights
from dataverse_source.loading.connection import Connection
from dataverse_source.loading.load_package import Package
from dataverse_source.loading.numbers_given_again import GivenAgain, whole_seconds
from dataverse_source.loading.restored_environment import RESTORED
from dataverse_source.loading.run_context import EVERY_TABLE, RunContext
from dataverse_source.metadata.model import Table
from dataverse_source.sync.read.query import MODIFIED_ON
from dataverse_source.sync.read.table_reader import VERSION
from dataverse_source.sync.state import NewestRow, read_state

TABLES_PER_REQUEST = 200
"""Far fewer than the 1,000 requests that a batch may hold, so that no batch takes long."""

Finding = Literal["older", "gone", "again"]
"""What has become of a table: its newest row has an older version, or the same one with another
modifiedon; or is not there; or version numbers have been given again."""


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
        """The requests for the newest row's version, and for numbers that were given again."""
        key, path = self.table.primary_id, str(self.table.entity_set_name)
        found = []
        if self.row:
            columns = [key, self.row.column]
            columns += [MODIFIED_ON] if self.row.modified is not None else []
            query = {"$select": ",".join(columns), "$top": "1"}
            found.append(BatchRequest(path, query | {"$filter": f"{key} eq {self.row.key}"}))
        if self.given_again:
            found.append(numbers_given_again.request(path, key, self.given_again))
        return found

    def finding(self, answers: Iterator[Response]) -> tuple[Finding | None, GivenAgain]:
        """What the answers to `requests` say, and rows whose numbers were given again.

        Takes so many answers.
        """
        found = _finding(self.row, next(answers)) if self.row else None
        rows = _rows(next(answers)) if self.given_again is not None else None
        again = numbers_given_again.of_rows(rows or [], self.table.primary_id)
        return ("again" if rows and found != "older" else found), again


@dataclass(frozen=True)
class World:
    """What a run has found out about the environment.

    Attributes:
        newest: what has become of the newest rows, by logical name; tables without are fine.
        again: rows whose version numbers were given again, likewise.
        rights: fingerprint of the user's read privileges; None if they are not known.
    """

    newest: Mapping[str, Finding] = field(default_factory=dict)
    again: Mapping[str, GivenAgain] = field(default_factory=dict)
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
        self._tables: list[Table] = []
        self._is_restored = False

    def findings(self, package: Package, run: RunContext, tables: Iterable[Table]) -> World:
        """What was found; `tell` has the run act on it.

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
            return self._world

    def tell(self, package: Package, run: RunContext) -> None:
        """Has tables be read again if the environment is an older one, or compared if it may be.

        In an older one an equal version proves nothing, as the number may have been given again:
        all tables are read again; a log, too, as it has events again that were purged since. If
        numbers have been given again, but none that the destination holds, all are compared, as a
        row that was dated by hand would look like that.

        Args:
            package: that is being filled; call it on dlt's own thread.
            run: takes the reasons.
        """
        if package.load_id is None:
            return
        with self._lock:
            tables, again = self._tables, self._world.again
            self._world = replace(self._world, again={})
        column = self._connection.settings.environment_column
        suspects = [one for one in tables if one.logical_name in again and not self._is_restored]
        self._is_restored |= any(
            numbers_given_again.are_loaded(package, one, column, again[one.logical_name])
            for one in suspects
        )
        run.is_restored |= self._is_restored
        for table in tables if self._is_restored else ():
            run.reasons.setdefault(package.loaded_as(str(table.entity_set_name)), RESTORED)
        if self._is_restored or "again" in self._world.newest.values():
            run.comparisons.setdefault(EVERY_TABLE, RESTORED)

    def _ask(self, package: Package, run: RunContext, tables: list[Table]) -> None:
        self._load_id = package.load_id
        new = [table for table in tables if table.logical_name not in run.up_to_date]
        self._tables, self._is_restored = tables, False
        if not new:  # a further package of the same run
            self._world = replace(self._world, newest={}, again={})
            return
        witnesses = dict(self._witnesses(package, run, tables))
        found = look(self._connection.client, self._connection.user_id, witnesses)
        caller = self._connection.settings.caller
        self._world = replace(found, rights=user_rights.with_caller(found.rights, caller))
        self._is_restored = "older" in self._world.newest.values()

    def _witnesses(
        self, package: Package, run: RunContext, tables: Iterable[Table]
    ) -> Iterator[tuple[str, Witness]]:
        now = self._connection.client.server_time or datetime.now(timezone.utc)
        for table in tables:
            stored = package.state_of(str(table.entity_set_name), table.logical_name)
            state = read_state(stored)
            if not state.complete or table.logical_name in run.up_to_date:
                continue
            again = numbers_given_again.condition(state, now)
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
    again: dict[str, GivenAgain] = {}
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
        finding, given_again = witnesses[name].finding(each)
        if finding is not None:
            found[name] = finding
        if given_again:
            again[name] = given_again
    return World(found, again, rights)


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
        if row.column != VERSION:
            return "older" if whole_seconds(value) < row.version else None
        version = int(value)
        if version == row.version and row.modified is not None:
            return "older" if whole_seconds(rows[0][MODIFIED_ON]) != row.modified else None
        return "older" if version < row.version else None
    except (DataverseError, KeyError, TypeError, ValueError):
        return None  # whatever it is, reading the table tells


def _rows(answer: Response) -> list[dict[str, Any]] | None:
    """The rows of an answer; None if it has none."""
    try:
        rows: list[dict[str, Any]] = answer.json()["value"]
    except (DataverseError, KeyError, TypeError, ValueError):
        return None  # whatever it is, reading the table tells
    return rows
