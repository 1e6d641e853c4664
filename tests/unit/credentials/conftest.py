"""One sandbox for all sign-ins of a module, each test with an app of its own; or a session and a
clock, for tests that answer in the login service's place."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from dataverse_source.client.session import new_session
from dataverse_source.sandbox import Application, Sandbox
from tests.support.servers import ca_file
from tests.support.sign_in import Clock


@pytest.fixture(scope="module")
def tenant() -> Iterator[Sandbox]:
    with Sandbox(rows={}) as running:
        yield running


@pytest.fixture
def app(tenant: Sandbox) -> Application:
    """An app registration with an application user; its secret is one of its proofs."""
    return tenant.add_application()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def session(tmp_path: Path) -> Iterator[requests.Session]:
    with new_session(ca_bundle=ca_file(tmp_path)) as made:
        yield made
