"""Several environments fill the same tables of each destination: none replaces another's rows."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import dlt
import pytest

from dataverse_source import ConfigurationError, dataverse, load
from dataverse_source.loading.report import LoadReport
from dataverse_source.sandbox import Sandbox
from dataverse_source.sync.write.file_table import FILES
from tests.destinations.places import place
from tests.support.requests_sent import keys
from tests.support.settings import credentials_of

pytestmark = [
    pytest.mark.destinations,
    pytest.mark.slow,
    pytest.mark.filterwarnings("default"),  # those of the drivers
]

ROWS = {"account": 20, "contact": 5, "systemuser": 3}


PLACES = ["PostgreSQL", "MariaDB", "SQLite", "Delta", "Iceberg"]
WAYS: dict[str, dict[str, Any]] = {
    "changes": {"files": ["accounts.new_contract"]},
    "full": {"sync": "full"},
    "history": {"history": True},
}
COUNT = (
    "<fetch aggregate='true'><entity name='account'>"
    "<attribute name='accountid' aggregate='count' alias='n'/></entity></fetch>"
)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", PLACES)
def test_environments_share_tables(
    name: str, way: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    where = place(name, tmp_path, request.getfixturevalue)
    dataset = f"of_{way}_{tmp_path.name}".lower()[:40]
    with Sandbox(rows=ROWS, seed=1) as eu, Sandbox(rows=ROWS, seed=1) as us:
        us.copy_over(rows=ROWS, seed=1, organization_id=str(uuid.uuid4()))
        sandboxes = {"eu": eu, "us": us}

        def pipeline_of(environment: str) -> dlt.Pipeline:
            return dlt.pipeline(
                environment,
                destination=where.destination,
                dataset_name=dataset,
                pipelines_dir=str(tmp_path / "pipelines"),
            )

        def run(environment: str, **more: Any) -> LoadReport:
            own = {"tables": ["accounts"], **where.settings, **WAYS[way], **more}
            if "files" in own:
                own["files_url"] = str(tmp_path / "files")
            source = dataverse.clone(name=environment)(
                environment_url=sandboxes[environment].environment_url,
                credentials=credentials_of(sandboxes[environment]),
                ca_bundle=sandboxes[environment].ca_bundle,
                environment_column=environment,
                **own,
            )
            return load(pipeline_of(environment), source)

        for number in range(3):
            for environment in sandboxes:
                run(environment)
            rows = where.rows(pipeline_of("eu"), "accounts")
            present = [one for one in rows if one.get("_dataverse_valid_to") is None]
            files = where.rows(pipeline_of("eu"), FILES) if "files" in WAYS[way] else []
            for environment, sandbox in sandboxes.items():
                own = [one for one in present if one["_dataverse_environment"] == environment]
                assert sorted(one["accountid"] for one in own) == sorted(keys(sandbox))
                told = {one["accountid"]: one["name"] for one in own}
                there = {one["accountid"]: one["name"] for one in sandbox.store.rows("account")}
                assert told == there
                if "files" in WAYS[way]:
                    stored = [one for one in files if one["_dataverse_environment"] == environment]
                    assert sorted(one["key"] for one in stored) == sorted(keys(sandbox))
                    assert all(f"/{environment}/" in one["url"] for one in stored)
                sandbox.clock.advance(600)
                some = sorted(keys(sandbox))
                sandbox.store.update("account", some[number], {"name": f"{environment} {number}"})
                if environment == "eu":
                    sandbox.store.delete("account", some[-1])
        if "table_format" in where.settings and way == "full":
            with pytest.raises(ConfigurationError, match="could only replace those of all"):
                run("eu", tables=[], queries={"counted": {"fetchxml": COUNT}})
