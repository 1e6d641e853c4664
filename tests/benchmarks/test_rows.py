from __future__ import annotations

import json
from datetime import timedelta

import pytest

from benchmarks.rows import SECONDS_APART, Rows, created, key, number_at

ROW = (
    b'{"@odata.etag":"W/\\"7\\"","accountid":"00000000-0000-0000-0000-000000000000",'
    b'"name":"a \\"createdon\\":\\"b","createdon":"2020-01-01T00:00:00Z",'
    b'"modifiedon":"2020-01-01T00:00:00Z","versionnumber":7}'
)


def test_rows_have_their_own_keys_times_and_versions() -> None:
    rows = [json.loads(Rows([ROW]).text(number)) for number in (0, 1)]
    first, second = rows
    assert {name for name in first if first[name] != second[name]} == {
        "@odata.etag",
        "accountid",
        "createdon",
        "modifiedon",
        "versionnumber",
    }
    assert first["name"] == 'a "createdon":"b'
    assert second["@odata.etag"] == f'W/"{second["versionnumber"]}"'
    assert second["accountid"] == key(1)


def test_keys_grow_and_are_guids() -> None:
    keys = [key(number) for number in range(0, 5_000_000, 99_999)]
    assert keys == sorted(set(keys))
    assert {tuple(map(len, one.split("-"))) for one in keys} == {(8, 4, 4, 4, 12)}


@pytest.mark.parametrize("number", [0, 1, 17])
def test_a_moment_finds_its_row(number: int) -> None:
    at = created(number)
    assert number_at(at) == number
    assert number_at(at + timedelta(seconds=1)) == number + 1
    assert number_at(at - timedelta(seconds=SECONDS_APART - 1)) == number


def test_a_row_without_its_own_values_is_refused() -> None:
    with pytest.raises(ValueError, match="own values"):
        Rows([b'{"@odata.etag":"W/\\"7\\""}']).text(0)
