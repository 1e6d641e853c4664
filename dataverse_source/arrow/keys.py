"""Sets of keys as Arrow arrays."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from dataverse_source.arrow.schema import TEXT


def no_keys() -> pa.Array:
    """An empty array of keys."""
    return pa.array([], TEXT)


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
