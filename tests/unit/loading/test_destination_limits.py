"""What a destination can't hold is known before a row is read."""

from __future__ import annotations

from datetime import datetime
from types import SimpleNamespace
from typing import Any, cast

import dlt
import pyarrow as pa
import pytest

from dataverse_source import ConfigurationError, DataError
from dataverse_source.arrow.labels import NO_LABELS
from dataverse_source.arrow.schema import table_schema
from dataverse_source.loading.destination_limits import check_limits
from dataverse_source.metadata.model import Column, Table
from dataverse_source.sync.abilities import Abilities
from dataverse_source.sync.context import TableRun
from dataverse_source.sync.write.fitting import check_values, loaded_hints

MYSQL = "mysql+pymysql://root@localhost/mysql"


def run_with(
    destination: str, *columns: Column, address: str | None = None, lengths: bool = False
) -> TableRun:
    key = Column("contactid", "UniqueidentifierType", is_primary_id=True)
    table = Table("contact", "contacts", "contactid", columns=(key, *columns))
    place = getattr(dlt.destinations, destination)(*filter(None, [address]))
    reader = SimpleNamespace(schema=table_schema(table, table.columns, lengths=lengths))
    abilities = Abilities(destination, place.capabilities())
    run: Any = SimpleNamespace(
        name="contacts",
        reader=reader,
        labels=NO_LABELS,
        abilities=abilities,
        column_hints={},
        environment=None,
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


def texts(count: int, length: int = 100) -> list[Column]:
    return [Column(f"new_{one}", "StringType", max_length=length) for one in range(count)]


@pytest.mark.destinations  # dlt needs SQLAlchemy to know which database it is
@pytest.mark.parametrize(
    ("columns", "lengths", "message"),
    [
        (texts(370), False, None),
        (texts(390), False, "bytes a row, and sqlalchemy takes 8,126 a page"),
        (texts(150), True, None),
        (texts(165), True, "takes 65,535"),
        (texts(28, length=63), True, None),
        (texts(33, length=63), True, "8,126 a page"),
    ],
)
def test_bytes_of_a_row_of_mysql(columns: Any, lengths: bool, message: str | None) -> None:
    """MariaDB 10.11 makes tables of 382 texts, of 161 varchar(100) and of 31 varchar(63)."""
    run = run_with("sqlalchemy", *columns, address=MYSQL, lengths=lengths)
    if message is None:
        check_limits(run)
        return
    with pytest.raises(ConfigurationError, match=message) as caught:
        check_limits(run)
    assert ("text_lengths = false" in str(caught.value.remedy)) == lengths
    assert "exclude_columns" in str(caught.value.remedy)


def test_bytes_of_a_row_of_sql_server() -> None:
    money = [Column(f"new_{one}", "MoneyType") for one in range(700)]
    check_limits(run_with("mssql", *money[:600], *texts(300)))
    with pytest.raises(ConfigurationError, match="takes 8,060 for numbers and times"):
        check_limits(run_with("mssql", *money))


@pytest.mark.parametrize(
    ("destination", "address", "shown"),
    [
        ("mssql", None, ["nvarchar(100)", "nvarchar(4000)", "nvarchar(max)"]),
        ("synapse", None, ["nvarchar(100)", "nvarchar(4000)", "nvarchar(max)"]),
        ("redshift", None, ["varchar(300)", "varchar(12000)", "varchar(max)"]),
        ("fabric", None, ["varchar(400)", "varchar(max)", "varchar(max)"]),
        ("snowflake", None, ["VARCHAR(100)", "VARCHAR(4000)", "VARCHAR(100000)"]),
    ],
)
def test_lengths_that_a_destination_takes(
    destination: str, address: str | None, shown: list[str]
) -> None:
    columns = [
        Column(f"new_{length}", "StringType", max_length=length) for length in (100, 4000, 100_000)
    ]
    run = run_with(destination, *columns, address=address, lengths=True)
    assert run.abilities
    mapper = run.abilities.capabilities.get_type_mapper()
    hints = loaded_hints(run.reader.schema.hints, {}, run.abilities)
    table: Any = {"name": "contacts", "columns": hints}
    found = [mapper.to_destination_type(hints[one.name], table) for one in columns]
    assert found == shown


@pytest.mark.parametrize(
    ("destination", "address", "message"),
    [
        ("redshift", None, "text of more than 65,535 bytes, the most that redshift takes"),
        pytest.param(
            "sqlalchemy",
            MYSQL,
            "text of more than 65,535 bytes",
            marks=pytest.mark.destinations,
        ),
        ("clickhouse", None, "a time out of the years 1900 to 2299"),
    ],
)
def test_values_that_a_destination_cuts_or_changes(
    destination: str, address: str | None, message: str
) -> None:
    moments = pa.array([datetime(1950, 1, 1), datetime(1850, 1, 1)], pa.timestamp("us"))
    rows = pa.table({"contactid": ["a", "b"], "memo": ["é" * 32_767, "é" * 32_768], "on": moments})
    abilities = run_with(destination, address=address).abilities
    check_values(rows.slice(0, 1), abilities, "contacts", "contactid")
    with pytest.raises(DataError, match=message) as caught:
        check_values(rows, abilities, "contacts", "contactid")
    assert str(caught.value.where).startswith("contacts b, column ")
    assert "exclude_columns" in str(caught.value.remedy)
    check_values(rows, run_with("snowflake").abilities, "contacts", "contactid")
