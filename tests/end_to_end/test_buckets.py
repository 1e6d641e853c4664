"""Tables shared out among the pipelines of buckets, all in one dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dlt
import pytest

from dataverse_source import load_bucket
from dataverse_source.credentials import DataverseCredentials
from dataverse_source.errors import ConfigurationError
from dataverse_source.metadata.buckets import bucket_of
from dataverse_source.sandbox import Sandbox
from dataverse_source.scale_out.sources import configured_tables
from tests.support.command_line import Cli
from tests.support.comparing import assert_equal

pytestmark = pytest.mark.slow

NAMES = ("account", "contact", "lead", "task")


@pytest.mark.parametrize("text", ["accounts, contac*", '["accounts", "contac*"]'])
def test_tables_that_are_set_by_a_variable(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCES__DATAVERSE__TABLES", text)
    assert configured_tables() == ("accounts", "contac*")


def test_a_table_stays_in_its_bucket() -> None:
    """These numbers must never change: state is kept by bucket."""
    assert [bucket_of(name, 8) for name in NAMES] == [6, 1, 4, 4]
    assert bucket_of("Account", 8) == bucket_of("account", 8)


def test_all_tables_are_in_one_bucket_each(
    sandbox: Sandbox, credentials: DataverseCredentials, tmp_path: Path
) -> None:
    destination = dlt.destinations.duckdb(str(tmp_path / "test.duckdb"))
    given: dict[str, Any] = {
        "environment_url": sandbox.environment_url,
        "credentials": credentials,
        "ca_bundle": sandbox.ca_bundle,
        "tables": ["account*", "contacts", "leads"],
        "table_settings": {"contacts": {"select": ["lastname"]}},
        "pipeline": "shared",
        "destination": destination,
        "dataset": "dataverse",
    }
    reports = [load_bucket(number, 3, **given) for number in (1, 0, 2)]
    names = [table.name for report in reports for table in report.tables]
    assert {"accounts", "contacts", "leads"} <= set(names)
    assert len(names) == len(set(names))
    for report, number in zip(reports, (1, 0, 2), strict=True):
        assert {bucket_of(one.logical_name, 3) for one in report.tables} <= {number}
    pipeline = dlt.pipeline(
        "any",
        destination=destination,
        dataset_name="dataverse",
        pipelines_dir=str(tmp_path / "pipelines"),
    )
    for name in ("accounts", "leads"):
        assert_equal(pipeline, sandbox, name)
    with pipeline.sql_client() as client:
        found = client.execute_sql("SELECT logical_name FROM _dataverse_tables")
    described = {str(name) for (name,) in found or ()}
    assert {"account", "contact", "lead"} <= described
    sandbox.store.create("account", {"name": "New"})
    changed = [load_bucket(number, 3, **given) for number in range(3)]
    assert sum(one.inserted or 0 for report in changed for one in report.tables) == 1
    with pytest.raises(ConfigurationError, match="no bucket 3/3"):
        load_bucket(3, 3, **given)
    with pytest.raises(ConfigurationError, match=r"table_settings\.nothing"):
        load_bucket(0, 3, **{**given, "table_settings": {"nothing": {"labels": True}}})


def test_the_command(cli: Cli, configured: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCES__DATAVERSE__TABLES", "accounts,contacts")
    for number in range(2):
        done = cli("run", "--bucket", f"{number}/2")
        assert done.code == 0, done.err
    assert cli("run", "accounts", "--bucket", "0/2").code == 2
    refused = cli("run", "--bucket", "2/2")
    assert refused.code == 2
    assert "0/8 to 7/8" in refused.err
