"""Buckets of tables: a fixed share of the tables for each of several processes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from dataverse_source.metadata.model import Table

Bucket = tuple[int, int]
"""Number of the bucket, from 0, and how many there are."""


def bucket_of(logical_name: str, count: int) -> int:
    """The bucket that a table is in, which never changes while there are as many buckets.

    Args:
        logical_name: of the table.
        count: how many buckets there are.
    """
    digest = hashlib.sha256(logical_name.lower().encode()).digest()
    return int.from_bytes(digest[:8], "big") % count


def is_in(name: str, bucket: Bucket | None) -> bool:
    """Whether a logical name, or the name of a query, leads to the bucket; True if it is None."""
    return bucket is None or bucket_of(name, bucket[1]) == bucket[0]


def in_bucket(tables: Iterable[Table], bucket: Bucket | None) -> list[Table]:
    """The tables that are in the bucket; all of them if it is None."""
    return [one for one in tables if is_in(one.logical_name, bucket)]
