"""DuckLake with other catalogs; the matrix has a DuckDB file."""

from __future__ import annotations

from pathlib import Path

import pytest

from dataverse_source.sandbox import Sandbox
from tests.destinations import ducklake
from tests.destinations.comparing import assert_rows
from tests.destinations.conftest import Load
from tests.support.requests_sent import keys

pytestmark = [
    pytest.mark.destinations,
    pytest.mark.slow,
    pytest.mark.filterwarnings("default"),  # those of the drivers
]


@pytest.mark.parametrize("catalog", ["sqlite", "postgres"])
def test_a_catalog(
    catalog: str, into: Load, sandbox: Sandbox, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if ducklake.run_again(request.node, tmp_path):
        return
    place, rows = ducklake.lake(catalog, tmp_path, request.getfixturevalue)
    tables = {"account": "accounts", "new_setting": "new_settings"}
    for _ in range(5):
        sandbox.store.create("new_setting", {})
    for number in range(2):
        if number:  # the tables are compared side by side
            for table in tables:
                sandbox.store.delete(table, keys(sandbox, table)[0])
            sandbox.store.update("account", keys(sandbox)[0], {"revenue": "99999999.0001"})
        pipeline, report = into(place, *tables.values(), reconcile_interval=0)
        for table, name in tables.items():
            assert_rows(rows(pipeline, name), sandbox, table)
        assert {one.rows_now for one in report.tables} == {
            len(keys(sandbox, table)) for table in tables
        }
