"""Several environments fill the same tables of a lake: merged by key, never replaced."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import dlt
import pytest

from dataverse_source import ConfigurationError, dataverse, load
from dataverse_source.loading.report import LoadReport
from dataverse_source.sandbox import Sandbox
from tests.destinations.places import open_table_rows
from tests.support.requests_sent import keys
from tests.support.settings import credentials_of

pytestmark = [pytest.mark.destinations, pytest.mark.slow]

ROWS = {"account": 20, "contact": 5, "systemuser": 3}


def pipeline_of(name: str, folder: Path) -> dlt.Pipeline:
    return dlt.pipeline(
        name,
        destination=dlt.destinations.filesystem((folder / "lake").as_uri()),
        dataset_name="dataverse",
        pipelines_dir=str(folder / "pipelines"),
    )


@pytest.mark.parametrize(
    "settings",
    [{}, {"sync": "full"}, {"history": True}],
    ids=["changes", "full", "history"],
)
def test_environments_in_delta_tables(tmp_path: Path, settings: dict[str, Any]) -> None:
    pytest.importorskip("deltalake")
    with Sandbox(rows=ROWS, seed=1) as eu, Sandbox(rows=ROWS, seed=1) as us:
        us.copy_over(rows=ROWS, seed=1, organization_id=str(uuid.uuid4()))
        sandboxes = {"eu": eu, "us": us}

        def run(name: str, **more: Any) -> LoadReport:
            source = dataverse.clone(name=name)(
                environment_url=sandboxes[name].environment_url,
                credentials=credentials_of(sandboxes[name]),
                ca_bundle=sandboxes[name].ca_bundle,
                environment_column=name,
                table_format="delta",
                **{"tables": ["accounts"], **settings, **more},
            )
            return load(pipeline_of(name, tmp_path), source)

        for number in range(3):
            for name in sandboxes:
                run(name)
            rows = open_table_rows(pipeline_of("eu", tmp_path), "accounts")
            present = [one for one in rows if one.get("_dataverse_valid_to") is None]
            for name, sandbox in sandboxes.items():
                own = [one for one in present if one["_dataverse_environment"] == name]
                assert sorted(one["accountid"] for one in own) == sorted(keys(sandbox))
                told = {one["accountid"]: one["name"] for one in own}
                there = {one["accountid"]: one["name"] for one in sandbox.store.rows("account")}
                assert told == there
                sandbox.clock.advance(600)
                some = sorted(keys(sandbox))
                sandbox.store.update("account", some[number], {"name": f"{name} {number}"})
                if name == "eu":
                    sandbox.store.delete("account", some[-1])
        count = (
            "<fetch aggregate='true'><entity name='account'>"
            "<attribute name='accountid' aggregate='count' alias='n'/></entity></fetch>"
        )
        with pytest.raises(ConfigurationError, match="could only replace those of all"):
            run("eu", tables=[], queries={"counted": {"fetchxml": count}})
