"""Command line of the sandbox: ``python -m dataverse_source.sandbox``.

Prints one JSON line when it is ready (environment_url, authority_host, tenant_id, client_id,
client_secret, ca_bundle), then serves until it is stopped by SIGINT or SIGTERM.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataverse_source.sandbox.sandbox import Sandbox

HELP = """\
A local Dataverse over HTTPS on loopback. When it is ready it prints one JSON line with
environment_url, authority_host, tenant_id, client_id, client_secret and ca_bundle."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line and returns the exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        sandbox = _sandbox(options)
    except (ImportError, ValueError) as error:
        parser.exit(2, f"{parser.prog}: {error}\n")
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        sandbox.start()
    except (OSError, ValueError) as error:
        parser.exit(2, f"{parser.prog}: {error}\n")
    try:
        print(json.dumps(sandbox.connection), flush=True)
        # Short waits: on Windows a signal does not end a wait without a limit.
        while not stop.wait(1.0):
            pass
    finally:
        sandbox.stop()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m dataverse_source.sandbox", description=HELP, allow_abbrev=False
    )
    add = parser.add_argument
    add("--port", type=int, default=0, help="port to listen on (default: any free one)")
    add(
        "--rows",
        action="append",
        default=[],
        metavar="TABLE=COUNT",
        type=_row_count,
        help="rows to seed, by entity set or logical name, for instance accounts=100000; "
        "may be repeated",
    )
    add("--seed", type=int, default=1, help="the same seed gives the same rows (default: 1)")
    add("--client-secret", help="secret of the application (default: a new one)")
    add("--token-lifetime", type=int, default=3599, metavar="SECONDS")
    add(
        "--switch",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        type=_pair,
        help="a behaviour that no document settles (see dataverse_source.sandbox.switches); "
        "may be repeated",
    )
    return parser


def _sandbox(options: argparse.Namespace) -> Sandbox:
    from dataverse_source.sandbox import Sandbox, Switches
    from dataverse_source.sandbox.sandbox import DEFAULT_ROWS

    return Sandbox(
        {**DEFAULT_ROWS, **dict(options.rows)},
        seed=options.seed,
        port=options.port,
        client_secret=options.client_secret,
        token_lifetime=options.token_lifetime,
        switches=Switches().changed(**dict(options.switch)),
    )


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form NAME=VALUE")
    return name, value


def _row_count(text: str) -> tuple[str, int]:
    name, count = _pair(text)
    if not count.replace("_", "").isdigit():
        raise argparse.ArgumentTypeError(f"{count!r} is not a number of rows")
    return name, int(count)


if __name__ == "__main__":
    sys.exit(main())
