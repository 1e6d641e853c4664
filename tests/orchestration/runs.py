"""Runs recipes in processes of their own, and compares what they load with the sandbox."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from dataverse_source.sandbox import Sandbox
from tests.support.places import ROOT

EXAMPLES = ROOT / "dataverse_source" / "cli" / "recipes"
TABLES = {"accounts": "account", "contacts": "contact"}

RUN_SECONDS = 1800
"""Far above what a run takes, also on a machine that has other things to do."""

Run = Callable[[], None]


def start(command: list[str], folder: Path, variables: dict[str, str]) -> None:
    """Runs a command to its end; it must succeed."""
    with subprocess.Popen(
        command,
        cwd=folder,
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            said, _ = process.communicate(timeout=RUN_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # with the servers that it has started
            said, _ = process.communicate()
            pytest.fail(f"{command} does not come to an end:\n{said[-6000:]}")
    assert process.returncode == 0, said[-6000:]


def check_two_runs(run: Run, organization: Sandbox, files: dict[str, Path]) -> None:
    """What is loaded equals the sandbox, before and after rows come, change and go."""
    store = organization.store
    run()
    check_equal(organization, files)
    for table in TABLES.values():
        keys = sorted(str(row[f"{table}id"]) for row in store.rows(table))
        named = "name" if table == "account" else "lastname"
        store.create(table, {named: "Made between the runs"})
        store.update(table, keys[0], {named: "Changed between the runs"})
        store.delete(table, keys[1])
    run()
    check_equal(organization, files)


def check_equal(organization: Sandbox, files: dict[str, Path]) -> None:
    for name, file in files.items():
        table = TABLES[name]
        named = "name" if table == "account" else "lastname"
        with duckdb.connect(str(file), read_only=True) as connection:
            loaded = connection.execute(
                f"SELECT {table}id, {named}, versionnumber FROM dataverse.{name}"
            ).fetchall()
        there = [
            (str(row[f"{table}id"]), row[named], row["versionnumber"])
            for row in organization.store.rows(table)
        ]
        assert sorted(loaded) == sorted(there)


def with_few_buckets(recipe: str, folder: Path) -> Path:
    """A copy of a recipe that is done sooner."""
    text = (EXAMPLES / recipe).read_text("utf-8")
    assert "BUCKETS = 8" in text
    copy = folder / recipe
    copy.write_text(text.replace("BUCKETS = 8", "BUCKETS = 3"), "utf-8")
    return copy
