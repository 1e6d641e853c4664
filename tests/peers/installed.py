"""Installs the independent clients, each into an environment of its own, kept between runs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from filelock import FileLock

CACHE_VARIABLE = "DATAVERSE_PEERS_CACHE"
"""Names the folder in which the environments are kept."""


@dataclass(frozen=True)
class Package:
    """A client: the package to install, its version, and the Python it runs on, if any.

    ``more`` names packages that it needs and does not name itself.
    """

    name: str
    version: str
    python: str | None = None
    more: tuple[str, ...] = ()


MICROSOFT_CLIENT = Package("powerplatform-dataverse-client", "1.1.0", python=sys.executable)
DYNAMICS_WEB_API = Package("dynamics-web-api", "2.5.0")
CSDL_EXPLORE = Package("csdl-explore", "0.2.0", python=sys.executable, more=("textual<9",))
AIRBYTE_SOURCE = Package("airbyte-source-microsoft-dataverse", "1.0.2", python="3.11")
DATAVERSE_API = Package(
    "dataverse-api",
    "1.4.3",
    python="3.11",
    more=("msal==1.39.0", "msal-requests-auth==0.9.3"),
)
DYNAMICS_CLIENT = Package("dynamics-client", "0.8.4", python="3.11")
FXPY_D365_API = Package("fxpyd365api", "2.3.6", python="3.11", more=("pytz",))
DATAVERSE_SDK = Package("crmadminbrasil-dataverse-sdk", "2.0.0", python="3.11")
SINGER_TAP = Package("tap-ms-dynamics", "0.1.1", python="3.11")
MCP_SERVER = Package("mcp-dataverse", "0.7.8", more=("@modelcontextprotocol/ext-apps@2.0.4",))
DATAVERSE_WEBAPI = Package("dataverse-webapi", "3.3.0")

_UNREACHABLE = re.compile(
    r"ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH"
    r"|[Cc]lient error \(Connect\)|error sending request|dns error|operation timed out",
)
_NO_PYTHON = re.compile(r"No interpreter found")


def cache_folder() -> Path:
    """Where the environments are kept: outside of the project."""
    named = os.environ.get(CACHE_VARIABLE)
    if named:
        return Path(named)
    if sys.platform == "win32":
        users = Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    else:
        users = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    return users / "dlt-dataverse-peers"


def python_with(package: Package) -> Path:
    """The interpreter of an environment in which ``package`` is installed."""
    uv = _program("uv")
    wanted = str(package.python)
    own = f"{sys.version_info.major}.{sys.version_info.minor}"
    tag = own if wanted == sys.executable else wanted

    def install(folder: Path) -> None:
        _run([uv, "venv", "--quiet", "--no-python-downloads", str(folder), "--python", wanted])
        python = _python_of(folder)
        pinned = f"{package.name}=={package.version}"
        _run([uv, "pip", "install", "--quiet", "--python", str(python), pinned, *package.more])

    return _python_of(_made(f"{package.name}-{package.version}-python{tag}", install))


def node_modules_with(package: Package) -> Path:
    """A folder of node modules in which ``package`` is installed."""
    npm = _program("npm")

    def install(folder: Path) -> None:
        folder.mkdir(parents=True)
        pinned = f"{package.name}@{package.version}"
        command = [npm, "install", "--no-audit", "--no-fund", "--fetch-retries=0"]
        _run([*command, "--prefix", str(folder), pinned, *package.more])

    return _made(f"{package.name}-{package.version}", install) / "node_modules"


def node() -> str:
    """The program that runs JavaScript."""
    return _program("node")


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def _python_of(folder: Path) -> Path:
    if sys.platform == "win32":
        return folder / "Scripts" / "python.exe"
    return folder / "bin" / "python"


def _made(name: str, install: Callable[[Path], None]) -> Path:
    """The folder of an environment; made once, also when several test workers ask for it."""
    cache = cache_folder()
    cache.mkdir(parents=True, exist_ok=True)
    folder, complete = cache / name, cache / f"{name}.complete"
    with FileLock(cache / f"{name}.lock"):
        if not complete.exists():
            shutil.rmtree(folder, ignore_errors=True)
            install(folder)
            complete.touch()
    return folder


def _run(command: list[str]) -> None:
    """Runs an installer; skips the test when it has no network or no such Python."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    if done.returncode == 0:
        return
    said = f"{done.stdout}\n{done.stderr}".strip()
    if _UNREACHABLE.search(said):
        pytest.skip(f"the package registry cannot be reached by {Path(command[0]).name}")
    if _NO_PYTHON.search(said):
        pytest.skip(f"there is no Python {command[-1]} here")
    pytest.fail(f"{' '.join(command)}\n{said}", pytrace=False)
