"""The keys of ``--json`` are those of docs/command-line.md."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dataverse_source.cli.app import COMMANDS
from dataverse_source.sandbox import Sandbox
from tests.support.command_line import Cli
from tests.support.places import ROOT

PAGE = ROOT / "docs" / "command-line.md"
OF_THE_ENVIRONMENT = {"facts", "destination"}
"""Keys of objects whose own keys are names of the environment, or differ from step to step."""


def documented(command: str) -> set[str]:
    """The names in backticks of a command's row in the table of keys."""
    rows = PAGE.read_text("utf-8").partition("| command | JSON |")[2].splitlines()
    (row,) = (row for row in rows if row.startswith(f"| {command} |"))
    return set(re.findall(r"`([^`]+)`", row.partition("| ")[2].partition(" | ")[2]))


def keys(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for one in value:
            yield from keys(one)
    elif isinstance(value, dict):
        for key, one in value.items():
            yield key
            if key not in OF_THE_ENVIRONMENT:
                yield from keys(one)


def test_every_command_is_in_the_page() -> None:
    text = PAGE.read_text("utf-8")
    for name in COMMANDS:
        assert re.search(rf"^\| `{name}[ `]", text, re.MULTILINE), name


@pytest.mark.parametrize("command", ["check accounts", "tables", "describe contacts"])
def test_keys(cli: Cli, configured: Sandbox, command: str) -> None:
    found = set(keys(cli(*command.split(), "--json").json()))
    assert found
    assert found <= documented(f"`{command.split()[0]}`")


def test_facts_of_a_table(cli: Cli, configured: Sandbox) -> None:
    for step in cli("check", "accounts", "--json").json()["steps"]:
        if step["step"] in ("table", "columns"):
            assert set(step["facts"]) <= documented("`check`")


def test_keys_of_a_pipeline(
    cli: Cli, configured: Sandbox, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    monkeypatch.setenv("DESTINATION__DUCKDB__CREDENTIALS", str(folder / "rows.duckdb"))
    pipeline = ("--pipeline", f"cli_{uuid.uuid4().hex}", "--json")
    for command in ("run accounts", "status", "verify --values 5", "reset accounts --yes"):
        found = set(keys(cli(*command.split(), *pipeline).json()))
        assert found
        assert found <= documented(f"`{command.split()[0]}`")
    failed = cli("reset", "accounts", *pipeline, "--yes").json()
    assert set(keys(failed)) <= documented("any, on failure")
    assert set(keys(cli("init", "new", "--json").json())) <= documented("`init`")
