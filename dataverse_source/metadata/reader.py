"""Tables and columns of an environment, read in few requests and only once.

Many tables are read together with RetrieveMetadataChanges; if that is refused or fails, one by
one from EntityDefinitions. The cache on disk is used after one request, which asks whether
anything has changed since.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any, TypeVar

from dataverse_source.config.log import logger
from dataverse_source.config.values import is_pattern
from dataverse_source.errors import (
    AccessDeniedError,
    ProtocolError,
    ResponseError,
    ThrottledError,
    UnauthorizedError,
    UnknownNameError,
)
from dataverse_source.metadata import bulk, per_table
from dataverse_source.metadata.buckets import Bucket, in_bucket
from dataverse_source.metadata.cache import MetadataCache, Parsed, Snapshot
from dataverse_source.metadata.model import Description, Table
from dataverse_source.metadata.parse import (
    MetadataClient,
    columns_from,
    description_from,
    table_from,
)
from dataverse_source.metadata.table_selection import (
    find_table,
    select_tables,
    unknown_exclusions,
)

__all__ = ["MetadataReader"]

T = TypeVar("T")
Answer = dict[str, Any]


class MetadataReader:
    """Reads tables and columns; may be used by many threads at once.

    A missing privilege (prvReadEntity, prvReadAttribute) raises the client's AccessDeniedError.

    Args:
        client: sends the requests.
        configured: names and patterns of the tables that will be asked for; all of them are read
            as soon as one is asked for.
        cache: metadata that earlier runs have kept.
        exclude: names and patterns of tables that patterns do not stand for.
        bucket: the configured tables are those in it.
    """

    def __init__(
        self,
        client: MetadataClient,
        configured: Sequence[str] = (),
        cache: MetadataCache | None = None,
        exclude: Sequence[str] = (),
        bucket: Bucket | None = None,
    ) -> None:
        self._client = client
        self._configured = tuple(configured)
        self._exclude = tuple(exclude)
        self._bucket = bucket
        self._cache = cache
        self._snapshot: Snapshot | None = None
        self._resolved: dict[str, Table] = {}
        self._configured_tables: tuple[Table, ...] | None = None
        self._by_configured_name: Mapping[str, tuple[Table, ...] | UnknownNameError] | None = None
        self._configured_as: dict[str, str] = {}
        self._function_works = True
        self._lock = threading.RLock()

    def tables(self) -> tuple[Table, ...]:
        """All tables of the environment, without columns."""
        return self._current().tables

    def resolve(self, name: str) -> Table:
        """The overview entry of the table with this entity set name or logical name.

        Raises:
            UnknownNameError: there is no such table, or it cannot be queried; see
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
        return select_tables(names, self.tables(), self._exclude)

    def configured(self) -> tuple[Table, ...]:
        """The overview entries of all configured tables that exist, each once.

        Names of tables that do not exist are left out here; reading such a table raises an error.
        """
        with self._lock:
            self._current()
            if self._configured_tables is None:
                self._configured_tables = self._find_configured()
            return self._configured_tables

    def by_configured_name(self) -> Mapping[str, tuple[Table, ...] | UnknownNameError]:
        """The tables of each configured name or pattern, or why it has none.

        Each table comes once, and under its own name rather than under a pattern.
        """
        with self._lock:
            self._current()
            if self._by_configured_name is None:
                self._by_configured_name = self._sort_by_configured_name()
            return self._by_configured_name

    def configured_as(self, logical_name: str) -> str:
        """The configured name or pattern of a table; its logical name if there is none."""
        with self._lock:
            self.by_configured_name()
            return self._configured_as.get(logical_name, logical_name)

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
                self._read_columns(self._wanted([overview.logical_name], found))
                found = self._current().columns
            return replace(overview, columns=found[overview.logical_name].value)

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
                self._read_descriptions(self._wanted([overview.logical_name], found))
                found = self._current().descriptions
            return found[overview.logical_name].value

    def descriptions(self, names: Collection[str]) -> dict[str, Description]:
        """The same of several tables, by logical name, in one request; those that exist.

        Args:
            names: logical names.
        """
        with self._lock:
            there = {one.logical_name for one in self.tables()}
            wanted = [name for name in names if name in there]
            found = self._current().descriptions
            if not found.keys() >= set(wanted):
                self._read_descriptions(self._wanted(wanted, found))
                found = self._current().descriptions
            return {name: found[name].value for name in wanted if name in found}

    def refresh(self) -> None:
        """Has the next call ask again whether anything has changed."""
        with self._lock:
            self._snapshot = None
            self._resolved.clear()
            self._configured_tables = None
            self._by_configured_name = None

    def _sort_by_configured_name(self) -> Mapping[str, tuple[Table, ...] | UnknownNameError]:
        found: dict[str, tuple[Table, ...] | UnknownNameError] = {}
        self._configured_as = {}
        taken: set[str] = set()
        for name in sorted(self._configured, key=is_pattern):
            try:
                tables = [one for one in self.select([name]) if one.logical_name not in taken]
            except UnknownNameError as error:
                found[name] = error
                continue
            taken |= {one.logical_name for one in tables}
            self._configured_as.update({one.logical_name: name for one in tables})
            found[name] = tuple(in_bucket(tables, self._bucket))
        return {name: found[name] for name in self._configured}

    def _find_configured(self) -> tuple[Table, ...]:
        for name, hint in unknown_exclusions(self._exclude, self.tables()).items():
            logger.warning("exclude: %r matches no table. %s", name, hint)
        found: dict[str, Table] = {}
        for name in self._configured:
            try:
                tables = in_bucket(self.select([name]), self._bucket)
                found |= {table.logical_name: table for table in tables}
            except UnknownNameError:
                continue
        return tuple(found.values())

    def _current(self) -> Snapshot:
        with self._lock:
            if self._snapshot is None:
                self._snapshot = self._kept() or self._read_tables()
            return self._snapshot

    def _kept(self) -> Snapshot | None:
        """The snapshot of an earlier run, if nothing has changed since."""
        kept = self._cache.read() if self._cache else None
        if kept is None or not kept.is_usable(datetime.now(timezone.utc)):
            return None
        try:
            stamp = self._still(kept.stamp)
        except (UnauthorizedError, ThrottledError):
            raise
        except (ResponseError, ProtocolError) as error:
            # Most likely 0x80044352, the stamp has expired (docs: "Cache schema data").
            logger.info("The metadata cache is not used, as it cannot be checked: %s", error)
            return None
        if not stamp:
            logger.info("The environment's metadata has changed and is read again")
            return None
        newer = replace(kept, stamp=stamp)
        self._keep(newer)
        return newer

    def _still(self, stamp: str) -> str | None:
        """The current stamp if nothing changed since ``stamp``, else None; one request."""
        if per_table.is_version(stamp):
            return stamp if per_table.current_version(self._client) == stamp else None
        return bulk.changed_since(self._client, stamp)

    def _read_tables(self) -> Snapshot:
        began = datetime.now(timezone.utc)
        # The stamp is read first: a change while tables are read then counts as a later change.
        stamp = self._stamp() if self._cache else None
        answers = per_table.read_tables(self._client)
        return Snapshot(stamp or "", began, tuple(Parsed(table_from, one) for one in answers))

    def _stamp(self) -> str | None:
        """The stamp by which later runs see changes of the metadata; None if there is none."""
        stamp = self._ask(lambda: bulk.current_stamp(self._client))
        if stamp is not None:
            return stamp
        try:
            return per_table.current_version(self._client)
        except (UnauthorizedError, ThrottledError):
            raise
        except (ResponseError, ProtocolError) as error:
            logger.info("Metadata is not cached, as changes would not be noticed: %s", error)
            return None

    def _wanted(self, names: Sequence[str], known: Mapping[str, object]) -> list[str]:
        """Logical names of the tables to read: these and all configured ones, if not yet read."""
        names = [*names, *(table.logical_name for table in self.configured())]
        return [name for name in dict.fromkeys(names) if name not in known]

    def _read_columns(self, names: Sequence[str]) -> None:
        read = self._read(names, bulk.read_columns, per_table.read_columns, columns_from)
        snapshot = self._current()
        self._keep(replace(snapshot, columns={**snapshot.columns, **read}))

    def _read_descriptions(self, names: Sequence[str]) -> None:
        read = self._read(
            names, bulk.read_descriptions, per_table.read_description, description_from
        )
        snapshot = self._current()
        self._keep(replace(snapshot, descriptions={**snapshot.descriptions, **read}))

    def _read(
        self,
        names: Sequence[str],
        together: Callable[[MetadataClient, Sequence[str]], dict[str, Answer]],
        one: Callable[[MetadataClient, str], Answer],
        parse: Callable[[Mapping[str, Any]], T],
    ) -> dict[str, Parsed[T]]:
        """The tables by name; only a failure of the first one is raised."""

        def ask() -> dict[str, Parsed[T]]:
            answers = together(self._client, names)
            return {name: Parsed(parse, answer) for name, answer in answers.items()}

        found = self._ask(ask) or {}
        for name in names:
            if name in found:
                continue
            try:
                found[name] = Parsed(parse, one(self._client, name))
            except (AccessDeniedError, ProtocolError):
                if name == names[0]:
                    raise
        return found

    def _ask(self, question: Callable[[], T]) -> T | None:
        """The answer of RetrieveMetadataChanges; None if the function cannot be used."""
        if not self._function_works:
            return None
        try:
            return question()
        except (UnauthorizedError, ThrottledError):
            raise
        except (ResponseError, ProtocolError) as error:
            self._function_works = False
            logger.warning(
                "%s cannot be used, so metadata is read table by table. %s", bulk.FUNCTION, error
            )
            return None

    def _keep(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        if self._cache and snapshot.stamp:
            self._cache.write(snapshot)
