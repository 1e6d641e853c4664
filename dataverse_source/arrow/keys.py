"""Sets of keys as Arrow arrays."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from dataverse_source.arrow.schema import GUID_LENGTH, TEXT

BETWEEN = " "
"""Between the columns of a key in one text."""

_ANY_GUID = r"^\s*[{(]?([0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})[})]?\s*$"
"""In all spellings that .NET knows but the one without hyphens."""


def no_keys() -> pa.Array:
    """An empty array of keys."""
    return pa.array([], TEXT)


def joined(rows: pa.Table, names: Sequence[str]) -> pa.ChunkedArray:
    """The key of each row as one text, see `one_key`.

    Args:
        rows: with the columns ``names``.
        names: of the key columns.
    """
    parts = [rows[name].cast(TEXT) for name in names]
    if len(parts) == 1:
        return parts[0]
    return pc.binary_join_element_wise(*parts, BETWEEN, null_handling="replace")


def plain_ids(ids: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """Ids as Dataverse writes most of them: without braces and blanks, in small letters.

    Some deletions and some providers of virtual tables write them differently. What is no id stays
    as it is.
    """
    is_long = (pc.max(pc.binary_length(ids)).as_py() or 0) > GUID_LENGTH
    if not is_long and not pc.any(pc.not_equal(pc.ascii_lower(ids), ids)).as_py():
        return ids
    bare = pc.ascii_lower(pc.replace_substring_regex(ids, _ANY_GUID, r"\1"))
    return pc.if_else(pc.match_substring_regex(ids, _ANY_GUID), bare, ids)


def one_key(values: Sequence[object]) -> str:
    """The values of a key as one text: an id, or an id and a partition."""
    return BETWEEN.join("" if one is None else str(one) for one in values)


def first_parts(keys: Sequence[str]) -> list[str]:
    """The ids of keys that `joined` made, each once; an id has no blank."""
    return list(dict.fromkeys(key.partition(BETWEEN)[0] for key in keys))


def concat(chunks: Sequence[pa.Array | pa.ChunkedArray]) -> pa.Array:
    """The values of all chunks in one array."""
    arrays: list[pa.Array] = []
    for chunk in chunks:
        arrays += chunk.chunks if isinstance(chunk, pa.ChunkedArray) else [chunk]
    return pa.concat_arrays(arrays) if arrays else no_keys()


def difference(keys: pa.Array, others: pa.Array) -> pa.Array:
    """The keys that are not among ``others``, each once."""
    return pc.unique(keys.filter(pc.invert(pc.is_in(keys, value_set=others))))


def intersection(keys: pa.Array, others: pa.Array) -> pa.Array:
    """The keys that are also among ``others``, each once."""
    return pc.unique(keys.filter(pc.is_in(keys, value_set=others)))
