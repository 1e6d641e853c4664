"""Delta, Iceberg and Parquet, in a folder and in a bucket, read by the libraries themselves."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dlt
import duckdb
import pytest
from dlt.common.configuration.specs import AwsCredentials

from dataverse_source import ConfigurationError
from dataverse_source.sandbox import Sandbox
from tests.destinations.conftest import Load
from tests.destinations.servers import s3
from tests.support.comparing import same, sandbox_rows
from tests.support.places import ROOT
from tests.support.requests_sent import keys

pytestmark = [
    pytest.mark.destinations,
    pytest.mark.slow,
    pytest.mark.filterwarnings("default"),  # those of the lakes' libraries
]

BUCKET = "lake"


@pytest.fixture
def folder(tmp_path: Path) -> Any:
    return dlt.destinations.filesystem((tmp_path / "lake").as_uri())


@pytest.fixture
def bucket() -> Iterator[Any]:
    """A bucket of an S3 server on loopback."""
    import boto3

    own: dict[str, Any] = {
        "aws_access_key_id": "any",
        "aws_secret_access_key": "any",
        "region_name": "us-east-1",
    }
    with s3() as address:
        boto3.client("s3", endpoint_url=address, **own).create_bucket(Bucket=BUCKET)
        credentials = AwsCredentials(**own, endpoint_url=address, s3_url_style="path")
        options = {"aws_conditional_put": "etag", "allow_http": "true"}
        yield dlt.destinations.filesystem(
            f"s3://{BUCKET}", credentials=credentials, deltalake_storage_options=options
        )


def arrow_rows(pipeline: dlt.Pipeline, table: str) -> list[dict[str, Any]]:
    """All rows, by the library that writes the table."""
    with pipeline.destination_client() as client:
        kind = pipeline.default_schema.tables[table]["table_format"]
        opened = client.load_open_table(kind, table)  # type: ignore[attr-defined]
        rows = opened.to_pyarrow_table() if kind == "delta" else opened.scan().to_arrow()
    return list(rows.to_pylist())


def assert_rows(found: list[dict[str, Any]], sandbox: Sandbox, logical_name: str) -> None:
    """These are the sandbox's rows, each once, in every cell."""
    key = sandbox.store.schema.by_logical_name[logical_name].primary_id
    added = {name for row in found for name in row if name.startswith("_d")}
    columns = {name for row in found for name in row} - added
    expected = sandbox_rows(sandbox, logical_name, columns)
    assert sorted(row[key] for row in found) == sorted(expected)
    for row in found:
        want = expected[row[key]]
        assert not {one: (row[one], want[one]) for one in want if not same(row[one], want[one])}


def change(sandbox: Sandbox, number: int) -> tuple[str, str]:
    """Changes, deletes and makes rows, one of which never gets loaded; returns two of the keys."""
    first, second, *_ = keys(sandbox)
    store = sandbox.store
    store.update("account", first, {"name": f"Changed {number}", "revenue": "1.25"})
    store.delete("account", second)
    store.create("account", {"name": f"New {number}"})
    never = store.create("account", {"name": "Never loaded"})
    store.delete("account", never)
    return second, never


@pytest.mark.parametrize("kind", ["delta", "iceberg"])
@pytest.mark.parametrize("deletes", ["remove", "keep"])
def test_rows_are_merged(
    into: Load, sandbox: Sandbox, folder: Any, kind: str, deletes: str
) -> None:
    pipeline, report = into(folder, table_format=kind, deletes=deletes)
    assert_rows(arrow_rows(pipeline, "accounts"), sandbox, "account")
    gone = set()
    for number in range(2):
        deleted, _ = change(sandbox, number)
        gone.add(deleted)
        # with more columns than before, and all rows read again
        pipeline, report = into(folder, table_format=kind, deletes=deletes, labels=True)
        found = arrow_rows(pipeline, "accounts")
        kept = [row for row in found if row["accountid"] in gone]
        assert len(kept) == (len(gone) if deletes == "keep" else 0)
        assert_rows([row for row in found if row not in kept], sandbox, "account")
        (table,) = report.tables
        assert (table.inserted, table.updated, table.deleted) == (1, 1, 1)
        if deletes == "keep":
            assert {row["key"] for row in arrow_rows(pipeline, "_dataverse_deletions")} == gone


def test_iceberg_takes_load(into: Load, sandbox: Sandbox, folder: Any) -> None:
    from dataverse_source import dataverse
    from tests.support.settings import credentials_of

    source = dataverse(
        environment_url=sandbox.environment_url,
        tables=["accounts"],
        credentials=credentials_of(sandbox),
        ca_bundle=sandbox.ca_bundle,
        table_format="iceberg",
    )
    pipeline = dlt.pipeline("alone", destination=folder, dataset_name="alone")
    with pytest.raises(Exception, match=r"needs load\(pipeline, source\)"):
        pipeline.run(source)


@pytest.mark.parametrize("kind", ["delta", "iceberg"])
def test_a_bucket(into: Load, sandbox: Sandbox, bucket: Any, kind: str) -> None:
    into(bucket, table_format=kind)
    change(sandbox, 0)
    pipeline, report = into(bucket, table_format=kind)
    assert_rows(arrow_rows(pipeline, "accounts"), sandbox, "account")
    assert [one.rows_now for one in report.tables] == [60]


@pytest.mark.parametrize("kind", [None, "delta"])
def test_a_change_feed(
    into: Load, sandbox: Sandbox, folder: Any, tmp_path: Path, kind: str | None
) -> None:
    page = (ROOT / "docs" / "lakes.md").read_text(encoding="utf-8")
    (sql,) = re.findall(r"```sql\n(.*?)```", page, re.DOTALL)
    settings: dict[str, Any] = {"write": "append", "table_format": kind, "reconcile_interval": 0}
    versions = 61  # and the mark of the first read
    pipeline, _ = into(folder, max_rows_per_load=25, **settings)
    for number in range(4):
        if number:
            change(sandbox, number)
            labels = number > 1  # with another column, all rows are read again
            pipeline, _ = into(folder, labels=labels, **settings)
            # changed, new, deleted, and deleted before it was ever loaded
            versions += 61 if number == 2 else 4
        files = tmp_path / "lake" / pipeline.dataset_name / "accounts" / "**" / "*.parquet"
        rows = f"read_parquet('{files}', union_by_name = true)"
        with duckdb.connect() as database:
            database.execute("SET TimeZone = 'America/New_York'")
            found = database.sql(sql.replace("dataverse.accounts", rows)).to_arrow_table()
            count = database.execute(f"SELECT count(*) FROM {rows}").fetchall()
        assert_rows(found.to_pylist(), sandbox, "account")
        assert count == [(versions,)]


def test_a_change_feed_is_not_merged_into(into: Load, folder: Any) -> None:
    into(folder, write="append", table_format="delta")
    with pytest.raises(ConfigurationError, match="holds a change feed, which would be lost"):
        into(folder, table_format="delta")
    with pytest.raises(ConfigurationError, match="can't have history beside write = 'append'"):
        into(folder, write="append", table_format="delta", history=True)
