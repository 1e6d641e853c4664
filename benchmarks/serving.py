"""Starts and ends the server that contenders read from: a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dataverse_source.sandbox import Sandbox

ROOT = Path(__file__).parent.parent


class Server:
    """A running page server.

    Attributes:
        connection: what a client has to know.
        cpu_seconds: processor time that it has used; known when it has ended.
    """

    def __init__(self, connection: Mapping[str, str]) -> None:
        self.connection = dict(connection)
        self.cpu_seconds = 0.0

    @property
    def ca_bundle(self) -> str:
        """Path of the certificate authority."""
        return self.connection["ca_bundle"]


@contextmanager
def page_server(
    folder: Path,
    rows: int,
    *,
    limits: Mapping[str, Any] | None = None,
    latency: float | None = None,
) -> Iterator[Server]:
    """A server of prerendered pages, ended with the block.

    Args:
        folder: from `make_pages`.
        rows: how many accounts it shows.
        limits: service protection limits to enforce.
        latency: seconds that an answer takes.
    """
    command = [sys.executable, "-m", "benchmarks.page_server", str(folder), "--rows", str(rows)]
    command += ["--limits", json.dumps(dict(limits))] if limits else []
    command += ["--latency", str(latency)] if latency else []
    with served(command) as server:
        yield server


@contextmanager
def served(command: list[str]) -> Iterator[Server]:
    """A process that prints a sandbox's line of JSON when it is ready; ended with the block.

    Raises:
        RuntimeError: it did not start.
    """
    with subprocess.Popen(  # noqa: S603
        command, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        line = process.stdout.readline() if process.stdout else ""
        if not line:
            raise RuntimeError(f"The server did not start: {' '.join(command)}")
        server = Server(json.loads(line))
        try:
            yield server
        finally:
            process.terminate()
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            server.cpu_seconds = usage.ru_utime + usage.ru_stime


def serve(sandbox: Sandbox) -> None:
    """Prints how to connect to a sandbox that was started, and ends it at SIGTERM or SIGINT."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        sys.stdout.write(json.dumps(sandbox.connection) + "\n")
        sys.stdout.flush()
        while not stop.wait(1.0):
            pass
    finally:
        sandbox.stop()
