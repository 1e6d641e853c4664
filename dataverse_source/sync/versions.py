"""Keys and versions of rows as Arrow tables, from Dataverse and from the destination alike."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dataverse_source.arrow.keys import joined, one_key
from dataverse_source.arrow.schema import INTEGER, TEXT

SCHEMA = pa.schema([("key", TEXT), ("version", INTEGER)])


def keys_and_versions(rows: pa.Table, key: Sequence[str], version: str | None) -> pa.Table:
    """Two columns of ``rows``: its keys, and its versions as integers.

    Args:
        rows: of a table.
        key: names of the key columns.
        version: name of the version column: a number, or a time, which becomes whole seconds;
            None: the versions are null.
    """
    if version is None:
        numbers = pa.chunked_array([pa.nulls(rows.num_rows, INTEGER)])
    else:
        numbers = rows[version]
        if pa.types.is_timestamp(numbers.type):
            numbers = pc.cast(numbers, pa.timestamp("s", "UTC"), safe=False)
        numbers = numbers.cast(INTEGER)
    return pa.table([joined(rows, key), numbers], schema=SCHEMA)


def loaded_keys_and_versions(rows: pa.Table | Sequence[Sequence[Any]]) -> pa.Table:
    """The same of loaded rows, as the destination's driver returns them.

    Args:
        rows: the key columns, then the version.
    """
    if isinstance(rows, pa.Table):
        *keys, version = (f"{number}" for number in range(rows.num_columns))
        try:
            return keys_and_versions(rows.rename_columns([*keys, version]), keys, version)
        except pa.ArrowException:  # the user's hints have given a column another type
            rows = list(zip(*(column.to_pylist() for column in rows.columns), strict=True))
    versions = _numbers([row[-1] for row in rows])
    return pa.table([pa.array([one_key(row[:-1]) for row in rows], TEXT), versions], schema=SCHEMA)


def _numbers(versions: Sequence[object]) -> pa.Array:
    try:
        return pa.array(versions, INTEGER)  # most drivers return integers
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return pa.array([_number(version) for version in versions], INTEGER)


def _number(version: object) -> int | None:
    """A version as the destination's driver returns it: whole seconds if it is a time."""
    if isinstance(version, str):
        version = datetime.fromisoformat(version) if "-" in version else int(version)
    if isinstance(version, datetime):
        aware = version if version.tzinfo else version.replace(tzinfo=timezone.utc)
        return int(aware.timestamp() // 1)
    return None if version is None else int(version)  # type: ignore[call-overload]
