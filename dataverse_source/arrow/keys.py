"""Sets of keys as Arrow arrays."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from dataverse_source.arrow.schema import GUID_LENGTH, TEXT

BETWEEN = " "
"""Between the columns of a key in one text."""

_DIGITS = "-?".join(f"([0-9A-Fa-f]{{{count}}})" for count in (8, 4, 4, 4, 12))
_ANY_GUID = rf"^\s*[{{(]?{_DIGITS}[)}}]?\s*$"
"""In all spellings that .NET has for it, with or without hyphens."""

_IN_AN_ADDRESS = r"^.*\(([^()]*)\)\s*$"
"""An entity's address, absolute or relative, which ends with its id: ``accounts(<id>)``."""


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
    """Ids as Dataverse writes most of them: with hyphens, without braces, in small letters.

    Some deletions and some providers of virtual tables write them differently. What is no id stays
    as it is.
    """
    lengths = pc.min_max(pc.binary_length(ids)).as_py()
    is_plain = set(lengths.values()) <= {GUID_LENGTH, None}
    if is_plain and not pc.any(pc.not_equal(pc.ascii_lower(ids), ids)).as_py():
        return ids
    bare = pc.ascii_lower(pc.replace_substring_regex(ids, _ANY_GUID, r"\1-\2-\3-\4-\5"))
    return pc.if_else(pc.match_substring_regex(ids, _ANY_GUID), bare, ids)


def ids_of_deleted(ids: pa.Array) -> pa.Array:
    """The ids of deleted rows, as `plain_ids`; also of addresses.

    OData's docs (``ODataDeltaDeletedEntry.Id``): the id "may be absolute or relative".
    """
    return plain_ids(pc.replace_substring_regex(ids, _IN_AN_ADDRESS, r"\1"))


def no_ids(ids: pa.Array) -> pa.Array:
    """Those of the texts that are no id in any spelling; null is none of them."""
    return ids.filter(pc.invert(pc.match_substring_regex(ids, _ANY_GUID)))


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
