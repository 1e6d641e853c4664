"""Keeps metadata on disk between runs, so that a run sends one request instead of hundreds.

There is one JSON file per environment, with Dataverse's answers as they came. A file that cannot
be used (damaged, of another version, of another environment or user) is ignored and replaced.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from functools import cached_property
from pathlib import Path
from typing import Any, Generic, TypeVar
from urllib.parse import urlsplit

from dataverse_source.config.log import logger
from dataverse_source.errors import DataverseError
from dataverse_source.metadata.model import Column, Description, Table
from dataverse_source.metadata.parse import FORM, columns_from, description_from, table_from

LONGEST_USE = timedelta(hours=24)
"""Nothing in the cache gets older than this: the docs ("Cache schema data") do not say that new
labels of a global choice count as a change of the tables that use it."""

T = TypeVar("T")


class Parsed(Generic[T]):
    """One of Dataverse's answers, and what was parsed from it.

    Args:
        parse: from `dataverse_source.metadata.parse`.
        answer: of one table.

    Raises:
        DataverseError: the answer is malformed.
    """

    def __init__(self, parse: Callable[[Mapping[str, Any]], T], answer: Mapping[str, Any]) -> None:
        self.answer = answer
        self.value = parse(answer)


@dataclass(frozen=True)
class Snapshot:
    """Metadata as it was at one moment.

    Attributes:
        stamp: version of the metadata before the first table was read; "" if it is not known.
        read_at: when that was, UTC.
        overview: all tables of the environment, without columns.
        columns: columns of the tables that were asked for, by logical name.
        descriptions: descriptions of them, by logical name.
    """

    stamp: str
    read_at: datetime
    overview: tuple[Parsed[Table], ...]
    columns: Mapping[str, Parsed[tuple[Column, ...]]] = field(default_factory=dict)
    descriptions: Mapping[str, Parsed[Description]] = field(default_factory=dict)

    @cached_property
    def tables(self) -> tuple[Table, ...]:
        """All tables of the environment, without columns."""
        return tuple(one.value for one in self.overview)

    def is_usable(self, now: datetime) -> bool:
        """Whether it is young enough to be used, if nothing has changed."""
        return bool(self.stamp) and timedelta(0) <= now - self.read_at < LONGEST_USE


class MetadataCache:
    """One file in ``folder`` with the last snapshot of an environment.

    Args:
        folder: where to keep it; None: nowhere.
        environment: base URL of the environment and version of the Web API.
        user: who signs in; labels are in this user's language.
    """

    def __init__(self, folder: Path | None, environment: str, user: str) -> None:
        host = urlsplit(environment).hostname or "environment"
        self._path = folder / f"dataverse-metadata-{host}.json" if folder else None
        self._owner = {"form": FORM, "environment": environment, "user": user}

    def read(self) -> Snapshot | None:
        """The last snapshot; None if there is none that can be used."""
        if self._path is None or not self._path.exists():
            return None
        try:
            content = json.loads(self._path.read_text("utf-8"))
            if {key: content.get(key) for key in self._owner} != self._owner:
                return None
            return _snapshot(content)
        except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
            logger.warning("The metadata cache %s cannot be read: %s", self._path, error)
        except DataverseError as error:
            logger.warning("The metadata cache %s is damaged: %s", self._path, error.what)
        return None

    def write(self, snapshot: Snapshot) -> None:
        """Keeps ``snapshot`` in place of the last one; the file is replaced at once.

        If the disk is full or read-only, later runs send more requests, but none fails.
        """
        if self._path is None:
            return
        content = {
            **self._owner,
            "stamp": snapshot.stamp,
            "read_at": snapshot.read_at.isoformat(),
            "tables": [one.answer for one in snapshot.overview],
            "columns": {name: one.answer for name, one in snapshot.columns.items()},
            "descriptions": {name: one.answer for name, one in snapshot.descriptions.items()},
        }
        try:
            _replace(self._path, json.dumps(content, ensure_ascii=False, separators=(",", ":")))
        except OSError as error:
            logger.warning("The metadata cache %s cannot be written: %s", self._path, error)


def _replace(path: Path, content: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=path.name, dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(content)
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise


def _snapshot(content: Mapping[str, Any]) -> Snapshot:
    return Snapshot(
        stamp=content["stamp"],
        read_at=datetime.fromisoformat(content["read_at"]).astimezone(timezone.utc),
        overview=tuple(Parsed(table_from, one) for one in content["tables"]),
        columns={name: Parsed(columns_from, one) for name, one in content["columns"].items()},
        descriptions={
            name: Parsed(description_from, one) for name, one in content["descriptions"].items()
        },
    )
