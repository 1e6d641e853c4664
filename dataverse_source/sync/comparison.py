"""Compares the keys and versions of a table in Dataverse with those in the destination.

A DuckDB database holds both sides. It moves what exceeds `MEMORY` to a temporary folder, so memory
stays flat however many rows there are.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import pyarrow as pa

from dataverse_source.arrow.schema import TEXT
from dataverse_source.sync.temporary_database import TemporaryDatabase

ROWS_A_PART = 500_000
"""Rows of a side that are joined at once. DuckDB's joins of more than some millions of rows fail in
so little memory, although they are said to go on on disk."""

SAMPLED = 50
"""Keys of a part that tell where it ends."""

CHUNK = 5_000
"""Keys of differences that are returned at once."""

Kind = Literal["missing", "outdated", "extra"]

_TABLES = """
CREATE TEMP TABLE dataverse (key VARCHAR, version BIGINT);
CREATE TEMP TABLE loaded (key VARCHAR, version BIGINT);
CREATE TEMP TABLE written (key VARCHAR, version BIGINT, deleted BOOLEAN, digest VARCHAR);
CREATE TEMP TABLE kept (key VARCHAR);
CREATE TEMP TABLE suspects (key VARCHAR);
CREATE TEMP TABLE differences (key VARCHAR, kind VARCHAR);
"""

_BUCKET = "hash(key) % 1024"
"""The number of a key's bucket: a difference of a few rows is in a few of them."""

_one_join = threading.Lock()
"""All comparisons of a process share the memory of one database."""

_SIDES = ("dataverse", "loaded")

_KEYS_ONLY = ("kept", "suspects")

_DESTINATION = """
SELECT key, version FROM loaded ANTI JOIN written USING (key) ANTI JOIN kept USING (key)
UNION ALL
SELECT key, max(version) FROM written GROUP BY key HAVING NOT bool_or(deleted)
"""
"""What the destination holds once this run's rows are loaded."""


@dataclass(frozen=True)
class Fingerprint:
    """The rows of one side.

    Attributes:
        rows: how many.
        digest: 16 hexadecimal digits, the same for the same keys and versions in any order: the
            sum, modulo 2**64, of the last 8 bytes (little-endian) of MD5 of ``key:version``.
    """

    rows: int
    digest: str


