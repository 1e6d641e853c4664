"""Tables and columns of an environment: asked for in few requests, and each only once.

Many tables are read at once with RetrieveMetadataChanges; where that is refused or fails, table
by table from EntityDefinitions. What is kept on disk is used after one question, whether
anything has changed since.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from typing import TypeVar

from dataverse_source.config.log import logger
from dataverse_source.errors import (
    AccessDeniedError,
    ProtocolError,
    ResponseError,
    ThrottledError,
    UnauthorizedError,
    UnknownNameError,
)
from dataverse_source.metadata import bulk, per_table
from dataverse_source.metadata.cache import MetadataCache, Snapshot
from dataverse_source.metadata.model import Description, Table
from dataverse_source.metadata.parse import MetadataClient
from dataverse_source.metadata.table_selection import find_table, select_tables

__all__ = ["MetadataReader"]

T = TypeVar("T")


class MetadataReader:
    """Reads tables and columns; may be used by many threads at once.

    A missing privilege (prvReadEntity, prvReadAttribute) comes through as the client's
    AccessDeniedError.

    Args:
        client: talks to the environment.
        configured: names and patterns of the tables that will be asked for; they are read
            together as soon as one of them is.
        cache: what earlier runs have kept.
    """

    def __init__(
        self,
        client: MetadataClient,
        configured: Sequence[str] = (),
        cache: MetadataCache | None = None,
    ) -> None:
        self._client = client
        self._configured = tuple(configured)
        self._cache = cache
        self._snapshot: Snapshot | None = None
        self._resolved: dict[str, Table] = {}
        self._configured_tables: tuple[Table, ...] | None = None
        self._function_works = True
        self._lock = threading.RLock()

    def tables(self) -> tuple[Table, ...]:
        """All tables of the environment, without columns."""
        return self._current().tables

    def resolve(self, name: str) -> Table:
        """The overview entry of the table with this entity set name or logical name.

        Raises:
            UnknownNameError: no such table, or none that can be queried; see
                `dataverse_source.metadata.table_selection.find_table`.
        """
        with self._lock:
            tables = self.tables()
            if name not in self._resolved:
                self._resolved[name] = find_table(name, tables)
            return self._resolved[name]

    def select(self, names: Sequence[str]) -> tuple[Table, ...]:
        """The overview entries of the tables that names and patterns stand for, each once.

        Raises:
            UnknownNameError: see `dataverse_source.metadata.table_selection.select_tables`.
        """
        return select_tables(names, self.tables())

    def configured(self) -> tuple[Table, ...]:
        """The overview entries of all configured tables that there are, each once.

        A name that leads nowhere is told when that table is read; here it is left out.
        """
        with self._lock:
            self._current()
            if self._configured_tables is None:
                self._configured_tables = self._find_configured()
            return self._configured_tables

    def table(self, name: str) -> Table:
        """The table with its columns.

        Args:
            name: entity set name or logical name.

        Raises:
            UnknownNameError: see `resolve`.
        """
        overview = self.resolve(name)
        with self._lock:
            found = self._current().columns
            if overview.logical_name not in found:
                self._read_columns(self._wanted(overview, found))
                found = self._current().columns
            return replace(overview, columns=found[overview.logical_name])

    def description(self, name: str) -> Description:
        """Display names, choices and relationships of a table.

        Args:
            name: entity set name or logical name.

        Raises:
            UnknownNameError: see `resolve`.
        """
        overview = self.resolve(name)
        with self._lock:
            found = self._current().descriptions
            if overview.logical_name not in found:
                self._read_descriptions(self._wanted(overview, found))
                found = self._current().descriptions
            return found[overview.logical_name]

    def refresh(self) -> None:
        """Ask once more whether anything has changed, before the next answer."""
        with self._lock:
            self._snapshot = None
            self._resolved.clear()
            self._configured_tables = None

    def _find_configured(self) -> tuple[Table, ...]:
        found: dict[str, Table] = {}
        for name in self._configured:
            try:
                found |= {table.logical_name: table for table in self.select([name])}
            except UnknownNameError:
                continue
        return tuple(found.values())

    def _current(self) -> Snapshot:
        with self._lock:
            if self._snapshot is None:
                self._snapshot = self._kept() or self._read_tables()
            return self._snapshot

    def _kept(self) -> Snapshot | None:
        """What an earlier run has kept, if nothing has changed since."""
        kept = self._cache.read() if self._cache else None
        if kept is None or not kept.is_usable(datetime.now(timezone.utc)):
            return None
        try:
            stamp = self._still(kept.stamp)
        except (UnauthorizedError, ThrottledError):
            raise
        except (ResponseError, ProtocolError) as error:
            # Most likely 0x80044352, a stamp that has expired (docs: "Cache schema data").
            logger.info("The metadata that was kept can't be checked: %s", error)
            return None
        if not stamp:
            logger.info("The environment's metadata has changed: it is read anew")
            return None
        newer = replace(kept, stamp=stamp)
        self._keep(newer)
        return newer

    def _still(self, stamp: str) -> str | None:
        """A stamp of the metadata as it is now, if it is as it was at ``stamp``; one request."""
        if per_table.is_version(stamp):
            return stamp if per_table.current_version(self._client) == stamp else None
        return bulk.changed_since(self._client, stamp)

    def _read_tables(self) -> Snapshot:
        began = datetime.now(timezone.utc)
        # The stamp comes first: what changes while tables are read is then a change since.
        stamp = self._stamp() if self._cache else None
        return Snapshot(stamp or "", began, per_table.read_tables(self._client))

    def _stamp(self) -> str | None:
        """What tells later whether the metadata has changed; None: nothing can."""
        stamp = self._ask(lambda: bulk.current_stamp(self._client))
        if stamp is not None:
            return stamp
        try:
            return per_table.current_version(self._client)
        except (UnauthorizedError, ThrottledError):
            raise
        except (ResponseError, ProtocolError) as error:
            logger.info("Metadata is not kept, as changes of it would not be seen: %s", error)
            return None

    def _wanted(self, overview: Table, known: Mapping[str, object]) -> list[str]:
        """Logical names of the tables to read now: this one, and all that are configured."""
        names = [overview.logical_name, *(table.logical_name for table in self.configured())]
        return [name for name in dict.fromkeys(names) if name not in known]

    def _read_columns(self, names: Sequence[str]) -> None:
        read = self._ask(lambda: bulk.read_columns(self._client, names)) or {}
        missing = [name for name in names if name not in read]
        read |= self._one_by_one(per_table.read_columns, missing, names[0])
        snapshot = self._current()
        self._keep(replace(snapshot, columns={**snapshot.columns, **read}))

    def _read_descriptions(self, names: Sequence[str]) -> None:
        read = self._ask(lambda: bulk.read_descriptions(self._client, names)) or {}
        missing = [name for name in names if name not in read]
        read |= self._one_by_one(per_table.read_description, missing, names[0])
        snapshot = self._current()
        self._keep(replace(snapshot, descriptions={**snapshot.descriptions, **read}))

    def _one_by_one(
        self, read: Callable[[MetadataClient, str], T], names: Sequence[str], needed: str
    ) -> dict[str, T]:
        """Tables from EntityDefinitions; only ``needed`` may fail the whole."""
        found: dict[str, T] = {}
        for name in names:
            try:
                found[name] = read(self._client, name)
            except (AccessDeniedError, ProtocolError):
                if name == needed:
                    raise
        return found

    def _ask(self, question: Callable[[], T]) -> T | None:
        """The answer of RetrieveMetadataChanges; None where the function can't be used."""
        if not self._function_works:
            return None
        try:
            return question()
        except (UnauthorizedError, ThrottledError):
            raise
        except (ResponseError, ProtocolError) as error:
            self._function_works = False
            logger.warning(
                "%s can't be used, metadata is read table by table. %s", bulk.FUNCTION, error
            )
            return None

    def _keep(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        if self._cache and snapshot.stamp:
            self._cache.write(snapshot)
