"""PostgreSQL and MariaDB, as Debian packages them, and S3: on loopback, as a user of their own.

A database never runs as root, and its sessions are in a time zone that is not UTC.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

PATIENCE = 120
"""Seconds in which a server has to answer."""

PACKAGES = "postgresql mariadb-server-core mariadb-client-core"
"""Of Debian."""

_FOLDERS = ("/usr/sbin", "/usr/local/sbin")
_POSTGRES = "/usr/lib/postgresql"


def program(name: str) -> str:
    """The path of a server's program; skips the test where it is not installed."""
    newest = sorted(Path(_POSTGRES).glob("*/bin"), key=lambda one: int(one.parent.name))[-1:]
    places = os.pathsep.join([os.environ.get("PATH", ""), *_FOLDERS, *map(str, newest)])
    found = shutil.which(name, path=places)
    if found is None:
        pytest.skip(f"{name} is not installed: apt-get install {PACKAGES}")
    return found


@contextmanager
def postgres() -> Iterator[str]:
    """A PostgreSQL server in New York; its connection string."""
    import psycopg2

    init, server = program("initdb"), program("postgres")
    with _folder() as (folder, user):
        data = folder / "data"
        _run([init, "-D", str(data), "-U", "dlt", "-A", "trust", "-E", "UTF8", "-N"], user)
        port = free_port()
        settings = {"fsync": "off", "timezone": "America/New_York", "listen_addresses": "127.0.0.1"}
        command = [server, "-D", str(data), "-p", str(port), "-k", str(folder)]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        address = f"postgresql://dlt:none@127.0.0.1:{port}/postgres"
        with _running(command, user, lambda: psycopg2.connect(address).close()):
            yield address


@contextmanager
def mariadb() -> Iterator[str]:
    """A MariaDB server five hours behind UTC; SQLAlchemy's address of it."""
    import pymysql

    init, server = program("mariadb-install-db"), program("mariadbd")
    with _folder() as (folder, user):
        data = ["--no-defaults", f"--datadir={folder / 'data'}"]
        _run([init, *data, "--auth-root-authentication-method=normal", "--skip-test-db"], user)
        port = free_port()
        command = [
            *(server, *data, "--bind-address=127.0.0.1", f"--port={port}"),
            *(f"--socket={folder / 'socket'}", "--default-time-zone=-05:00"),
            *("--innodb-flush-log-at-trx-commit=0", "--character-set-server=utf8mb4"),
        ]
        given: dict[str, Any] = {"host": "127.0.0.1", "port": port, "user": "root"}
        with _running(command, user, lambda: pymysql.connect(**given).close()):
            yield f"mysql+pymysql://root@127.0.0.1:{port}/mysql"


@contextmanager
def s3() -> Iterator[str]:
    """moto's S3 server, a process of its own: deltalake keeps Python's lock while it waits."""
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with _running(command, None, lambda: socket.create_connection(("127.0.0.1", port)).close()):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def _folder() -> Iterator[tuple[Path, str | None]]:
    """A folder, and the user it belongs to: pytest's own folders are closed to other users."""
    folder = Path(tempfile.mkdtemp(prefix="server-"))
    user = "nobody" if os.geteuid() == 0 else None
    if user is not None:
        shutil.chown(folder, user)
    try:
        yield folder, user
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(command: Sequence[str], user: str | None) -> None:
    done = subprocess.run(command, user=user, cwd="/", capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@contextmanager
def _running(
    command: Sequence[str], user: str | None, connect: Callable[[], None]
) -> Iterator[None]:
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, user=user, cwd="/", stdout=log, stderr=log)
        try:
            wait(process, connect, log)
            yield
        finally:
            process.terminate()
            process.wait(PATIENCE)


def wait(process: subprocess.Popen[bytes], connect: Callable[[], None], log: Any) -> None:
    """Waits until a server answers."""
    ends = time.monotonic() + PATIENCE
    while True:
        try:
            connect()
        except Exception:  # each driver has errors of its own
            if process.poll() is None and time.monotonic() < ends:
                time.sleep(0.05)
                continue
            log.seek(0)
            pytest.fail(f"{command_line(process)} does not answer: {log.read().decode()}")
        return


def command_line(process: subprocess.Popen[bytes]) -> str:
    return " ".join(map(str, process.args))  # type: ignore[arg-type]


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])
