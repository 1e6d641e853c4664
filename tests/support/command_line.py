"""A sandbox that the command line is configured for, and the command line in this process."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dataverse_source.cli.app import run
from dataverse_source.sandbox import Sandbox


def settings_of(sandbox: Sandbox) -> dict[str, str]:
    """The environment variables that lead to a sandbox as to any other environment."""
    section = "SOURCES__DATAVERSE__"
    return {
        f"{section}ENVIRONMENT_URL": sandbox.environment_url,
        f"{section}CA_BUNDLE": str(sandbox.ca_bundle),
        f"{section}CREDENTIALS__TENANT_ID": sandbox.tenant_id,
        f"{section}CREDENTIALS__CLIENT_ID": sandbox.client_id,
        f"{section}CREDENTIALS__CLIENT_SECRET": sandbox.client_secret,
        f"{section}CREDENTIALS__AUTHORITY_HOST": sandbox.authority_host,
    }


@dataclass(frozen=True)
class Ran:
    """What one run of the command line has left."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)


Cli = Callable[..., Ran]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that commands run in; DuckDB's file is made there."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def cli(folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Runs the command line in this process."""
    monkeypatch.setenv("COLUMNS", "80")

    def ran(*arguments: str) -> Ran:
        capsys.readouterr()
        code = run(arguments)
        output = capsys.readouterr()
        return Ran(code, output.out, output.err)

    return ran


@pytest.fixture
def configured(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    """A sandbox that the settings lead to."""
    for name, value in settings_of(sandbox).items():
        monkeypatch.setenv(name, value)
    return sandbox
