"""What a destination can't hold is known before a row is read."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import dlt
import pytest

from dataverse_source import ConfigurationError
from dataverse_source.arrow.labels import NO_LABELS
from dataverse_source.arrow.schema import table_schema
from dataverse_source.loading.destination_limits import check_limits
from dataverse_source.metadata.model import Column, Table
from dataverse_source.sync.abilities import Abilities
from dataverse_source.sync.context import TableRun


def run_with(destination: str, *columns: Column, address: str | None = None) -> TableRun:
    key = Column("contactid", "UniqueidentifierType", is_primary_id=True)
    table = Table("contact", "contacts", "contactid", columns=(key, *columns))
    place = getattr(dlt.destinations, destination)(*filter(None, [address]))
    reader = SimpleNamespace(schema=table_schema(table, table.columns))
    abilities = Abilities(destination, place.capabilities())
    run: Any = SimpleNamespace(
        name="contacts", reader=reader, labels=NO_LABELS, abilities=abilities
    )
    return cast(TableRun, run)


@pytest.mark.parametrize(
    ("destination", "most"), [("mssql", 1024), ("redshift", 1600), ("bigquery", 10_000)]
)
def test_columns_of_a_table(destination: str, most: int) -> None:
    columns = [Column(f"new_{number}", "StringType") for number in range(most)]
    check_limits(run_with(destination, *columns[: most - 5]))
    with pytest.raises(ConfigurationError, match=f"takes {most:,} a table") as caught:
        check_limits(run_with(destination, *columns))
    assert "exclude_columns" in str(caught.value.remedy)


def test_dates_that_become_others() -> None:
    birth = Column("birthdate", "DateTimeType", date_behavior="DateOnly")
    check_limits(run_with("postgres", birth, address="postgresql://a:b@localhost/x"))
    with pytest.raises(ConfigurationError, match="turns those before 1970 into other days"):
        check_limits(run_with("clickhouse", birth))
