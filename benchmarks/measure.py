"""Runs a process and measures it: wall and CPU seconds, peak memory."""

from __future__ import annotations

import json
import os
import re
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
PERIOD = 0.05
"""Seconds between looks at the memory."""
_OF_THE_MACHINE = ("PROXY", "CA_BUNDLE", "CERT", "VIRTUAL_ENV", "DONTWRITEBYTECODE")
"""Parts of names of variables that must not decide how a contender reaches the server, nor have
it compile every module of its packages in every run."""


class ContenderFailed(Exception):
    """A contender ended with an error; the text is the end of what it wrote."""


@dataclass(frozen=True)
class Measured:
    """What one run took.

    Attributes:
        rows: rows that arrived, as the contender counted them.
        seconds: of the work alone, without starting Python and importing packages.
        process_seconds: from the start of the process to its end.
        cpu_seconds: user and system time of the process and its children.
        peak_bytes: most resident memory of the process.
        more: what else the contender told.
    """

    rows: int
    seconds: float
    process_seconds: float
    cpu_seconds: float
    peak_bytes: int
    more: Mapping[str, Any]

    def as_json(self) -> dict[str, Any]:
        """For the results file."""
        return asdict(self)


def measured(
    command: Sequence[str],
    folder: Path,
    ca_bundle: str,
    limit: float = 3600,
    variables: Mapping[str, str] | None = None,
) -> Measured:
    """Runs a command that ends its output with a line of JSON: rows, seconds.

    Args:
        command: program and arguments.
        folder: where it runs and what it may fill.
        ca_bundle: the certificate authority to trust.
        limit: seconds after which it is ended.
        variables: more of its environment.

    Raises:
        ContenderFailed: it ended with an error, or has not ended in time.
    """
    began = time.perf_counter()
    log = folder / "errors.txt"
    with log.open("wb") as errors:
        process = subprocess.Popen(  # noqa: S603
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            cwd=folder,
            env={**environment(ca_bundle), **(variables or {})},
            text=True,
        )
    with process, _Memory(process.pid) as memory:
        timer = threading.Timer(limit, process.kill)
        timer.start()
        said = process.stdout.read() if process.stdout else ""
        _, status, usage = os.wait4(process.pid, 0)
        code = process.returncode = os.waitstatus_to_exitcode(status)
        timer.cancel()
    taken = time.perf_counter() - began
    lines = said.strip().splitlines()
    if code or not lines:
        raise ContenderFailed(f"exit code {code}: {log.read_text('utf-8', 'replace')[-3000:]}")
    told = json.loads(lines[-1])
    return Measured(
        rows=told.pop("rows"),
        seconds=told.pop("seconds"),
        process_seconds=taken,
        cpu_seconds=usage.ru_utime + usage.ru_stime,
        peak_bytes=memory.peak or _bytes(usage),
        more=told,
    )


def environment(ca_bundle: str) -> dict[str, str]:
    """The variables of a contender: it trusts the server, and no proxy stands between."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not any(part in name.upper() for part in _OF_THE_MACHINE)
    }
    trusting = dict.fromkeys(("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"), ca_bundle)
    own = {"PYTHONPATH": str(ROOT), "RUNTIME__DLTHUB_TELEMETRY": "false", "PYTHONUTF8": "1"}
    return {**kept, **trusting, **own}


def _bytes(usage: resource.struct_rusage) -> int:
    """The peak that the system keeps; it counts what this process held at the start, too."""
    return usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


class _Memory:
    """Watches the peak of a process from a thread, where the system tells it (Linux)."""

    def __init__(self, pid: int) -> None:
        self.peak = 0
        self._status = Path(f"/proc/{pid}/status")
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> _Memory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(PERIOD):
            try:
                found = re.search(r"VmHWM:\s+(\d+) kB", self._status.read_text("ascii"))
            except OSError:
                continue
            self.peak = max(self.peak, int(found[1]) * 1024 if found else 0)
