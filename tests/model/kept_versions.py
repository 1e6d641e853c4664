"""What dlt's strategy scd2 does to a table that keeps the versions of its rows, in memory.

Source: dlt's docs "Merge loading", section "scd2 strategy". A version ends when a package has
its key and not its digest, or no row of its key but a mark; a digest that no present version has
begins one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from dataverse_source.sync.write.columns import DELETED
from dataverse_source.sync.write.destination import VALID_TO
from dataverse_source.sync.write.history import ROW_VERSION, VALID_FROM

Row = dict[str, Any]
OWN = (ROW_VERSION, VALID_FROM, VALID_TO)
PRECISION = timedelta(seconds=5)
"""Two machines know Dataverse's clock to a few seconds, as answers are dated to the second."""


class Versions:
    """The versions of one table's rows.

    Args:
        name: of the table, for messages.
        key: name of its key column.
    """

    def __init__(self, name: str, key: str) -> None:
        self._name = name
        self._key = key
        self._rows: list[Row] = []
        self._begun_by: int | None = None

    def replace(self, rows: Iterable[Row], package: int) -> None:
        """The first versions of all rows; nothing may ever take their place.

        Args:
            rows: of one package.
            package: its number; it may be loaded once more.
        """
        assert self._begun_by in (None, package), f"the history of {self._name} is replaced"
        self._begun_by = package
        self._rows = [dict(row) for row in rows]
        self._check()

    def merge(self, rows: Iterable[Row], moment: datetime) -> None:
        """Ends versions, and begins others.

        Args:
            rows: of one package, marked ones among them.
            moment: of the package, when versions end and begin.
        """
        staged = list(rows)
        keys = [row[self._key] for row in staged]
        assert len(set(keys)) == len(keys), f"{self._name}: a key comes twice in one package"
        new = {row[ROW_VERSION]: row for row in staged if not row.get(DELETED)}
        for row in self._present():
            if row[self._key] in keys and row[ROW_VERSION] not in new:
                row[VALID_TO] = moment
        there = {row[ROW_VERSION] for row in self._present()}
        self._rows += [
            {**row, VALID_FROM: moment, VALID_TO: None}
            for digest, row in new.items()
            if digest not in there
        ]
        self._check()

    def lose(self, key: Any) -> None:
        """Somebody deletes the present version of a row."""
        self._rows = [
            row for row in self._rows if row[self._key] != key or row[VALID_TO] is not None
        ]

    def present(self) -> dict[Any, Row]:
        """The rows that have not ended, by key, without the columns of the history."""
        return {
            row[self._key]: {name: value for name, value in row.items() if name not in OWN}
            for row in self._present()
        }

    def digests(self) -> dict[Any, str]:
        """The digest of each row that has not ended, by key."""
        return {row[self._key]: row[ROW_VERSION] for row in self._present()}

    def _present(self) -> list[Row]:
        return [row for row in self._rows if row[VALID_TO] is None]

    def _check(self) -> None:
        """Each key is there once, each digest stands for one content, and times go on."""
        self._check_times()
        present = self._present()
        assert len({row[self._key] for row in present}) == len(present), f"{self._name}: twice"
        contents: dict[str, Mapping[str, Any]] = {}
        for row in self._rows:
            digest = row[ROW_VERSION]
            told = {one: value for one, value in row.items() if value is not None}
            for name in (*OWN, DELETED):
                told.pop(name, None)
            assert contents.setdefault(digest, told) == told, f"{self._name}: one digest, two rows"

    def _check_times(self) -> None:
        """A version ends after it has begun, and the next one of its key begins after that."""
        by_key: dict[Any, list[Row]] = {}
        for row in self._rows:
            by_key.setdefault(row[self._key], []).append(row)
        for key, rows in by_key.items():
            times = [row[name] for row in rows for name in (VALID_FROM, VALID_TO)]
            told = [time for time in times if time is not None]
            assert all(one <= other + PRECISION for one, other in pairwise(told)), (
                f"{self._name} {key}: versions overlap: {told}"
            )
