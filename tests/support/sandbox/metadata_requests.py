"""Asks the metadata side as a client would, without a server."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dataverse_source.sandbox.environment.clock import Clock
from dataverse_source.sandbox.environment.environment import Caller, Environment
from dataverse_source.sandbox.http.messages import DataverseFault, Request
from dataverse_source.sandbox.metadata.router import MetadataSide
from dataverse_source.sandbox.schema.tables import Schema
from dataverse_source.sandbox.store.store import Store
from dataverse_source.sandbox.switches import Switches
from tests.support.places import SHARED

CALLER = Caller("11111111-1111-1111-1111-111111111111", "22222222-2222-2222-2222-222222222222")
ROOT = "https://contoso.example/api/data/v9.2/"


class Asking:
    """A metadata side over a store of its own."""

    def __init__(
        self, schema: Schema, switches: Switches | None = None, version: str = "v9.2"
    ) -> None:
        self.version = version
        clock = Clock()
        self.store = Store(schema, clock)
        self.environment = Environment(self.store, clock, switches or Switches())
        self.side = MetadataSide(self.environment)

    def __enter__(self) -> Asking:
        return self

    def __exit__(self, *_: object) -> None:
        self.store.close()

    def text(self, rest: str) -> str:
        path, _, query = rest.partition("?")
        request = Request(
            "GET", f"/api/data/{self.version}/{path}", query, base_url="https://contoso.example"
        )
        answer = self.side.answer(request, path, CALLER)
        assert answer.status == 200
        return answer.body.decode()

    def json(self, rest: str) -> Any:
        return json.loads(self.text(rest.replace(" ", "%20")))

    def fault(self, rest: str) -> tuple[int, str, str]:
        with pytest.raises(DataverseFault) as caught:
            self.json(rest)
        return caught.value.status, caught.value.code, caught.value.message


def recording(name: str) -> Any:
    """A recorded answer of a real organization; skips the test where there is none."""
    folder = SHARED / "corpus" / "json" / "terraform-power-platform"
    path = folder / f"data_record__{name}.json"
    if not path.exists():
        pytest.skip(f"recordings of a real organization are not here: {path.name}")
    return json.loads(path.read_text(encoding="utf-8"))
