"""Command line of the sandbox: ``python -m dataverse_source.sandbox``.

Prints one JSON line when it is ready (environment_url, authority_host, tenant_id, client_id,
client_secret, ca_bundle; with --control-port also control_url and control_token), then serves
until it is stopped by SIGINT or SIGTERM.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dataverse_source.sandbox.sandbox import Sandbox
    from dataverse_source.sandbox.schema.tables import Schema

PROGRAM = "python -m dataverse_source.sandbox"
HELP = """\
A local Dataverse over HTTPS on loopback. When it is ready it prints one JSON line with
environment_url, authority_host, tenant_id, client_id, client_secret and ca_bundle."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line and returns the exit code."""
    options = _parser().parse_args(arguments)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        if sys.stdout.isatty():
            print("Making rows ...", file=sys.stderr, flush=True)
        sandbox = _sandbox(options).start()
    except (ImportError, OSError, ValueError) as error:
        print(f"{PROGRAM}: {error}", file=sys.stderr)
        return 2
    try:
        told = _settings(sandbox.connection) if sys.stdout.isatty() else None
        print(told or json.dumps(sandbox.connection), flush=True)
        # Short waits: on Windows a signal does not end a wait without a limit.
        while not stop.wait(1.0):
            pass
    finally:
        sandbox.stop()
    return 0


def _settings(connection: Mapping[str, str]) -> str:
    """What a person at a terminal pastes: settings files, and the rest of the connection."""
    credentials = ("tenant_id", "client_id", "client_secret", "authority_host")
    source = ("environment_url", "ca_bundle")
    other = [name for name in connection if name not in (*credentials, *source)]

    def lines(names: Iterable[str]) -> list[str]:
        return [f"{name} = {json.dumps(connection[name])}" for name in names]

    return "\n".join(
        [
            "# .dlt/config.toml",
            "[sources.dataverse]",
            *lines(source),
            "",
            "# .dlt/secrets.toml",
            "[sources.dataverse.credentials]",
            *lines(credentials),
            "",
            *(f"# {line}" for line in lines(other)),
            "# Ready. Ctrl-C ends it.",
        ]
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=PROGRAM, description=HELP, allow_abbrev=False)
    _add_ports_and_credentials(parser)
    _add_rows(parser)
    _add_behaviour(parser)
    return parser


def _add_ports_and_credentials(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--port", type=int, default=0, help="port to listen on (default: any free one)")
    add(
        "--host-name",
        action="append",
        default=[],
        metavar="NAME",
        help="a name that your proxy or hosts file leads here, besides 127.0.0.1 and localhost; "
        "may be repeated",
    )
    add(
        "--control-port",
        type=int,
        metavar="PORT",
        help="port of the control server, 0 for any free one (default: none)",
    )
    add("--control-token", metavar="TOKEN", help="its bearer token (default: a new one)")
    add("--client-secret", help="secret of the application (default: a new one)")
    add(
        "--token-lifetime",
        type=int,
        default=3599,
        metavar="SECONDS",
        help="lifetime of an access token (default: 3599)",
    )


def _add_rows(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
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
    add(
        "--schema",
        type=Path,
        metavar="PATH",
        help=(
            "serve the tables of a $metadata file, of EntityMetadata in JSON or XML (.json, .xml, "
            "either with .gz), or of a folder of such EntityMetadata"
        ),
    )
    add(
        "--store",
        type=Path,
        metavar="FILE",
        help="file to keep the rows in (default: a temporary one)",
    )


def _add_behaviour(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--limits",
        nargs="?",
        const="",
        metavar="NAME=VALUE,...",
        help="enforce service protection limits, with the documented figures or others: "
        "requests, execution_seconds, concurrent, window_seconds, servers, dop_hint",
    )
    add(
        "--latency",
        nargs="?",
        type=float,
        const=1.0,
        metavar="SCALE",
        help="answer as slowly as a real environment might (a guess), times SCALE",
    )
    add("--prerender", action="store_true", help="keep answers until rows change: for benchmarks")
    add(
        "--switch",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        type=_pair,
        help="set a behaviour that no document settles (see dataverse_source.sandbox.switches); "
        "may be repeated",
    )


def _sandbox(options: argparse.Namespace) -> Sandbox:
    from dataverse_source.sandbox import LatencySettings, Sandbox, Switches

    return Sandbox(
        _rows(options),
        seed=options.seed,
        schema=_schema(options.schema),
        switches=Switches().changed(**dict(options.switch)),
        limits=None if options.limits is None else _limits(options.limits),
        latency=None if options.latency is None else LatencySettings.guess(options.latency),
        port=options.port,
        host_names=options.host_name,
        client_secret=options.client_secret,
        token_lifetime=options.token_lifetime,
        store_path=options.store,
        prerender=options.prerender,
        control_port=options.control_port,
        control_token=options.control_token,
    )


def _rows(options: argparse.Namespace) -> dict[str, int]:
    """The rows asked for, added to the default ones unless another schema is served."""
    from dataverse_source.sandbox.schema.row_counts import DEFAULT_ROWS

    return {**({} if options.schema else DEFAULT_ROWS), **dict(options.rows)}


def _schema(path: Path | None) -> Schema | None:
    if path is None:
        return None
    from dataverse_source.sandbox.schema.schema_files import read_schema

    try:
        return read_schema(path)
    except (OSError, ValueError) as error:
        raise ValueError(f"Can't read the schema {path}: {error}") from error


def _limits(text: str) -> Any:
    from dataverse_source.sandbox import LimitSettings

    known = {field.name: field.type for field in fields(LimitSettings)}
    settings: dict[str, Any] = {"enforced": True}
    for part in filter(None, text.split(",")):
        name, _, value = part.partition("=")
        if known.get(name) not in ("int", "float"):
            raise ValueError(f"There is no limit {name!r}; known: {', '.join(known)}.")
        try:
            settings[name] = int(value) if known[name] == "int" else float(value)
        except ValueError:
            raise ValueError(f"Limit {name} can't be {value!r}: it is a number.") from None
    return LimitSettings(**settings)


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
