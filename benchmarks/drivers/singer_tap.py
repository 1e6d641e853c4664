"""The Singer tap tap-ms-dynamics: accounts to its standard output, which goes nowhere.

The tap signs in with a refresh token at a literal host; it is given a token of the server
instead. It asks for a ``$count`` of table definitions, which Dataverse refuses; that is left
out. The discovery of a run without a catalogue is not timed; that of every sync is.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TextIO

import requests
from singer.catalog import Catalog  # type: ignore[import-not-found,unused-ignore]
from tap_dynamics.client import DynamicsClient  # type: ignore[import-not-found,unused-ignore]
from tap_dynamics.discover import discover  # type: ignore[import-not-found,unused-ignore]
from tap_dynamics.sync import sync  # type: ignore[import-not-found,unused-ignore]


class Counting(io.StringIO):
    """Standard output that counts records and writes everything to ``sink``."""

    def __init__(self, sink: TextIO) -> None:
        super().__init__()
        self.rows = 0
        self._sink = sink

    def write(self, text: str) -> int:
        """Counts and passes on."""
        self.rows += text.startswith('{"type": "RECORD"')
        return self._sink.write(text)


def sign_in(connection: dict[str, str]) -> None:
    """Gives every client of the tap a token."""
    answer = requests.post(
        f"{connection['authority_host']}/{connection['tenant_id']}/oauth2/v2.0/token",
        data={
            "grant_type": "client_credentials",
            "client_id": connection["client_id"],
            "client_secret": connection["client_secret"],
            "scope": f"{connection['environment_url']}/.default",
        },
        timeout=60,
    )
    token = answer.json()["access_token"]

    def ensure(client: Any) -> None:
        client.access_token = token
        client.expires_at = datetime.utcnow() + timedelta(hours=1)

    get = DynamicsClient.get

    def get_without_count(
        client: Any, endpoint: str, paging: bool = False, headers: Any = None, params: Any = None
    ) -> Any:
        kept = {name: value for name, value in (params or {}).items() if name != "$count"}
        return get(client, endpoint, paging, headers, kept)

    DynamicsClient._ensure_access_token = ensure
    DynamicsClient.get = get_without_count


def main() -> None:
    """Discovers, then reads accounts."""
    connection = json.loads(sys.argv[1])
    sign_in(connection)
    config = {
        "start_date": "2000-01-01T00:00:00Z",
        "organization_uri": connection["environment_url"],
        "user_agent": "benchmark",
        "client_id": connection["client_id"],
        "client_secret": connection["client_secret"],
        "redirect_uri": "https://localhost",
        "refresh_token": "not used",
        "max_pagesize": 5000,
    }
    Path("config.json").write_text(json.dumps(config), encoding="utf-8")
    found = discover(config, "config.json").to_dict()
    streams = [each for each in found["streams"] if each["tap_stream_id"] == "account"]
    for entry in streams[0]["metadata"]:
        entry["metadata"]["selected"] = True
    catalog = Catalog.from_dict({"streams": streams})
    began = time.perf_counter()
    with (
        Path(os.devnull).open("w", encoding="utf-8") as sink,
        contextlib.redirect_stdout(Counting(sink)) as counting,
    ):
        sync(config, "config.json", {}, catalog)
    print(json.dumps({"rows": counting.rows, "seconds": time.perf_counter() - began}))


if __name__ == "__main__":
    main()
