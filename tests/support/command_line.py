"""The command line in this process, and a sandbox that it is configured for."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dataverse_source.cli.app import run
from dataverse_source.config.log import logger
from dataverse_source.sandbox import Sandbox
from tests.support.settings import settings_of


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
    monkeypatch.setenv("DLT_PROJECT_DIR", str(tmp_path))
    return tmp_path


@pytest.fixture
def cli(folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Runs the command line in this process."""
    monkeypatch.setenv("COLUMNS", "80")

    def ran(*arguments: str) -> Ran:
        capsys.readouterr()
        for handler in logger.handlers:  # made in an earlier test, with the stderr of then
            if isinstance(handler, logging.StreamHandler) and handler.stream.closed:
                monkeypatch.setattr(handler, "stream", sys.stderr)
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
