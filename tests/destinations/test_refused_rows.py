"""What PostgreSQL and SQLite refuse or change: never in silence, and never for ever."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import dlt
import pytest

from dataverse_source import DataError, PipelineError, TablesFailedError
from dataverse_source.loading.own_staging import own_layout
from dataverse_source.sandbox import Sandbox
from tests.destinations.conftest import Load
from tests.support.comparing import assert_equal
from tests.support.requests_sent import keys

pytestmark = [pytest.mark.destinations, pytest.mark.slow]

BOTH = ("accounts", "contacts")


def failure(into: Load, destination: Any) -> Any:
    with pytest.raises(TablesFailedError) as failed:
        into(destination, *BOTH)
    (found,) = failed.value.failures.items()
    return found


def test_a_character_that_postgres_refuses(
    into: Load, sandbox: Sandbox, postgres_address: str
) -> None:
    place = dlt.destinations.postgres(postgres_address)
    into(place, *BOTH)
    bad, good = keys(sandbox)[3], keys(sandbox, "contact")[3]
    for number in range(2):  # the second run fails in the same way, and loads the others too
        sandbox.store.update("account", bad, {"description": f"A\0B{number}"})
        sandbox.store.update("contact", good, {"lastname": f"New {number}"})
        table, error = failure(into, place)
        assert table == "accounts"
        assert isinstance(error, DataError)
        assert error.where == f"accounts {bad}, column description"
        assert 'exclude_columns = ["description"]' in str(error.remedy)
    sandbox.store.update("account", bad, {"description": "AB"})
    pipeline, _ = into(place, *BOTH)
    assert_equal(pipeline, sandbox, "accounts")
    assert_equal(pipeline, sandbox, "contacts")


def test_a_package_that_postgres_refuses(
    into: Load, sandbox: Sandbox, postgres_address: str
) -> None:
    """dlt takes what a driver raises during COPY for transient: not a reason to stop all tables."""
    place = dlt.destinations.postgres(postgres_address)
    into(place, *BOTH)
    sandbox.store.update("account", keys(sandbox)[3], {"name": "New"})
    pipeline, _ = into(place, *BOTH)
    with pipeline.sql_client() as client:
        staging = own_layout(pipeline.pipeline_name) % pipeline.dataset_name
        copied_to = f'"{staging}".accounts'
        client.execute_sql(f"ALTER TABLE {copied_to} ADD CHECK (name <> 'Refused')")
    sandbox.store.update("account", keys(sandbox)[3], {"name": "Refused"})
    sandbox.store.update("contact", keys(sandbox, "contact")[3], {"lastname": "New"})
    table, error = failure(into, place)
    assert table == "accounts"
    assert isinstance(error, PipelineError)
    assert not pipeline.has_pending_data
    assert_equal(pipeline, sandbox, "contacts")


def test_empty_text_stays_empty_text(into: Load, sandbox: Sandbox, postgres_address: str) -> None:
    sandbox.store.update("account", keys(sandbox)[3], {"description": ""})
    pipeline, _ = into(dlt.destinations.postgres(postgres_address))
    assert_equal(pipeline, sandbox, "accounts")
    sandbox.store.update("account", keys(sandbox)[4], {"description": ""})
    pipeline, _ = into(dlt.destinations.postgres(postgres_address))
    rows = assert_equal(pipeline, sandbox, "accounts")
    assert [row["description"] for row in rows.values()].count("") == 2


def test_sqlite_keeps_every_digit(into: Load, sandbox: Sandbox, tmp_path: Path) -> None:
    digits = "99999999999.9999999999"
    key = keys(sandbox)[3]
    sandbox.store.update("account", key, {"exchangerate": digits})
    pipeline, _ = into(dlt.destinations.sqlalchemy(f"sqlite:///{tmp_path / 'rows.db'}"))
    with pipeline.sql_client() as client:
        sql = f"SELECT exchangerate FROM accounts WHERE accountid = '{key}'"
        found = (client.execute_sql(sql) or [])[0][0]
        assert (type(found), Decimal(found)) == (str, Decimal(digits))
        sql = "SELECT revenue FROM accounts WHERE revenue LIKE '%E%' OR revenue NOT LIKE '%.%'"
        assert client.execute_sql(sql) == []
