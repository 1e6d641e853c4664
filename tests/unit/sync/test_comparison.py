"""The comparison on disk says what sets in memory say; its digest is the one that is documented."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dataverse_source.sync import comparison as comparison_module
from dataverse_source.sync.comparison import Comparison
from dataverse_source.sync.versions import SCHEMA, keys_and_versions, loaded_keys_and_versions

ROWS = st.dictionaries(st.sampled_from("abcdefghij"), st.integers(0, 3))


def table(rows: dict[str, int]) -> pa.Table:
    columns = {"id": list(rows), "versionnumber": pa.array(rows.values(), pa.int64())}
    return keys_and_versions(pa.table(columns), ["id"], "versionnumber")


def digest(rows: dict[str, int]) -> str:
    parts = [
        int.from_bytes(hashlib.md5(f"{key}:{version}".encode()).digest()[8:], "little")
        for key, version in rows.items()
    ]
    return f"{sum(parts) % 2**64:016x}"


@pytest.fixture(params=[1_000_000, 2], ids=["at once", "in parts"])
def rows_a_part(request: pytest.FixtureRequest) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(comparison_module, "ROWS_A_PART", request.param)
        yield


@pytest.mark.usefixtures("rows_a_part")
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ROWS, ROWS, ROWS, st.sets(st.sampled_from("abcdefghij")))
def test_differences_are_those_of_sets(
    there: dict[str, int], loaded: dict[str, int], written: dict[str, int], deleted: set[str]
) -> None:
    deleted -= written.keys()
    after = {**loaded, **written}
    after = {key: version for key, version in after.items() if key not in deleted}
    with Comparison() as comparison:
        comparison.add_loaded(loaded_keys_and_versions(list(loaded.items())))
        comparison.add_written(table(written))
        comparison.add_written(table(dict.fromkeys(deleted, 0)), deleted=True)
        comparison.add_dataverse(table(there))
        counts = comparison.differences()
        found = {
            kind: {key for keys in comparison.keys([kind]) for key in keys.to_pylist()}
            for kind in counts
        }
        ours, theirs = comparison.fingerprints()
    assert found["missing"] == there.keys() - after.keys() - deleted
    assert found["extra"] == after.keys() - there.keys()
    assert found["outdated"] == {
        key for key in there.keys() & after.keys() if there[key] != after[key]
    }
    assert counts == {kind: len(keys) for kind, keys in found.items()}
    assert (ours.rows, ours.digest) == (len(there), digest(there))
    assert (theirs.rows, theirs.digest) == (len(after), digest(after))


def test_rows_that_are_loaded_twice_are_outdated() -> None:
    with Comparison() as comparison:
        comparison.add_loaded(loaded_keys_and_versions([("a", 1), ("a", 1)]))
        comparison.add_dataverse(table({"a": 1}))
        assert comparison.differences() == {"missing": 0, "outdated": 1, "extra": 0}


def test_keys_are_compared_alone_where_there_are_no_versions() -> None:
    with Comparison(versions=False) as comparison:
        comparison.add_loaded(loaded_keys_and_versions([("a", None), ("b", None)]))
        comparison.add_written(table({"b": 4}))
        comparison.add_dataverse(table({"a": 1, "b": 2, "c": 3}))
        assert comparison.differences() == {"missing": 1, "outdated": 0, "extra": 0}


@pytest.mark.parametrize(
    "loaded",
    [
        datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc),
        datetime(2026, 1, 2, 3, 4, 5),
        "2026-01-02 03:04:05+00:00",
        "2026-01-02 03:04:05",
    ],
)
def test_times_are_the_same_however_a_driver_returns_them(loaded: object) -> None:
    when = pa.array([datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)], pa.timestamp("us", "UTC"))
    rows = keys_and_versions(pa.table({"id": ["a"], "modifiedon": when}), ["id"], "modifiedon")
    with Comparison() as comparison:
        comparison.add_loaded(loaded_keys_and_versions([("a", loaded)]))
        comparison.add_dataverse(rows)
        assert not any(comparison.differences().values())


def test_versions_that_are_swapped_among_rows_are_found() -> None:
    rows = {f"{number:04}": number for number in range(4000)}
    swapped = {**rows, "0007": rows["3000"], "3000": rows["0007"]}
    with Comparison() as comparison:
        comparison.add_loaded(table(rows))
        comparison.add_dataverse(table(rows))
        assert comparison.differences() == {"missing": 0, "outdated": 0, "extra": 0}
        ours, theirs = comparison.fingerprints()
        assert ours.digest == theirs.digest == digest(rows)
        comparison.restart_dataverse()
        comparison.add_dataverse(table(swapped))
        assert comparison.differences() == {"missing": 0, "outdated": 2, "extra": 0}
        assert comparison.gone_back() == 1
        ours, theirs = comparison.fingerprints()
    assert (ours.digest, theirs.digest) == (digest(swapped), digest(rows))


def test_suspects_are_outdated_although_both_sides_are_the_same() -> None:
    with Comparison() as comparison:
        comparison.add_loaded(table({"a": 1, "b": 2}))
        comparison.add_dataverse(table({"a": 1, "b": 2}))
        comparison.add_suspects(pa.array(["b"], pa.string()))
        assert comparison.differences() == {"missing": 0, "outdated": 1, "extra": 0}


MOMENT = datetime(2026, 1, 2, 3, 4, 5, 600_000, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("loaded", "expected"),
    [
        (pa.table([["a"], pa.array([7], pa.int64())], names=["k", "v"]), ("a", 7)),
        (pa.table([["a"], pa.array([None], pa.int32())], names=["k", "v"]), ("a", None)),
        (pa.table([["a"], ["7"]], names=["k", "v"]), ("a", 7)),
        (pa.table([["a"], [MOMENT]], names=["k", "v"]), ("a", 1767323045)),
        (pa.table([["a"], ["2026-01-02 03:04:05"]], names=["k", "v"]), ("a", 1767323045)),
        (pa.table([["a"], [None], [7]], names=["k", "k", "v"]), ("a ", 7)),
        ([("a", "p", 7)], ("a p", 7)),
    ],
)
def test_what_drivers_return(loaded: Any, expected: tuple[str, int | None]) -> None:
    found = loaded_keys_and_versions(loaded)
    assert found.schema == SCHEMA
    assert [tuple(row.values()) for row in found.to_pylist()] == [expected]


def test_many_differences_come_in_chunks_and_each_once() -> None:
    with Comparison() as comparison:
        comparison.add_dataverse(table({f"{number:06}": number for number in range(12_000)}))
        comparison.differences()
        chunks = list(comparison.keys(["missing"]))
        some = list(comparison.keys(["missing"], 700))
    assert [len(one) for one in chunks] == [5000, 5000, 2000]
    assert len(pa.concat_arrays(chunks).unique()) == 12_000
    assert sum(map(len, some)) == 700
