"""Every column type through a real pipeline into DuckDB: types, values, nothing to warn of."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from datetime import date, datetime, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import dlt
import pytest

from dataverse_source.arrow.decode import decode_page
from dataverse_source.arrow.schema import table_schema
from dataverse_source.metadata.model import Column, Table

COLUMNS = (
    Column("accountid", "UniqueidentifierType", is_primary_id=True),
    Column("name", "StringType"),
    Column("versionnumber", "BigIntType"),
    Column("statecode", "StateType"),
    Column("merged", "BooleanType"),
    Column("exchangerate", "DecimalType", precision=12),
    Column("share", "DecimalType", precision=2),
    Column("revenue", "MoneyType", precision=2),
    Column("address1_latitude", "DoubleType", precision=5),
    Column("founded", "DateTimeType", date_behavior="DateOnly"),
    Column("modifiedon", "DateTimeType", date_behavior="UserLocal"),
    Column("opens", "DateTimeType", date_behavior="TimeZoneIndependent"),
    Column("entityimage", "ImageType"),
    Column("iscustomizable", "ManagedPropertyType"),
    Column("choices", "MultiSelectPicklistType"),
    Column("contract", "FileType"),
    Column("ownerid", "OwnerType"),
    Column("neverset", "MoneyType"),
)
SCHEMA = table_schema(Table("account", "accounts", "accountid", columns=COLUMNS), COLUMNS)

ROW = {
    "accountid": "a",
    "name": "d\u00e9j\u00e0 \U0001f600",
    "versionnumber": 2**63 - 1,
    "statecode": 0,
    "merged": True,
    "exchangerate": "0.123456789012",
    "share": "-99999999999.0123456789",
    "revenue": "922337203685477.5807",
    "address1_latitude": 47.63,
    "founded": "1753-01-01",
    "modifiedon": "9999-12-31T23:59:59Z",
    "opens": "2024-03-31T02:30:00Z",
    "entityimage": "AAH/",
    "iscustomizable": {"Value": True},
    "choices": "100000000,100000001",
    "contract": "5d2766c7-c41f-ef11-840b-000d3abf969a",
    "_ownerid_value": "b",
    "_ownerid_value@Microsoft.Dynamics.CRM.lookuplogicalname": "team",
}

LOADED = {
    "accountid": ("VARCHAR", "a"),
    "name": ("VARCHAR", "d\u00e9j\u00e0 \U0001f600"),
    "versionnumber": ("BIGINT", 2**63 - 1),
    "statecode": ("BIGINT", 0),
    "merged": ("BOOLEAN", True),
    "exchangerate": ("DECIMAL(25,12)", Decimal("0.123456789012")),
    "share": ("DECIMAL(23,10)", Decimal("-99999999999.0123456789")),
    "revenue": ("DECIMAL(25,10)", Decimal("922337203685477.5807")),
    "address1_latitude": ("DOUBLE", 47.63),
    "founded": ("DATE", date(1753, 1, 1)),
    "modifiedon": (
        "TIMESTAMP WITH TIME ZONE",
        datetime(9999, 12, 31, 23, 59, 59, tzinfo=timezone.utc),
    ),
    "opens": ("TIMESTAMP", datetime(2024, 3, 31, 2, 30)),
    "entityimage": ("BLOB", b"\0\1\xff"),
    "iscustomizable": ("VARCHAR", '{"Value":true}'),
    "choices": ("VARCHAR", "100000000,100000001"),
    "contract": ("VARCHAR", "5d2766c7-c41f-ef11-840b-000d3abf969a"),
    "ownerid": ("VARCHAR", "b"),
    "owneridtype": ("VARCHAR", "team"),
    "neverset": ("DECIMAL(25,10)", None),
}


class Records(logging.Handler):
    """Keeps what dlt logs."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


@pytest.fixture
def warnings() -> Iterator[list[str]]:
    records = Records()
    logger = logging.getLogger("dlt")
    logger.addHandler(records)
    yield records.messages
    logger.removeHandler(records)


def resource(*rows: dict[str, Any]) -> Any:
    body = json.dumps({"value": rows}).encode()

    def pages() -> Iterator[Any]:
        yield decode_page(b'{"value":[]}', SCHEMA).rows
        yield decode_page(body, SCHEMA).rows

    return dlt.resource(
        pages,
        name="accounts",
        columns=SCHEMA.hints,
        primary_key=SCHEMA.primary_key,
        write_disposition="merge",
    )


@pytest.fixture
def pipeline(tmp_path: Path) -> dlt.Pipeline:
    return dlt.pipeline(
        "types",
        pipelines_dir=str(tmp_path / "pipelines"),
        destination=dlt.destinations.duckdb(str(tmp_path / "types.duckdb")),
        dataset_name="dataverse",
    )


def parquet(tmp_path: Path) -> set[bytes]:
    return {path.read_bytes() for path in tmp_path.rglob("accounts.*.parquet")}


def test_types_and_values_arrive_untouched(
    pipeline: dlt.Pipeline, tmp_path: Path, warnings: list[str]
) -> None:
    pipeline.extract(resource(ROW, {"accountid": "empty"}))
    extracted = parquet(tmp_path)
    assert extracted
    pipeline.normalize()
    assert parquet(tmp_path) == extracted, "dlt rewrote the file: hints and Arrow schema differ"
    pipeline.load()
    pipeline.run(resource(ROW | {"name": "again"}))
    assert warnings == []

    with pipeline.sql_client() as client:
        types = client.execute_sql(
            "SELECT column_name, data_type, is_nullable FROM information_schema.columns"
            " WHERE table_name = 'accounts' AND table_schema = 'dataverse'"
        )
        names = ", ".join(LOADED)
        rows = client.execute_sql(f"SELECT {names} FROM accounts ORDER BY accountid")
    assert types is not None
    assert [(name, kind) for name, kind, _ in types] == [
        (name, kind) for name, (kind, _) in LOADED.items()
    ]
    assert [name for name, _, nullable in types if nullable == "NO"] == ["accountid"]
    expected = {name: value for name, (_, value) in LOADED.items()} | {"name": "again"}
    assert rows is not None
    loaded, empty = (dict(zip(LOADED, row, strict=True)) for row in rows)
    assert loaded == expected
    assert set(empty.values()) == {"empty", None}
