"""What the sign-in tests share: a clock to move on, and a token source to try."""

from __future__ import annotations

from collections.abc import Callable

import requests

from dataverse_source.credentials import DataverseCredentials, RenewingTokens, token_source
from tests.support.servers import (
    CLIENT,
    SECRET,
    TENANT,
    Answer,
    Received,
    ScriptedServer,
    script,
    token_answer,
)

ENVIRONMENT = "https://contoso.crm4.dynamics.com"


class Clock:
    """Seconds that a test moves on."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.naps: list[float] = []

    def __call__(self) -> float:
        return self.now

    def pause(self, seconds: float) -> None:
        self.naps.append(seconds)
        self.now += seconds


def credentials(**changes: str) -> DataverseCredentials:
    values = {"tenant_id": TENANT, "client_id": CLIENT, "client_secret": SECRET, **changes}
    return DataverseCredentials(**values)


def source(
    server: ScriptedServer, session: requests.Session, clock: Clock, **changes: str
) -> RenewingTokens:
    return token_source(
        credentials(authority_host=server.url, **changes),
        ENVIRONMENT,
        session=session,
        pause=clock.pause,
        clock=clock,
    )


def numbered_tokens(expires_in: object = 3599) -> Callable[[Received], Answer]:
    """token-1, token-2, ..."""
    return script(*(token_answer(f"token-{n}", expires_in) for n in range(1, 20)))


def token_requests(server: ScriptedServer) -> list[Received]:
    return [request for request in server.received if request.method == "POST"]
