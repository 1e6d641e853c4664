"""Keeps metadata on disk between runs, so that a run asks one question where it asked hundreds.

One JSON file for each environment. Whatever is wrong with it (damage, another format, another
environment or user), it counts as missing and is written anew.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from dataverse_source.config.log import logger
from dataverse_source.metadata.model import (
    Choice,
    Column,
    Description,
    Option,
    Relationship,
    Table,
)

FORMAT = 2
"""Raise it whenever a dataclass of `dataverse_source.metadata.model` changes."""

LONGEST_USE = timedelta(hours=24)
"""The docs ("Cache schema data") don't say that new labels of a global choice count as a change
of the tables that use it: nothing in the cache gets older than this."""

T = TypeVar("T")


@dataclass(frozen=True)
class Snapshot:
    """Metadata as it was at one moment.

    Attributes:
        stamp: version of the metadata before the first table was read; "": none is known.
        read_at: when that was, UTC.
        tables: all tables of the environment, without columns.
        columns: of the tables that were asked for, by logical name.
        descriptions: the same.
    """

    stamp: str
    read_at: datetime
    tables: tuple[Table, ...]
    columns: Mapping[str, tuple[Column, ...]] = field(default_factory=dict)
    descriptions: Mapping[str, Description] = field(default_factory=dict)

    def is_usable(self, now: datetime) -> bool:
        """Whether it may still be used, if nothing has changed."""
        return bool(self.stamp) and timedelta(0) <= now - self.read_at < LONGEST_USE


class MetadataCache:
    """One file in ``folder`` that holds the last snapshot of an environment.

    Args:
        folder: None: nothing is kept.
        environment: base URL of the environment and version of the Web API.
        user: who signs in; labels come in this user's language.
    """

    def __init__(self, folder: Path | None, environment: str, user: str) -> None:
        host = urlsplit(environment).hostname or "environment"
        self._path = folder / f"dataverse-metadata-{host}.json" if folder else None
        self._owner = {"format": FORMAT, "environment": environment, "user": user}

    def read(self) -> Snapshot | None:
        """What was kept; None: nothing that can be used."""
        if self._path is None or not self._path.exists():
            return None
        try:
            content = json.loads(self._path.read_text("utf-8"))
            if {key: content[key] for key in self._owner} != self._owner:
                return None
            return _snapshot(content)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            logger.warning("The metadata kept in %s can't be read: %s", self._path, error)
            return None

    def write(self, snapshot: Snapshot) -> None:
        """Keep ``snapshot`` in place of what was kept; a reader sees the one or the other.

        A disk that is full or read-only costs requests, but fails no run.
        """
        if self._path is None:
            return
        content = {
            **self._owner,
            "stamp": snapshot.stamp,
            "read_at": snapshot.read_at.isoformat(),
            "tables": [_plain(table) for table in snapshot.tables],
            "columns": {
                name: [_plain(column) for column in columns]
                for name, columns in snapshot.columns.items()
            },
            "descriptions": [_plain(one) for one in snapshot.descriptions.values()],
        }
        try:
            _replace(self._path, json.dumps(content, ensure_ascii=False, separators=(",", ":")))
        except OSError as error:
            logger.warning("Metadata can't be kept in %s: %s", self._path, error)


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
    descriptions = [_description(one) for one in content["descriptions"]]
    return Snapshot(
        stamp=content["stamp"],
        read_at=datetime.fromisoformat(content["read_at"]).astimezone(timezone.utc),
        tables=tuple(_made(Table, one) for one in content["tables"]),
        columns={
            name: tuple(_made(Column, one) for one in columns)
            for name, columns in content["columns"].items()
        },
        descriptions={one.table: one for one in descriptions},
    )


def _description(plain: Mapping[str, Any]) -> Description:
    made = _made(Description, plain)
    return replace(
        made,
        columns=tuple((str(name), str(label)) for name, label in made.columns),
        choices=tuple(_choice(one) for one in plain.get("choices", ())),
        relationships=tuple(_made(Relationship, one) for one in plain.get("relationships", ())),
    )


def _choice(plain: Mapping[str, Any]) -> Choice:
    options = tuple(
        replace(
            _made(Option, one),
            labels=tuple((int(code), str(text)) for code, text in one.get("labels", ())),
        )
        for one in plain["options"]
    )
    return replace(_made(Choice, plain), options=options)


def _made(kind: Callable[..., T], plain: Mapping[str, Any]) -> T:
    values = {name: tuple(one) if isinstance(one, list) else one for name, one in plain.items()}
    return kind(**values)


def _plain(one: Any) -> Any:
    """A dataclass as a dict of what differs from the defaults, all the way down."""
    if isinstance(one, tuple):
        return [_plain(item) for item in one]
    if not hasattr(one, "__dataclass_fields__"):
        return one
    return {
        spec.name: _plain(getattr(one, spec.name))
        for spec in fields(one)
        if spec.default is MISSING or getattr(one, spec.name) != spec.default
    }
