"""Notices that an environment was restored from a backup, by the newest row of each table.

Version numbers only rise, so a row whose version is lower than the one that was read means that
the environment is an older one: it has its address and its organization id still. A delta link
tells it only until as many numbers have been given again. One batch asks for all tables at once.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
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


class NewestRows:
    """Asks once a load package what has become of each table's newest row.

    Args:
        connection: to the environment.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self._load_id: str | None = None
        self._found: dict[str, Finding] = {}
        self._restored: list[str] = []

    def findings(
        self, package: Package, run: RunContext, tables: Iterable[tuple[str, Table]]
    ) -> Mapping[str, Finding]:
        """The findings by logical name; tables without one are fine.

        A row that has an older version means that all tables are those of an older environment:
        its table is read again, the others are compared.

        Args:
            package: that is being filled.
            run: takes the reasons.
            tables: that are read, each with the name or pattern in the settings.
        """
        if package.load_id is None:
            return {}
        with self._lock:
            if package.load_id != self._load_id:
                witnesses = dict(_witnesses(package, run, tables))
                self._found = newest_rows_now(self._connection.client, witnesses)
                self._restored = [
                    package.loaded_as(str(witnesses[name].table.entity_set_name))
                    for name, finding in self._found.items()
                    if finding == "older"
                ]
                self._load_id = package.load_id
            for table in self._restored:
                run.reasons.setdefault(table, RESTORED)
                run.comparisons.setdefault(EVERY_TABLE, RESTORED)
            return self._found


def _witnesses(
    package: Package, run: RunContext, tables: Iterable[tuple[str, Table]]
) -> Iterator[tuple[str, Witness]]:
    for name, table in tables:
        stored = package.states.get(name, {}).get("tables", {}).get(table.logical_name, {})
        newest = read_state(stored).newest
        if newest and table.logical_name not in run.up_to_date:
            yield table.logical_name, Witness(table, newest)


def newest_rows_now(
    client: DataverseClient, witnesses: Mapping[str, Witness]
) -> dict[str, Finding]:
    """What has become of the newest rows, by logical name; tables without a finding are fine.

    If Dataverse accepts no batch, the result is empty.

    Args:
        client: sends the requests.
        witnesses: by logical name.

    Raises:
        AuthenticationError: sign-in failed.
    """
    found: dict[str, Finding] = {}
    names = list(witnesses)
    for start in range(0, len(names), TABLES_PER_REQUEST):
        some = names[start : start + TABLES_PER_REQUEST]
        try:
            answers = client.batch([witnesses[name].request for name in some])
        except (ResponseError, ProtocolError, ConnectionFailedError) as error:
            logger.info("Whether the environment was restored is not checked: %s", error)
            return found
        for name, answer in zip(some, answers, strict=True):
            finding = _finding(witnesses[name].row, answer)
            if finding is not None:
                found[name] = finding
    return found


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
