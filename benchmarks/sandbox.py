"""Measures the sandbox's reach: start-up, seeding, pages alone and to many connections at once.

    uv run python benchmarks/sandbox.py
    uv run python benchmarks/sandbox.py --seed-rows 1000000 --repeat 1 --only seeding

Every figure is the median of ``--repeat`` runs, with the least and the greatest. The sandbox
runs in a process of its own. The client reads bytes and throws them away, but takes its share
of the processors: with few of them, the figures at many connections are as much the client's.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPSConnection
from pathlib import Path
from urllib.parse import quote, urlencode, urlsplit

from dataverse_source.sandbox.environment.clock import Clock
from dataverse_source.sandbox.schema.catalog import default_schema
from dataverse_source.sandbox.store.store import Store

PAGE_ROWS = 5000
BUFFER_BYTES = 1 << 18
ANNOTATIONS = 'odata.include-annotations="{}"'
LOOKUPS = ANNOTATIONS.format("Microsoft.Dynamics.CRM.lookuplogicalname")
FORMATTED = ANNOTATIONS.format("OData.Community.Display.V1.FormattedValue")
EVERYTHING = ANNOTATIONS.format("*")


@dataclass(frozen=True)
class Page:
    """A page to ask for: the query string, the Prefer header, and whether it may come gzipped."""

    title: str
    query: str
    prefer: str = ""
    gzip: bool = False


def main() -> None:
    """Runs what was asked for and prints the figures."""
    options = _options()
    parts = {"startup": _startup, "seeding": _seeding, "pages": _pages}
    _say(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}, Python {sys.version[:6]}")
    for name, part in parts.items():
        if options.only in (None, name):
            part(options)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=("startup", "seeding", "pages"))
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--seed-rows", type=int, default=100_000, help="accounts to seed")
    parser.add_argument("--connections", type=int, default=16)
    return parser.parse_args()


def _startup(options: argparse.Namespace) -> None:
    """From the start of a process to the line that says the sandbox is ready."""

    def run() -> float:
        began = time.perf_counter()
        with _sandbox():
            return (time.perf_counter() - began) * 1000

    _report("start-up with default rows, process and all", _repeated(run, options.repeat), "ms")


def _seeding(options: argparse.Namespace) -> None:
    """Accounts with all their columns, to a file."""
    count = options.seed_rows
    sizes: list[int] = []

    def run() -> float:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "rows.db"
            store = Store(default_schema(), Clock(), path=path)
            store.seed("systemuser", 20)
            began = time.perf_counter()
            store.seed("account", count)
            taken = time.perf_counter() - began
            store.close()
            sizes.append(path.stat().st_size)
            return taken

    figures = _repeated(run, options.repeat)
    _report(f"seeding {count} accounts", figures, "s", digits=1)
    rate = count / statistics.median(figures)
    _say(f"    {rate:.0f} rows/s; {sizes[-1] / count:.0f} bytes a row on disk")


def _pages(options: argparse.Namespace) -> None:
    """Pages of 5,000 accounts, over HTTPS."""
    with _sandbox() as facts:
        token = _token(facts)
        for page in _asked():
            reader = _Reader(facts, token, page)
            alone = [reader.read() for _ in range(options.repeat + 1)][1:]
            reader.close()
            many, each = _at_once(facts, token, page, options)
            _say(f"{page.title}: {reader.body_bytes / 1e6:.1f} MB on the wire")
            _report("  alone", alone, "ms")
            _report(f"  at {options.connections} connections, time a page", many, "ms")
            _report("    until its reader has it", each, "ms")


def _asked() -> Iterator[Page]:
    selected = "$select=" + quote(",".join(_names()), safe=",")
    for gzip in (False, True):
        end = ", gzip" if gzip else ""
        yield Page(f"all columns{end}", "", gzip=gzip)
        yield Page(f"all columns by $select, lookuplogicalname{end}", selected, LOOKUPS, gzip)
        yield Page(f"all columns, FormattedValue{end}", "", FORMATTED, gzip)
        yield Page(f"all columns, annotations *{end}", "", EVERYTHING, gzip)


def _names() -> list[str]:
    table = default_schema().by_logical_name["account"]
    return [name for name, column in table.by_wire_name.items() if column.type != "Virtual"]


def _at_once(
    facts: dict[str, str], token: str, page: Page, options: argparse.Namespace
) -> tuple[list[float], list[float]]:
    """Milliseconds a page, and until a reader has it, while many connections read."""
    readers = [_Reader(facts, token, page) for _ in range(options.connections)]
    totals: list[float] = []
    each: list[float] = []
    with ThreadPoolExecutor(len(readers)) as pool:
        for turn in range(options.repeat + 1):
            began = time.perf_counter()
            taken = list(pool.map(_Reader.read, readers))
            if turn:
                totals.append((time.perf_counter() - began) * 1000 / len(readers))
                each += taken
    for reader in readers:
        reader.close()
    return totals, each


class _Reader:
    """A connection that reads the same page again and again."""

    def __init__(self, facts: dict[str, str], token: str, page: Page) -> None:
        address = urlsplit(facts["environment_url"])
        host, port = str(address.hostname), int(address.port or 443)
        context = ssl.create_default_context(cafile=facts["ca_bundle"])
        plain = socket.create_connection((host, port))
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = context.wrap_socket(plain, server_hostname=host)
        query = f"?{page.query}" if page.query else ""
        lines = [f"GET /api/data/v9.2/accounts{query} HTTP/1.1", f"Host: {address.netloc}"]
        lines += [f"Authorization: Bearer {token}", f"Prefer: {page.prefer}"]
        lines += [f"Accept-Encoding: {'gzip' if page.gzip else 'identity'}", "", ""]
        self._request = "\r\n".join(lines).encode()
        self._buffer = bytearray(BUFFER_BYTES)
        self.body_bytes = 0

    def read(self) -> float:
        """Reads the page; returns milliseconds until its last byte."""
        began = time.perf_counter()
        self._socket.sendall(self._request)
        head = b""
        while b"\r\n\r\n" not in head:
            head += self._socket.recv(4096)
        head, _, body = head.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(head.decode("latin-1"))
        self.body_bytes = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        left = self.body_bytes - len(body)
        while left:
            left -= self._socket.recv_into(self._buffer, min(left, BUFFER_BYTES))
        return (time.perf_counter() - began) * 1000

    def close(self) -> None:
        """Closes the connection."""
        self._socket.close()


@contextmanager
def _sandbox() -> Iterator[dict[str, str]]:
    """A sandbox with default rows in a process of its own; what it prints when it is ready."""
    command = [sys.executable, "-m", "dataverse_source.sandbox"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        try:
            if process.stdout is None:
                raise RuntimeError("no pipe")
            yield json.loads(process.stdout.readline())
        finally:
            process.terminate()


def _token(facts: dict[str, str]) -> str:
    address = urlsplit(facts["authority_host"])
    context = ssl.create_default_context(cafile=facts["ca_bundle"])
    connection = HTTPSConnection(address.netloc, context=context)
    form = {
        "grant_type": "client_credentials",
        "client_id": facts["client_id"],
        "client_secret": facts["client_secret"],
        "scope": f"{facts['environment_url']}/.default",
    }
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    connection.request("POST", f"/{facts['tenant_id']}/oauth2/v2.0/token", urlencode(form), headers)
    answer = json.loads(connection.getresponse().read())
    connection.close()
    return str(answer["access_token"])


def _repeated(run: Callable[[], float], times: int) -> list[float]:
    return [run() for _ in range(times)]


def _report(title: str, figures: list[float], unit: str, digits: int = 0) -> None:
    median, least, most = statistics.median(figures), min(figures), max(figures)
    _say(f"{title}: {median:.{digits}f} {unit} ({least:.{digits}f} to {most:.{digits}f})")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
