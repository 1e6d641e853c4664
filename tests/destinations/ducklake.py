"""DuckLake, in DuckDB's newest version whose extensions the package registry has.

DuckDB gets extensions from a server of its own. Tests are offline but for packages, so the
extensions come as packages, which fit one version of DuckDB; a test that needs them runs once more
in a process that finds these packages first.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dlt
import duckdb
import pytest

VERSION = "1.5.5"
EXTENSIONS = ("ducklake", "postgres_scanner", "sqlite_scanner")

FOLDER = "DUCKLAKE_EXTENSIONS"
"""Variable that tells the second process where the extensions are."""

SECONDS = 1100

RowsOf = Callable[[dlt.Pipeline, str], list[dict[str, Any]]]


def run_again(test: pytest.Item, folder: Path) -> bool:
    """Runs the test in a process with DuckLake, if this one has none; whether it did."""
    if FOLDER in os.environ:
        assert duckdb.__version__ == VERSION
        return False
    packages = folder / "packages"
    extensions = _install(packages)
    command = [sys.executable, "-m", "pytest", "-n", "0", "-p", "no:cacheprovider", "-m", ""]
    done = subprocess.run(
        [*command, f"--basetemp={folder / 'inner'}", test.nodeid],
        cwd=test.config.rootpath,
        env={**os.environ, "PYTHONPATH": str(packages), FOLDER: str(extensions)},
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    if done.returncode != 0 or " 1 passed" not in done.stdout:
        pytest.fail(done.stdout + done.stderr, pytrace=False)
    return True


def _install(packages: Path) -> Path:
    """Installs DuckDB and its extensions; the folder in which DuckDB looks for extensions."""
    uv = shutil.which("uv")
    if uv is None:
        pytest.skip("uv is not there to install DuckDB's extensions with")
    names = [f"duckdb-extension-{name.replace('_', '-')}=={VERSION}" for name in EXTENSIONS]
    command = [uv, "pip", "install", "--quiet", "--target", str(packages)]
    command += ["--python", sys.executable, "--no-deps", f"duckdb=={VERSION}", *names]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"DuckDB's extensions can't be installed here: {done.stderr.strip()}")
    asked = "import duckdb; print(duckdb.sql('PRAGMA platform').fetchone()[0])"
    platform = subprocess.run(
        [sys.executable, "-c", asked],
        env={**os.environ, "PYTHONPATH": str(packages)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    extensions = packages / "extensions"
    place = extensions / f"v{VERSION}" / platform
    place.mkdir(parents=True)
    for file in packages.glob("duckdb_extension_*/extensions/*/*.duckdb_extension"):
        (place / file.name).symlink_to(file)
    return extensions


def lake(catalog: str, folder: Path, fixture: Callable[[str], Any]) -> tuple[Any, RowsOf]:
    """dlt's destination, and what reads a table's rows with DuckDB.

    ``catalog`` is duckdb, sqlite or postgres; it and the files are in ``folder``, or on the server.
    """
    from dlt.destinations.impl.ducklake.configuration import DuckLakeCredentials

    config: dict[str, Any] = {"extension_directory": os.environ[FOLDER]}
    file = folder / f"catalog.{catalog}"
    address, attached = f"{catalog}:///{file}", f"'ducklake:{file}' AS lake"
    if catalog == "sqlite":
        attached = f"'ducklake:sqlite:{file}' AS lake"
    if catalog == "postgres":
        address = fixture("postgres_address")
        attached = f"'ducklake:postgres:{address}' AS lake (METADATA_SCHEMA 'lake')"
    credentials = DuckLakeCredentials("lake", catalog=address, storage=(folder / "lake").as_uri())
    credentials.global_config = dict(config)

    def rows(pipeline: dlt.Pipeline, table: str) -> list[dict[str, Any]]:
        with duckdb.connect(config=config) as database:
            database.execute("SET TimeZone = 'America/New_York'")
            database.execute(f"ATTACH {attached}")
            found = database.execute(f'SELECT * FROM lake."{pipeline.dataset_name}"."{table}"')
            names = [column[0] for column in found.description or ()]
            return [dict(zip(names, row, strict=True)) for row in found.fetchall()]

    return dlt.destinations.ducklake(credentials), rows
