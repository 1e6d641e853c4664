"""tap-ms-dynamics, run by its own command line: acts for a person, by a refresh token."""

from __future__ import annotations

import json
import subprocess
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from dataverse_source.sandbox import Sandbox
from tests.peers.cloud import Cloud
from tests.peers.conversation import environment
from tests.peers.expected import rows, sizes
from tests.peers.installed import SINGER_TAP, python_with

pytestmark = [pytest.mark.peers, pytest.mark.slow]

PERSON = {
    "fullname": "Ada Example",
    "azureactivedirectoryobjectid": "11111111-2222-4333-8444-555555555555",
}
READ = ("account", "contact", "new_project", "businessunit")
NAMES = ("accountid", "name", "revenue", "numberofemployees", "industrycode", "versionnumber")
"""No booleans: Singer's library turns an empty one into false."""
PAGE = 50


class Tap:
    """The tap and its files."""

    def __init__(self, cloud: Cloud, served: Sandbox, folder: Path) -> None:
        self._program = python_with(SINGER_TAP).with_name("tap-ms-dynamics")
        self._environment = environment(cloud)
        self._folder = folder
        connection = cloud.connection
        person = served.store.create("systemuser", PERSON)
        config = {
            "start_date": "2000-01-01T00:00:00Z",
            "organization_uri": connection["environment_url"],
            "user_agent": "tests",
            "client_id": connection["client_id"],
            "client_secret": connection["client_secret"],
            "redirect_uri": "https://127.0.0.1/",
            "refresh_token": served.sign_in(person),
            "max_pagesize": PAGE,
        }
        self.config = self.write("config", config)

    def write(self, name: str, content: Any) -> str:
        """The path of a new file with JSON."""
        path = self._folder / f"{name}.json"
        path.write_text(json.dumps(content), encoding="utf-8")
        return str(path)

    def run(self, *options: str) -> str:
        """What the tap prints."""
        command = [str(self._program), "--config", self.config, *options]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=120, env=self._environment, check=False
        )
        assert done.returncode == 0, done.stderr[-4000:]
        return done.stdout


@pytest.fixture(scope="module")
def tap(cloud: Cloud, served: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Tap:
    return Tap(cloud, served, tmp_path_factory.mktemp("tap"))


@pytest.fixture(scope="module")
def catalog(tap: Tap) -> Any:
    """What the tap discovers."""
    return json.loads(tap.run("--discover"))


def selected(catalog: Any) -> Any:
    """The catalog with the tables to read marked."""
    for stream in catalog["streams"]:
        for entry in stream["metadata"]:
            if entry["breadcrumb"] == []:
                entry["metadata"]["selected"] = stream["stream"] in READ
    return catalog


def messages(text: str) -> dict[str, list[Any]]:
    """What was printed, by type of message."""
    found = defaultdict(list)
    for line in text.splitlines():
        message = json.loads(line)
        found[message["type"]].append(message)
    return found


def test_discovers_tables(catalog: Any, served: Sandbox) -> None:
    streams = {each["stream"]: each for each in catalog["streams"]}
    account = served.store.schema.by_logical_name["account"]
    assert set(streams["account"]["schema"]["properties"]) >= {
        name for name in account.by_wire_name if not name.startswith("entityimage")
    }
    assert streams["account"]["key_properties"] == ["accountid"]
    assert streams["account"]["replication_key"] == "modifiedon"


def test_reads_tables_page_by_page(tap: Tap, catalog: Any, served: Sandbox) -> None:
    path = tap.write("catalog", selected(catalog))
    served.requests.clear()
    printed = messages(tap.run("--catalog", path))
    records = defaultdict(list)
    for message in printed["RECORD"]:
        records[message["stream"]].append(message["record"])
    for table in READ:
        assert len(records[table]) == served.store.count(table)
    expected = rows(served, "account", NAMES)
    found = {row["accountid"]: {name: row[name] for name in NAMES} for row in records["account"]}
    assert found == expected
    assert len(served.requests.matching("/accounts")) == len(sizes(len(expected), PAGE))
    (signed_in,) = served.requests.matching("/common/oauth2/token")
    assert b"grant_type=refresh_token" in signed_in.body

    state = tap.write("state", printed["STATE"][-1]["value"])
    again = messages(tap.run("--catalog", path, "--state", state))
    newest = max(row["modifiedon"] for row in served.store.rows("account"))
    late = [row for row in served.store.rows("account") if row["modifiedon"] == newest]
    shown = [each for each in again["RECORD"] if each["stream"] == "account"]
    assert len(shown) == len(late)
