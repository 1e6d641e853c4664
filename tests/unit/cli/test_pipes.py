"""A reader that goes away, and Ctrl-C while modules are imported, in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dataverse_source.sandbox import Sandbox
from tests.support.settings import settings_of

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name != "posix", reason="Windows has neither of them"),
]

PROGRAM = [sys.executable, "-m", "dataverse_source"]


@pytest.mark.parametrize("arguments", [("tables",), ("tables", "--json"), ("--help",)], ids=str)
def test_a_closed_stdout(sandbox: Sandbox, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as stdout:
        ended = subprocess.run(
            [*PROGRAM, *arguments],
            env={**os.environ, **settings_of(sandbox)},
            cwd=tmp_path,
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert (ended.returncode, ended.stderr) == (0, "")


def test_an_interrupt_during_imports(tmp_path: Path) -> None:
    (tmp_path / "click.py").write_text(
        "import time\nprint('importing', flush=True)\ntime.sleep(60)"
    )
    process = subprocess.Popen(
        [*PROGRAM, "tables"],
        env={
            **os.environ,
            "PYTHONPATH": f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "importing\n"
    time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=600)
    assert (process.returncode, errors) == (130, "Stopped.\n")
