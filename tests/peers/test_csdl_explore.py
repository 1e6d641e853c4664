"""csdl-explore, a reader of OData metadata, loads the sandbox's ``$metadata``."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dataverse_source.sandbox import Sandbox
from tests.peers.installed import CSDL_EXPLORE, python_with
from tests.support.sandbox.user_clients import api, signed_in

pytestmark = [pytest.mark.peers, pytest.mark.slow]

Explore = Callable[..., Any]


@pytest.fixture(params=["$metadata", "$metadata?annotations=true"])
def explore(served: Sandbox, tmp_path: Path, request: pytest.FixtureRequest) -> Explore:
    """Asks csdl-explore about the document."""
    program = python_with(CSDL_EXPLORE).with_name("csdl-explore")
    document = tmp_path / "metadata.xml"
    with signed_in(served) as session:
        document.write_bytes(session.get(api(served, request.param)).content)

    def ask(*words: str) -> Any:
        command = [str(program), "--json-only", "--format", "json", str(document), *words]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
        return json.loads(done.stdout)

    return ask


def test_finds_every_table(explore: Explore, served: Sandbox) -> None:
    queried = {t.logical_name for t in served.store.schema.tables if t.entity_set_name}
    assert queried <= set(explore("entities"))


def test_finds_every_column_and_the_key(explore: Explore, served: Sandbox) -> None:
    for name in ("account", "contact", "new_sensorreading"):
        table = served.store.schema.by_logical_name[name]
        found = explore("entity", name)
        assert table.primary_id in found["keys"]
        assert set(table.by_wire_name) <= {each["name"] for each in found["properties"]}
