"""Fixtures: a sandbox, and independent clients that work against it."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from dataverse_source.sandbox import Sandbox
from tests.peers import installed
from tests.peers.conversation import DRIVERS, Conversation


def pytest_configure(config: pytest.Config) -> None:
    """Registers the marker of these tests."""
    config.addinivalue_line(
        "markers", "peers: independent clients; installs them from package registries"
    )


@pytest.fixture(scope="session")
def served() -> Iterator[Sandbox]:
    """A sandbox with a few hundred rows; tests change only rows that they made."""
    rows = {"account": 230, "contact": 120, "systemuser": 4, "new_project": 30}
    with Sandbox(rows=rows, seed=7) as running:
        yield running


@pytest.fixture(scope="session")
def microsoft(served: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Conversation]:
    """Microsoft's client for Python, with Microsoft's sign-in package."""
    python = installed.python_with(installed.MICROSOFT_CLIENT)
    command = [str(python), str(DRIVERS / "microsoft_client.py")]
    log = tmp_path_factory.mktemp("microsoft") / "errors.txt"
    with Conversation(command, served, log) as client:
        yield client


@pytest.fixture(scope="session")
def javascript(served: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Conversation]:
    """The client DynamicsWebApi, on Node.js."""
    modules = installed.node_modules_with(installed.DYNAMICS_WEB_API)
    command = [installed.node(), str(DRIVERS / "dynamics_web_api.js"), str(modules)]
    log = tmp_path_factory.mktemp("javascript") / "errors.txt"
    with Conversation(command, served, log) as client:
        yield client


@pytest.fixture(scope="session")
def airbyte(served: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Conversation]:
    """Airbyte's source for Dataverse, run by its own command line."""
    if sys.platform == "win32":
        pytest.skip("Airbyte's development kit does not run on Windows")
    python = installed.python_with(installed.AIRBYTE_SOURCE)
    folder = tmp_path_factory.mktemp("airbyte")
    command = [str(python), str(DRIVERS / "airbyte_source.py"), str(folder)]
    with Conversation(command, served, folder / "errors.txt") as client:
        yield client
