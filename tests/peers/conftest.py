"""Fixtures: a sandbox, and independent clients that work against it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dataverse_source.sandbox import Sandbox
from tests.peers import installed
from tests.peers.cloud import HOST_NAMES, Cloud
from tests.peers.conversation import DRIVERS, Conversation
from tests.peers.mcp import McpServer


def pytest_configure(config: pytest.Config) -> None:
    """Registers the marker of these tests."""
    config.addinivalue_line(
        "markers", "peers: independent clients; installs them from package registries"
    )


@pytest.fixture(scope="session")
def served() -> Iterator[Sandbox]:
    """A sandbox with a few hundred rows; tests change only rows that they made."""
    rows = {"account": 230, "contact": 120, "systemuser": 4, "new_project": 30}
    with Sandbox(rows=rows, seed=7, host_names=HOST_NAMES) as running:
        yield running


@pytest.fixture(scope="session")
def cloud(served: Sandbox) -> Iterator[Cloud]:
    """The sandbox behind the host names of the cloud; clients ask for no other host."""
    with Cloud(served) as running:
        yield running
        assert running.refused == []


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


@pytest.fixture(scope="session")
def dataverse_api(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Conversation]:
    """The client dataverse-api."""
    command = python_driver(installed.DATAVERSE_API, "dataverse_api_client.py")
    with Conversation(command, cloud, log_in(tmp_path_factory)) as client:
        yield client


@pytest.fixture(scope="session")
def dynamics(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Conversation]:
    """The client dynamics-client."""
    command = python_driver(installed.DYNAMICS_CLIENT, "dynamics_client.py")
    with Conversation(command, cloud, log_in(tmp_path_factory)) as client:
        yield client


@pytest.fixture(scope="session")
def fxpy(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Conversation]:
    """The client fxpyD365api."""
    command = python_driver(installed.FXPY_D365_API, "fxpy_client.py")
    with Conversation(command, cloud, log_in(tmp_path_factory)) as client:
        yield client


@pytest.fixture(scope="session")
def sdk(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Conversation]:
    """The client crmadminbrasil-dataverse-sdk, which takes SSL_CERT_FILE for its own key."""
    command = python_driver(installed.DATAVERSE_SDK, "dataverse_sdk_client.py")
    log = log_in(tmp_path_factory)
    with Conversation(command, cloud, log, without=("SSL_CERT_FILE",)) as client:
        yield client


@pytest.fixture(scope="session")
def webapi(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Conversation]:
    """The client dataverse-webapi, on Node.js."""
    modules = installed.node_modules_with(installed.DATAVERSE_WEBAPI)
    command = [installed.node(), str(DRIVERS / "dataverse_webapi.js"), str(modules)]
    with Conversation(command, cloud, log_in(tmp_path_factory)) as client:
        yield client


@pytest.fixture(scope="session")
def mcp(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Iterator[McpServer]:
    """The server mcp-dataverse, asked as an assistant asks it."""
    script = installed.node_modules_with(installed.MCP_SERVER) / "mcp-dataverse/dist/server.js"
    folder = tmp_path_factory.mktemp("mcp")
    with McpServer([installed.node(), str(script)], cloud, folder) as server:
        yield server


def python_driver(package: installed.Package, script: str) -> list[str]:
    """The command that runs a driver in the environment of its client."""
    return [str(installed.python_with(package)), str(DRIVERS / script)]


def log_in(folders: pytest.TempPathFactory) -> Path:
    """A file for what a driver writes to its error output."""
    return folders.mktemp("client") / "errors.txt"
