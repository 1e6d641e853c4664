"""Parts of a table that land in a bucket: moto's S3 server, opened with dlt's credentials."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import dlt
import pytest

from dataverse_source import finish_load, plan_load, read_part
from dataverse_source.errors import ConfigurationError
from dataverse_source.sandbox import Sandbox
from tests.destinations.servers import s3
from tests.support.comparing import assert_equal
from tests.support.settings import credentials_of

pytestmark = pytest.mark.destinations
boto3 = pytest.importorskip("boto3")

OWN = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}


def test_parts_in_a_bucket(
    sandbox: Sandbox,
    new_pipeline: Callable[[], dlt.Pipeline],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    settings: dict[str, Any] = {
        "environment_url": sandbox.environment_url,
        "credentials": credentials_of(sandbox),
        "ca_bundle": sandbox.ca_bundle,
        "landing_url": "s3://landing/dataverse",
        "page_size": 10,
    }
    with s3() as address:
        bucket = boto3.client("s3", endpoint_url=address, **OWN)
        bucket.create_bucket(Bucket="landing")
        for name, value in {**OWN, "endpoint_url": address}.items():
            monkeypatch.setenv(f"DESTINATION__FILESYSTEM__CREDENTIALS__{name.upper()}", value)
        plan = plan_load("accounts", new_pipeline(), 3, **settings)
        where = f"s3://landing/dataverse/accounts-{plan['id']}/plan.json"
        for number in (2, 0):
            read_part(where, number, **settings)
        with pytest.raises(ConfigurationError, match="1 have not been read: 1"):
            finish_load(where, new_pipeline(), **settings)
        first = read_part(where, 1, **settings)
        assert read_part(where, 1, **settings) == first
        finish_load(where, new_pipeline(), **settings)
        assert_equal(new_pipeline(), sandbox, "accounts")
        assert bucket.list_objects_v2(Bucket="landing")["KeyCount"] == 0
        with pytest.raises(ConfigurationError, match="no such plan"):
            read_part(where, 1, **settings)
