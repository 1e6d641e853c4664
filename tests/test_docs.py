"""The code blocks of the papers do what they say."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]


def blocks(paper: str, language: str) -> list[str]:
    text = (ROOT / paper).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)


def block_with(paper: str, language: str, words: str) -> str:
    (found,) = [block for block in blocks(paper, language) if words in block]
    return found


def test_the_sandbox_in_a_python_test() -> None:
    code = block_with("docs/sandbox.md", "python", "sandbox.faults.plan")
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("https://")
    assert done.stdout.rstrip().endswith("101")


@pytest.mark.slow
@pytest.mark.skipif(
    not all(map(shutil.which, ("bash", "curl", "jq"))), reason="bash, curl and jq are needed"
)
def test_the_sandbox_from_a_shell(tmp_path: Path) -> None:
    script = block_with("docs/sandbox.md", "sh", "oauth2/v2.0/token")
    # any free port will do here: tests run side by side
    script = script.replace("--control-port 8444", "--control-port 0 --rows accounts=10")
    folder = Path(sys.executable).parent
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=tmp_path,
        env={**os.environ, "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count('"name"') == 3


def test_the_readme_names_settings_that_exist() -> None:
    from dataverse_source.settings import make_settings

    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    table = re.findall(r"^\| `(\w+)` \|", readme, flags=re.MULTILINE)
    assert {"environment_url", "tables", "sync", "page_size"} <= set(table)
    usable: dict[str, Any] = dict.fromkeys(set(table) - {"environment_url", "tables"} - DEFAULTED)
    make_settings(environment_url="https://a.crm.dynamics.com", tables=["accounts"], **usable)


DEFAULTED = {"api_version", "request_timeout"}
