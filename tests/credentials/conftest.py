"""One sandbox for all sign-ins of a module; each test registers an app of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dataverse_source.sandbox import Application, Sandbox


@pytest.fixture(scope="module")
def tenant() -> Iterator[Sandbox]:
    with Sandbox(rows={}) as running:
        yield running


@pytest.fixture
def app(tenant: Sandbox) -> Application:
    """An app registration with an application user; its secret is one of its proofs."""
    return tenant.add_application()
