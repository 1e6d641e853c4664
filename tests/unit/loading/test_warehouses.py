"""Cloud warehouses, without one: what dlt's own mappers and capabilities make of our tables."""

from __future__ import annotations

from typing import Any

import dlt
import pytest
from dlt.common.schema.typing import TColumnSchema

from dataverse_source.arrow.schema import table_schema
from dataverse_source.metadata.model import Column, Table
from dataverse_source.sync.abilities import Abilities
from tests.support.places import ROOT

WAREHOUSES = [
    "athena",
    "bigquery",
    "clickhouse",
    "databricks",
    "dremio",
    "fabric",
    "motherduck",
    "mssql",
    "redshift",
    "snowflake",
    "synapse",
]
COLUMNS = (
    Column("id", "UniqueidentifierType", is_primary_id=True),
    Column("money", "MoneyType", precision=4),
    Column("user_local", "DateTimeType", date_behavior="UserLocal"),
    Column("wall_clock", "DateTimeType", date_behavior="TimeZoneIndependent"),
    Column("day", "DateTimeType", date_behavior="DateOnly"),
    Column("text", "MemoType"),
    Column("file", "ImageType"),
)


def abilities(name: str) -> Abilities:
    destination = getattr(dlt.destinations, name)()
    return Abilities(name, destination.capabilities())


@pytest.mark.parametrize("name", WAREHOUSES)
def test_the_docs_say_what_a_warehouse_gets(name: str) -> None:
    table = Table("t", "ts", "id", columns=COLUMNS)
    hints = table_schema(table, COLUMNS).hints
    found = abilities(name)
    mapper = found.capabilities.get_type_mapper()
    shown: Any = {"name": "ts", "columns": hints}

    def kind(column: TColumnSchema) -> str:
        return str(mapper.to_destination_type(column, shown))

    names = ("money", "user_local", "wall_clock", "day", "text", "file")
    merges = found.merge_strategy(None) or "none"
    cells = [name, *(f"`{kind(hints[one])}`" for one in names), merges]
    line = f"| {' | '.join(cells)} |"
    assert line in (ROOT / "docs" / "destinations.md").read_text(encoding="utf-8"), line


@pytest.mark.parametrize(
    ("name", "table_format", "strategy"),
    [
        ("athena", None, None),
        ("athena", "iceberg", "delete-insert"),
        ("filesystem", None, None),
        ("filesystem", "delta", "upsert"),
        ("filesystem", "iceberg", "upsert"),
        ("postgres", None, "delete-insert"),
    ],
)
def test_the_strategy_goes_by_the_format(
    name: str, table_format: str | None, strategy: str | None
) -> None:
    given = {"bucket_url": "file:///none"} if name == "filesystem" else {}
    destination = getattr(dlt.destinations, name)(**given)
    found = Abilities(name, destination.capabilities())
    assert found.merge_strategy(table_format) == strategy
