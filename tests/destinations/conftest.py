"""Fixtures: the servers, a sandbox that the tests of a module share, and loads into any place."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dlt
import pytest

from dataverse_source import dataverse, load
from dataverse_source.loading.report import LoadReport
from dataverse_source.sandbox import Sandbox
from tests.destinations.servers import mariadb, postgres
from tests.support.settings import credentials_of

Load = Callable[..., tuple[dlt.Pipeline, LoadReport]]


@pytest.fixture(scope="session")
def postgres_address() -> Iterator[str]:
    """A PostgreSQL server; skips where there is none."""
    with postgres() as address:
        yield address


@pytest.fixture(scope="session")
def mariadb_address() -> Iterator[str]:
    """A MariaDB server; skips where there is none."""
    with mariadb() as address:
        yield address


@pytest.fixture
def into(sandbox: Sandbox, tmp_path: Path) -> Load:
    """Loads tables into a destination, with a new pipeline each time.

    ``steps`` gets the resource of accounts.
    """

    def into(
        destination: Any, *tables: str, steps: Any = None, **settings: Any
    ) -> tuple[dlt.Pipeline, LoadReport]:
        source = dataverse(
            environment_url=sandbox.environment_url,
            tables=list(tables or ("accounts",)),
            credentials=credentials_of(sandbox),
            ca_bundle=sandbox.ca_bundle,
            **settings,
        )
        if steps is not None:
            steps(source.accounts)
        pipeline = dlt.pipeline(
            "test",
            destination=destination,
            dataset_name=tmp_path.name.lower(),
            pipelines_dir=str(tmp_path / "pipelines"),
        )
        return pipeline, load(pipeline, source)

    return into