class Comparison:
    """Keys and versions of both sides, until the end of a ``with`` block.

    Args:
        versions: whether versions are compared, or keys alone.
        newest_wins: whether the destination takes the newest of several rows of one key that this
            run writes. If not, keys that this run has written are not among the differences.

    Attributes:
        begins_anew: rows that this run deletes so that the next load package reads them again.
        has_written: whether this run writes or deletes any rows.
    """

    def __init__(self, *, versions: bool = True, newest_wins: bool = True) -> None:
        self.begins_anew = 0
        self.has_written = False
        self._are_same = False
        self._ranges: list[str] | None = None
        self._versions = versions
        self._settled = "written WHERE deleted" if newest_wins else "written"
        self._database = TemporaryDatabase(_TABLES)

    def __enter__(self) -> Comparison:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    def add_loaded(self, rows: pa.Table) -> None:
        """Adds rows of the destination, from `loaded_keys_and_versions`."""
        self._insert("loaded", rows)

    def add_dataverse(self, rows: pa.Table) -> None:
        """Adds rows of Dataverse, from `keys_and_versions`."""
        self._insert("dataverse", rows)

    def add_written(
        self, rows: pa.Table, *, deleted: bool = False, digests: pa.Array | None = None
    ) -> None:
        """Adds rows that this run writes or deletes.

        Args:
            rows: from `keys_and_versions`.
            deleted: whether it deletes them.
            digests: of the rows' contents, for `rewritten`.
        """
        self.has_written |= rows.num_rows > 0
        flags = pa.array([deleted] * rows.num_rows, pa.bool_())
        told = pa.nulls(rows.num_rows, TEXT) if digests is None else digests
        self._insert("written", rows.append_column("deleted", flags).append_column("digest", told))

    def rewritten(self) -> Iterator[pa.Table]:
        """Key and digest of written rows that are loaded more than once or in another version."""
        found = self._database.ask(
            """
            SELECT DISTINCT written.key, written.digest FROM written JOIN (
                SELECT key, max(version) AS version, count(*) AS times FROM loaded GROUP BY key
            ) AS there USING (key)
            WHERE written.digest IS NOT NULL
                AND (there.times > 1 OR there.version IS DISTINCT FROM written.version)
            """
        )
        for start in range(0, len(found), CHUNK):
            keys, digests = zip(*found[start : start + CHUNK], strict=True)
            yield pa.table({"key": pa.array(keys, TEXT), "digest": pa.array(digests, TEXT)})

    def add_kept(self, keys: pa.Array) -> None:
        """Adds keys of rows that stay although Dataverse does not have them."""
        self._insert("kept", pa.table({"key": keys}))

    def add_suspects(self, keys: pa.Array) -> None:
        """Adds keys of rows that are outdated whatever their versions are."""
        self._insert("suspects", pa.table({"key": keys}))

    def look_again(self, keys: pa.Array, found: pa.Table) -> None:
        """Replaces what is known of Dataverse's rows with these keys by ``found``."""
        deleted = "DELETE FROM dataverse WHERE key IN (SELECT key FROM batch)"
        self._database.ask_of(pa.table({"key": keys}), deleted)
        self.add_dataverse(found)

    def restart_dataverse(self) -> None:
        """Removes Dataverse's side, to be read again."""
        self._are_same, self._ranges = False, None
        self._database.ask("TRUNCATE dataverse")

    def differences(self) -> dict[Kind, int]:
        """How many keys differ, by kind.

        ``missing`` are not in the destination, ``outdated`` have another version there, are there
        more than once or are suspects, ``extra`` are not in Dataverse.
        """
        self._database.ask("TRUNCATE differences")
        different = self._different_buckets()
        for part in self._parts() if different is None else different:
            with _one_join:
                self._database.ask(
                    f"""
                    WITH destination AS (
                        SELECT key, max(version) AS version, count(*) AS times
                        FROM ({_DESTINATION}) WHERE {part} GROUP BY key
                    )
                    INSERT INTO differences
                    SELECT coalesce(a.key, b.key), CASE
                        WHEN b.key IS NULL THEN 'missing'
                        WHEN a.key IS NULL THEN 'extra'
                        ELSE 'outdated' END
                    FROM (SELECT * FROM dataverse WHERE {part}) AS a
                    FULL JOIN destination AS b ON a.key = b.key
                    WHERE (a.key IS NULL OR b.key IS NULL OR b.times > 1
                        OR a.version IS DISTINCT FROM b.version
                        OR a.key IN (SELECT key FROM suspects))
                        AND coalesce(a.key, b.key) NOT IN (SELECT key FROM {self._settled})
                    """  # noqa: S608
                )
        counts: dict[Kind, int] = {"missing": 0, "outdated": 0, "extra": 0}
        counts |= dict(self._database.ask("SELECT kind, count(*) FROM differences GROUP BY kind"))
        self._are_same = different == []
        return counts

    def _different_buckets(self) -> list[str] | None:
        """The condition of the keys in buckets that differ; none if all are the same.

        Keys that are scattered over buckets tell in one pass, without a join, in which of them
        both sides have the same rows.

        Returns:
            None if it is not worth it: this run has written too many rows, or too many differ.
        """
        if self._count("written") > ROWS_A_PART:
            return None
        sums = (
            f"SELECT {_BUCKET} AS bucket, count(*) AS rows, sum(hash(key, version)) AS one, "
            "bit_xor(hash(version, key)) AS other"
        )
        with _one_join:
            found = self._database.ask(
                f"""
                SELECT coalesce(a.bucket, b.bucket), coalesce(greatest(a.rows, b.rows), 0)
                FROM ({sums} FROM dataverse GROUP BY ALL) AS a
                FULL JOIN ({sums} FROM ({_DESTINATION}) GROUP BY ALL) AS b ON a.bucket = b.bucket
                WHERE a.rows IS DISTINCT FROM b.rows OR a.one IS DISTINCT FROM b.one
                    OR a.other IS DISTINCT FROM b.other
                UNION ALL SELECT DISTINCT {_BUCKET}, 0 FROM suspects
                """  # noqa: S608
            )
        if sum(rows for _, rows in found) > ROWS_A_PART:
            return None
        numbers = ", ".join(str(bucket) for bucket, _ in found)
        return [f"{_BUCKET} IN ({numbers})"] if found else []

    def gone_back(self) -> int:
        """How many rows have a lower version in Dataverse than in the destination.

        Only rows that differ, or that this run writes, can have one.
        """
        touched = "SELECT key FROM differences UNION ALL SELECT key FROM written"
        few = self._database.number(f"SELECT count(*) FROM ({touched})") <= ROWS_A_PART  # noqa: S608
        found = 0
        for part in ["true"] if few else self._parts():
            narrowed = f"SEMI JOIN ({touched}) AS touched USING (key) WHERE {part}"
            with _one_join:
                found += self._database.number(
                    f"SELECT count(*) FROM (SELECT * FROM dataverse {narrowed}) AS a "  # noqa: S608
                    f"JOIN (SELECT * FROM loaded {narrowed}) AS b USING (key) "
                    "WHERE a.version < b.version"
                )
        return found

    def _parts(self) -> list[str]:
        """Conditions that each hold for about `ROWS_A_PART` rows of a side."""
        if self._ranges is None:
            counts = {one: self._count(one) for one in _SIDES}
            larger = max(_SIDES, key=lambda one: counts[one])
            self._ranges = self._split(larger, counts[larger] // ROWS_A_PART + 1)
        return self._ranges

    def _split(self, table: str, parts: int) -> list[str]:
        """Ranges of keys, so many in all, that are equally many rows in ``table``."""
        if parts == 1:
            return ["true"]
        for one in (*_SIDES, "written"):  # in order, the rows of a range stand side by side
            self._database.ask(f"CREATE TEMP TABLE sorted AS SELECT * FROM {one} ORDER BY key")  # noqa: S608
            self._database.ask(f"DROP TABLE {one}")
            self._database.ask(f"ALTER TABLE sorted RENAME TO {one}")
        sample = f"SELECT key FROM {table} USING SAMPLE reservoir({parts * SAMPLED} ROWS)"  # noqa: S608
        keys = sorted(key for (key,) in self._database.ask(sample))
        bounds = [_quoted(keys[len(keys) * part // parts]) for part in range(1, parts)]
        between = [f"key >= {low} AND key < {high}" for low, high in pairwise(bounds)]
        return [f"key < {bounds[0]}", *between, f"key >= {bounds[-1]}"]

    def _count(self, table: str) -> int:
        return self._database.number(f"SELECT count(*) FROM {table}")  # noqa: S608

    def keys(self, kinds: Iterable[Kind], most: int | None = None) -> Iterator[pa.Array]:
        """The keys that differ, in chunks.

        Args:
            kinds: of differences.
            most: keys to return; None: all.
        """
        limit = "" if most is None else f"LIMIT {most}"
        wanted = ", ".join(f"'{kind}'" for kind in kinds)
        last = ""
        while True:
            found = self._database.ask(
                f"SELECT key FROM (SELECT key FROM differences WHERE kind IN ({wanted}) "  # noqa: S608
                f"ORDER BY key {limit}) WHERE key > ? ORDER BY key LIMIT {CHUNK}",
                [last],
            )
            if not found:
                return
            last = found[-1][0]
            yield pa.array([key for (key,) in found], TEXT)

    def count(self) -> int:
        """How many rows Dataverse has."""
        return self._count("dataverse")

    def fingerprints(self) -> tuple[Fingerprint, Fingerprint]:
        """The rows of Dataverse, and of the destination once this run's rows are loaded."""
        dataverse = self._fingerprint("SELECT * FROM dataverse")
        if self._are_same:  # row by row: the other side's digest, which takes longest, is the same
            return dataverse, dataverse
        return dataverse, self._fingerprint(_DESTINATION)

    def _fingerprint(self, rows: str) -> Fingerprint:
        text = "key || ':' || coalesce(version::VARCHAR, '')"
        ((count, total),) = self._database.ask(
            f"SELECT count(*), coalesce(sum(md5_number_lower({text})), 0) FROM ({rows})"  # noqa: S608
        )
        return Fingerprint(int(count), f"{int(total) % 2**64:016x}")

    def _insert(self, table: str, rows: pa.Table) -> None:
        self._are_same = False
        shown = "*" if self._versions or table in _KEYS_ONLY else "* REPLACE (NULL AS version)"
        self._database.add(table, rows, shown)


def _quoted(key: str) -> str:
    return "'" + key.replace("'", "''") + "'"
