"""dlt's schema contracts: what becomes of a new column that the user does not want."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dlt
import pytest

from dataverse_source import PipelineError, dataverse, load
from dataverse_source.credentials import DataverseCredentials
from dataverse_source.sandbox import Sandbox
from dataverse_source.sandbox.schema import schema_changes
from dataverse_source.sandbox.schema.tables import Column
from tests.support.comparing import RowBatch, assert_equal, destination_rows
from tests.support.requests_sent import keys

pytestmark = pytest.mark.slow

NewPipeline = Callable[[], dlt.Pipeline]
RunUnder = Callable[..., RowBatch]


@pytest.fixture
def run_under(
    sandbox: Sandbox, credentials: DataverseCredentials, new_pipeline: NewPipeline
) -> RunUnder:
    """Loads accounts under a contract for columns; gives the rows that are loaded then."""

    def run(contract: str, tables: str = "evolve") -> RowBatch:
        source = dataverse(
            environment_url=sandbox.environment_url,
            tables=["accounts"],
            credentials=credentials,
            ca_bundle=sandbox.ca_bundle,
        )
        given: Any = {"columns": contract, "tables": tables}
        source.schema_contract = given
        load(new_pipeline(), source)
        if "accounts" not in new_pipeline().default_schema.tables:
            return {}
        return destination_rows(new_pipeline(), "accounts", "accountid")

    return run


def change(sandbox: Sandbox) -> tuple[str, str]:
    """A new column, with a value in one row; another row is deleted. Returns both keys."""
    column = Column("new_code", "String")
    schema = schema_changes.with_column(sandbox.store.schema, "account", column)
    sandbox.store.change_schema(schema)
    changed, deleted, *_ = keys(sandbox)
    sandbox.store.update("account", changed, {"new_code": "x", "name": "Changed"})
    sandbox.store.delete("account", deleted)
    return changed, deleted


def test_a_frozen_table_fails_until_it_may_change(
    run_under: RunUnder, sandbox: Sandbox, new_pipeline: NewPipeline
) -> None:
    before = run_under("freeze")
    changed, _ = change(sandbox)
    with pytest.raises(PipelineError, match="new_code"):
        run_under("freeze")
    assert destination_rows(new_pipeline(), "accounts", "accountid") == before
    assert run_under("evolve")[changed]["new_code"] == "x"
    assert_equal(new_pipeline(), sandbox, "accounts")


def test_values_of_unwanted_columns_are_left_out(
    run_under: RunUnder, sandbox: Sandbox, new_pipeline: NewPipeline
) -> None:
    run_under("discard_value")
    changed, _ = change(sandbox)
    for _ in range(2):
        rows = run_under("discard_value")
        assert rows.keys() == set(keys(sandbox))
        assert rows[changed]["name"] == "Changed"
        assert "new_code" not in rows[changed]
    assert run_under("evolve")[changed]["new_code"] == "x"
    assert_equal(new_pipeline(), sandbox, "accounts")


def test_rows_with_unwanted_values_are_left_out(
    run_under: RunUnder, sandbox: Sandbox, new_pipeline: NewPipeline
) -> None:
    run_under("discard_row")
    changed, _ = change(sandbox)
    assert run_under("discard_row").keys() == set(keys(sandbox)) - {changed}
    assert run_under("evolve")[changed]["new_code"] == "x"
    assert_equal(new_pipeline(), sandbox, "accounts")


def test_a_table_that_was_unwanted_comes_when_it_is_wanted(
    run_under: RunUnder, sandbox: Sandbox, new_pipeline: NewPipeline
) -> None:
    for _ in range(2):
        assert run_under("evolve", tables="discard_value") == {}
    assert run_under("evolve").keys() == set(keys(sandbox))
    assert_equal(new_pipeline(), sandbox, "accounts")
