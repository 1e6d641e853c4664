"""Python environments of their own for orchestrators, which are no dependency of this project."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from tests.support.places import ROOT

INSTALL_SECONDS = 900


def environment_with(requirement: str, *others: str) -> Path:
    """The folder of programs of an environment with ``requirement`` and this project.

    It is made once and kept in the user's cache folder; other requirements, or another Python,
    make another one.
    """
    uv = shutil.which("uv")
    if uv is None:
        pytest.skip("uv is not there to make an environment with")
    own = sorted(metadata.requires("dlt-dataverse") or ())
    parts = [requirement, *others, sys.version, str(ROOT), *own]
    mark = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]
    folder = _cache() / f"{requirement.partition('>')[0]}-{mark}"
    programs = folder / "bin"
    if (folder / "complete").exists():
        return programs
    try:
        for command in (
            [uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(folder)],
            [
                *(uv, "pip", "install", "--quiet", "--python", str(programs / "python")),
                *(requirement, *others, "--editable", f"{ROOT}[sandbox]"),
            ],
        ):
            subprocess.run(
                command, check=True, capture_output=True, text=True, timeout=INSTALL_SECONDS
            )
    except subprocess.SubprocessError as error:
        shutil.rmtree(folder, ignore_errors=True)
        reason = str(getattr(error, "stderr", "") or error).strip().splitlines()[-1]
        pytest.skip(f"{requirement} can't be installed here: {reason}")
    (folder / "complete").touch()
    return programs


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "dlt-dataverse-tests"
