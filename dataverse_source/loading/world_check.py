"""Notices that an environment was restored, or that the user has other rights than before.

Restored from a backup: the newest row of each table tells.
Version numbers only rise, so a row whose version is lower than the one that was read means that
the environment is an older one: it has its address and its organization id still. A delta link
tells it only until as many numbers have been given again. One batch asks for all tables at once,
and for the user's read privileges: with other ones, rows appear or vanish without a change.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
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
from dataverse_source.sync.read.table_reader import VERSION
from dataverse_source.sync.state import NewestRow, read_state

TABLES_PER_REQUEST = 200
"""Far fewer than the 1,000 requests that a batch may hold, so that no batch takes long."""

RESTORED = "the environment is older than at the last run: it was restored from a backup"

Finding = Literal["older", "gone"]
"""What has become of a table's newest row: it has an older version, or is not there."""


@dataclass(frozen=True)
class Witness:
    """The newest row that was read of a table.

    Attributes:
        table: its overview entry.
        row: key and version.
    """

    table: Table
    row: NewestRow

    @property
    def request(self) -> BatchRequest:
        """The request for the row's version."""
        key = self.table.primary_id
        return BatchRequest(
            str(self.table.entity_set_name),
            {
                "$select": f"{key},{self.row.column}",
                "$filter": f"{key} eq {self.row.key}",
                "$top": "1",
            },
        )


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
        its table is read again, the others are compared.

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
                run.comparisons.setdefault(EVERY_TABLE, RESTORED)
            return self._world

    def _ask(self, package: Package, run: RunContext, tables: list[Table]) -> None:
        self._load_id = package.load_id
        new = [table for table in tables if table.logical_name not in run.up_to_date]
        if not new:  # a further package of the same run
            self._world, self._restored = replace(self._world, newest={}), []
            return
        witnesses = dict(_witnesses(package, run, tables))
        self._world = look(self._connection.client, self._connection.user_id, witnesses)
        self._restored = [
            package.loaded_as(str(witnesses[name].table.entity_set_name))
            for name, finding in self._world.newest.items()
            if finding == "older"
        ]


def _witnesses(
    package: Package, run: RunContext, tables: Iterable[Table]
) -> Iterator[tuple[str, Witness]]:
    for table in tables:
        stored = package.state_of(str(table.entity_set_name), table.logical_name)
        newest = read_state(stored).newest
        if newest and table.logical_name not in run.up_to_date:
            yield table.logical_name, Witness(table, newest)


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
    requests = [witnesses[name].request for name in names]
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
    for name, answer in zip(names, answers, strict=True):
        finding = _finding(witnesses[name].row, answer)
        if finding is not None:
            found[name] = finding
    return World(found, rights)


def _finding(row: NewestRow, answer: Response) -> Finding | None:
    try:
        rows: list[dict[str, Any]] = answer.json()["value"]
        if not rows:
            return "gone"
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
