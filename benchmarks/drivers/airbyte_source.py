"""Airbyte's source: accounts to its standard output, which goes nowhere.

Two things are set from outside: the sign-in host, a literal in the source, and the certificate
authority, for which Airbyte's kit does not look at variables. Its discovery, which it needs
first, is not timed.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
import time
from pathlib import Path
from typing import TextIO

import source_microsoft_dataverse.source  # type: ignore[import-not-found,unused-ignore]
from airbyte_cdk.entrypoint import (  # type: ignore[import-not-found,unused-ignore]
    launch,
)

from tests.peers.drivers.airbyte_source import sign_in_at, trust


class Counting(io.StringIO):
    """Standard output that counts records and writes everything to ``sink``."""

    def __init__(self, sink: TextIO) -> None:
        super().__init__()
        self.rows = 0
        self._sink = sink

    def write(self, text: str) -> int:
        """Counts and passes on."""
        self.rows += text.startswith(('{"type":"RECORD"', '{"type": "RECORD"'))
        return self._sink.write(text)


def run(*arguments: str) -> None:
    """One command of the source."""
    launch(source_microsoft_dataverse.source.SourceMicrosoftDataverse(), list(arguments))


def main() -> None:
    """Discovers, then reads accounts in full."""
    connection = json.loads(sys.argv[1])
    trust(connection["ca_bundle"])
    host = f"{connection['authority_host']}/{connection['tenant_id']}"
    sign_in_at(f"{host}/oauth2/v2.0/token")
    config = {
        "url": connection["environment_url"],
        "tenant_id": connection["tenant_id"],
        "client_id": connection["client_id"],
        "client_secret_value": connection["client_secret"],
        "odata_maxpagesize": 5000,
    }
    Path("config.json").write_text(json.dumps(config), encoding="utf-8")
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        run("discover", "--config", "config.json")
    messages = [json.loads(line) for line in printed.getvalue().splitlines() if line[:1] == "{"]
    (found,) = (each["catalog"] for each in messages if each["type"] == "CATALOG")
    stream = next(each for each in found["streams"] if each["name"] == "account")
    chosen = {"stream": stream, "sync_mode": "full_refresh", "destination_sync_mode": "overwrite"}
    Path("catalog.json").write_text(json.dumps({"streams": [chosen]}), encoding="utf-8")
    began = time.perf_counter()
    with (
        Path(os.devnull).open("w", encoding="utf-8") as sink,
        contextlib.redirect_stdout(Counting(sink)) as counting,
    ):
        run("read", "--config", "config.json", "--catalog", "catalog.json")
    print(json.dumps({"rows": counting.rows, "seconds": time.perf_counter() - began}))


if __name__ == "__main__":
    main()
