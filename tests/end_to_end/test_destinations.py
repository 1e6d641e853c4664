"""Destinations that can't merge: no row is appended in place of another one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import dlt
import pytest

from dataverse_source import ConfigurationError, dataverse, load
from dataverse_source.credentials import DataverseCredentials
from dataverse_source.sandbox import Sandbox
from tests.support.comparing import assert_equal
from tests.support.requests_sent import keys

Run = Callable[..., dlt.Pipeline]


@pytest.fixture
def run(sandbox: Sandbox, credentials: DataverseCredentials, tmp_path: Path) -> Run:
    """Loads accounts into a folder of files."""

    def run(**given: Any) -> dlt.Pipeline:
        pipeline = dlt.pipeline(
            "files",
            destination=dlt.destinations.filesystem((tmp_path / "files").as_uri()),
            dataset_name="dataverse",
            pipelines_dir=str(tmp_path / "pipelines"),
        )
        source = dataverse(
            environment_url=sandbox.environment_url,
            tables=["accounts"],
            credentials=credentials,
            ca_bundle=sandbox.ca_bundle,
            **given,
        )
        load(pipeline, source)
        return pipeline

    return run


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"sync": "cursor"},
        {"sync": "full", "deletes": "keep"},
        {"sync": "full", "max_rows_per_load": 20},
    ],
)
def test_what_takes_merges_is_refused_before_a_row_is_read(
    run: Run, sandbox: Sandbox, given: dict[str, Any]
) -> None:
    with pytest.raises(ConfigurationError, match="would append changed rows") as caught:
        run(**given)
    assert "sync = 'full'" in str(caught.value.remedy)
    assert not [one for one in sandbox.requests if one.path.endswith("/accounts")]


def test_all_rows_are_replaced(run: Run, sandbox: Sandbox) -> None:
    run(sync="full")
    changed, deleted, *_ = keys(sandbox)
    sandbox.store.update("account", changed, {"name": "Changed"})
    sandbox.store.delete("account", deleted)
    assert_equal(run(sync="full"), sandbox, "accounts")
