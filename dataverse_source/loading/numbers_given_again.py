"""Version numbers that a restored environment has given a second time.

A row that was modified after a read cannot have a number that had been given before it, unless
somebody has dated it by hand. If the destination holds the same number of this row with another
modifiedon, it was given twice for certain: each write of a row takes a new one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from dataverse_source.client.batch import BatchRequest
from dataverse_source.loading.load_package import Package
from dataverse_source.metadata.model import Table
from dataverse_source.sync.read.query import MODIFIED_ON, literal
from dataverse_source.sync.read.stored_links import delta_link_version
from dataverse_source.sync.read.table_reader import VERSION, VERSION_MARGIN
from dataverse_source.sync.state import TableState
from dataverse_source.sync.versions import loaded_keys_and_versions

CLOCKS_APART = timedelta(minutes=1)
"""Longest difference between the clocks of an environment's servers."""

MOST_ROWS = 50
"""That are looked up in the destination: if rows are changed again in the order in which they were
changed before, all of them have the numbers that are there."""

GivenAgain = Mapping[str, tuple[int, int]]
"""Version number, and modifiedon in whole seconds, of rows by key."""


def condition(state: TableState, now: datetime) -> str | None:
    """Condition of rows that were modified after the last read, with numbers given before it.

    The range of numbers is narrow, so that an index finds what is in it.

    Returns:
        None if none can be told.
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


def request(path: str, key: str, condition: str) -> BatchRequest:
    """The request for rows of a `condition`."""
    columns = f"{key},{VERSION},{MODIFIED_ON}"
    return BatchRequest(path, {"$select": columns, "$top": str(MOST_ROWS), "$filter": condition})


def of_rows(rows: Iterable[Mapping[str, Any]], key: str) -> GivenAgain:
    """What the rows of an answer say; without those that cannot be understood."""
    found = {}
    for row in rows:
        try:
            found[str(row[key])] = int(row[VERSION]), whole_seconds(row[MODIFIED_ON])
        except (KeyError, TypeError, ValueError):  # reading the table tells
            continue
    return found


def are_loaded(
    package: Package, table: Table, environment_column: str | None, again: GivenAgain
) -> bool:
    """Whether the destination has one of the rows with the same number and another modifiedon.

    Args:
        package: that is being filled; call it on dlt's own thread.
        table: its overview entry.
        environment_column: of the settings.
        again: rows of it.
    """
    key = str(table.primary_id)
    loaded = package.destination(str(table.entity_set_name), key, environment_column)
    for rows in loaded.rows([key, VERSION, MODIFIED_ON], list(again)) or ():
        try:
            versions = loaded_keys_and_versions([(one, number) for one, number, _ in rows])
            moments = loaded_keys_and_versions([(one, moment) for one, _, moment in rows])
        except (TypeError, ValueError):  # the user's hints have given a column another type
            continue
        for one, version, modified in zip(
            versions["key"].to_pylist(),
            versions["version"].to_pylist(),
            moments["version"].to_pylist(),
            strict=True,
        ):
            number, moment = again.get(one, (None, None))
            if version == number and None not in (number, modified) and modified != moment:
                return True
    return False


def whole_seconds(moment: object) -> int:
    """A time of an answer.

    Raises:
        ValueError: it is none.
    """
    return int(datetime.fromisoformat(str(moment).replace("Z", "+00:00")).timestamp() // 1)
