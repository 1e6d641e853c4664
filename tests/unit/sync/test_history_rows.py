"""What is given to a table with its history: each key once, and a digest of each row."""

from __future__ import annotations

import contextlib
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from dataverse_source.sync.context import DeletedKeys, RowBatch, SyncSteps
from dataverse_source.sync.read.table_reader import VERSION
from dataverse_source.sync.state import TableState
from dataverse_source.sync.write.history import newest, row_versions


def _outputs(given: list[list[tuple[str, int, str]] | list[str]]) -> SyncSteps:
    for batch in given:
        if batch and isinstance(batch[0], str):
            yield DeletedKeys(pa.array(batch, pa.string()))
        else:
            columns = [list(column) for column in zip(*batch, strict=True)] or [[], [], []]
            types = (pa.string(), pa.int64(), pa.string())
            arrays = [pa.array(one, kind) for one, kind in zip(columns, types, strict=True)]
            yield RowBatch(pa.table(dict(zip(("key", VERSION, "name"), arrays, strict=True))))
    return TableState(mode="changes")


KEY = st.sampled_from(["a", "b", "c", "d"])
BATCH = st.lists(st.tuples(KEY, st.integers(0, 5), st.sampled_from(["x", "y"])), max_size=6)


@given(batches=st.lists(st.one_of(BATCH, st.lists(KEY, min_size=1, max_size=3)), max_size=6))
def test_each_key_comes_once_in_its_newest_form(batches: list[Any]) -> None:
    newest_of: dict[str, tuple[int, str]] = {}
    gone: set[str] = set()
    for batch in batches:
        for row in batch:
            if isinstance(row, str):
                gone.add(row)
            elif row[0] not in newest_of or row[1] >= newest_of[row[0]][0]:
                newest_of[row[0]] = row[1:]
    rows: list[Any] = []
    ended: list[str] = []
    steps = newest(_outputs(batches), "key")
    with contextlib.suppress(StopIteration):
        while True:
            output = next(steps)
            if isinstance(output, RowBatch):
                rows += [tuple(row.values()) for row in output.table.to_pylist()]
            else:
                ended += output.keys.to_pylist()
    assert sorted(ended) == sorted(gone)
    expected = [(key, *row) for key, row in newest_of.items() if key not in gone]
    assert sorted(rows) == sorted(expected)


def test_a_digest_tells_contents_apart() -> None:
    def digests(**columns: Any) -> list[str]:
        return row_versions(pa.table(columns)).to_pylist()  # type: ignore[no-any-return]

    one, two, three = digests(a=["x", None, "x;b:1:y"], b=["y", "x", None])
    assert len({one, two, three}) == 3
    assert digests(b=["y"], a=["x"]) == [one]
    assert digests(b=["x"], a=pa.nulls(1, pa.string()), c=pa.nulls(1, pa.date32())) == [two]
    money = pa.array([Decimal("1.50")], pa.decimal128(25, 10))
    when = datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=timezone.utc)
    every = {
        "a": pa.array([when], pa.timestamp("us", "UTC")),
        "b": pa.array([when.date()]),
        "c": money,
        "d": pa.array([b"\xff\x00"]),
        "e": pa.array([1.5]),
        "f": pa.array([True]),
        "g": pa.array([7]),
    }
    whole = digests(**every)
    others = {
        "a": pa.array([when.replace(microsecond=7)], pa.timestamp("us", "UTC")),
        "b": pa.array([when.date().replace(day=3)]),
        "c": pa.array([Decimal("1.51")], pa.decimal128(25, 10)),
        "d": pa.array([b"\xff\x01"]),
        "e": pa.array([1.5000000000000002]),
        "f": pa.array([False]),
        "g": pa.array([8]),
    }
    for name, value in others.items():
        assert digests(**{**every, name: value}) != whole, name
