"""Several environments that load into one dataset."""

from __future__ import annotations

import uuid
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import dlt
import duckdb
from dlt.extract import DltSource

from dataverse_source import dataverse, load
from dataverse_source.loading.report import LoadReport
from dataverse_source.sandbox import Sandbox
from tests.support.comparing import all_rows, assert_equal
from tests.support.requests_sent import keys
from tests.support.settings import credentials_of

TABLES = ("accounts", "contacts")


class World:
    """Environments with the same keys, each with a pipeline of its own into one dataset."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder, self.stack = folder, stack
        self.sandboxes: dict[str, Sandbox] = {}

    def add(self, name: str) -> Sandbox:
        rows = {"account": 30, "contact": 20, "systemuser": 3}
        made = self.stack.enter_context(Sandbox(rows=rows, seed=1))
        organization = str(uuid.uuid5(uuid.NAMESPACE_OID, name))
        made.copy_over(rows=rows, seed=1, organization_id=organization)
        self.sandboxes[name] = made
        return made

    def pipeline(self, name: str) -> dlt.Pipeline:
        return dlt.pipeline(
            f"dataverse_{name}",
            destination=dlt.destinations.duckdb(str(self.folder / "all.duckdb")),
            dataset_name="crm",
            pipelines_dir=str(self.folder / "pipelines"),
        )

    def source(self, name: str, *tables: str, **settings: Any) -> DltSource:
        sandbox = self.sandboxes[name]
        given = {
            "environment_url": sandbox.environment_url,
            "tables": list(tables or TABLES),
            "credentials": credentials_of(sandbox),
            "ca_bundle": sandbox.ca_bundle,
            "environment_column": name,
            **settings,
        }
        return dataverse.clone(name=f"dataverse_{name}")(**given)

    def load(self, name: str, *tables: str, **settings: Any) -> LoadReport:
        # while the file is open, another connection is there at once
        with duckdb.connect(str(self.folder / "all.duckdb")):
            return load(self.pipeline(name), self.source(name, *tables, **settings))

    def equal(self, *tables: str) -> None:
        """Each environment's part of each table is equal to its sandbox, and nothing else is."""
        for table in tables or TABLES:
            count = 0
            for name, sandbox in self.sandboxes.items():
                count += len(assert_equal(self.pipeline(name), sandbox, table, name))
            assert len(all_rows(self.pipeline(name), table)) == count

    def change(self, name: str, number: int) -> None:
        """Changes, deletes and creates rows; other ones in each round."""
        sandbox = self.sandboxes[name]
        sandbox.clock.advance(600)
        some = sorted(keys(sandbox))
        for key in some[number * 3 : number * 3 + 2]:
            sandbox.store.update("account", key, {"name": f"{name} {number}"})
        sandbox.store.delete("account", some[-1 - number])
        sandbox.store.create("account", {"name": f"new in {name} {number}"})
