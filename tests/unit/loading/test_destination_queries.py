"""Questions to the destination: as few as will do, and each table has its own answer."""

from __future__ import annotations

from typing import Any

import dlt
import pytest
from dlt.destinations.impl.duckdb.sql_client import DuckDbSqlClient

from dataverse_source.loading.destination_queries import row_counts
from tests.support.loads import NewPipeline


@pytest.fixture
def loaded(new_pipeline: NewPipeline) -> dlt.Pipeline:
    """Three tables, of one, two and three rows."""
    pipeline = new_pipeline()
    tables = {"a": 1, "b": 2, "c": 3}
    for name, rows in tables.items():
        pipeline.run([{"number": number} for number in range(rows)], table_name=name)
    return pipeline


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The SQL that was sent."""
    sent: list[str] = []
    execute = DuckDbSqlClient.execute_sql

    def noted(self: DuckDbSqlClient, sql: Any, *args: Any, **kwargs: Any) -> Any:
        sent.append(str(sql))
        return execute(self, sql, *args, **kwargs)

    monkeypatch.setattr(DuckDbSqlClient, "execute_sql", noted)
    return sent


def test_the_rows_of_all_tables_are_counted_by_one_query(
    loaded: dlt.Pipeline, asked: list[str]
) -> None:
    assert row_counts(loaded, ["c", "a", "b"]) == {"c": 3, "a": 1, "b": 2}
    assert len(asked) == 1
    assert row_counts(loaded, ["a", "b"], "number > 0") == {"a": 0, "b": 1}
    assert len(asked) == 2
    assert row_counts(loaded, []) == {}
    assert len(asked) == 2


def test_a_table_that_is_missing_has_no_rows_and_the_others_theirs(loaded: dlt.Pipeline) -> None:
    with loaded.sql_client() as client:
        client.execute_sql("DROP TABLE b")
    assert row_counts(loaded, ["a", "b", "c"]) == {"a": 1, "b": 0, "c": 3}
