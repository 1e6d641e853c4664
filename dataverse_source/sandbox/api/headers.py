"""Headers that every answer of the data side carries."""

from __future__ import annotations

import re
import uuid

from dataverse_source.sandbox.api.limits import Remaining

JSON_TYPE = "application/json; odata.metadata=minimal"
AFFINITY_COOKIE = "ARRAffinity"

_AFFINITY = re.compile(rf"{AFFINITY_COOKIE}=([0-9a-f]+)")
_FIXED = (
    ("Cache-Control", "no-cache"),
    ("Expires", "-1"),
    ("Strict-Transport-Security", "max-age=31536000; includeSubDomains"),
    ("X-Source", "sandbox"),
    ("CRM.ServiceId", "CRMAppPool"),
)


def affinity_value(server: int, names: str = "of_servers") -> str:
    """The cookie's value that pins a client to one web server.

    Args:
        server: number of the web server.
        names: a value of the switch ``affinity_names``.
    """
    if names == "never_repeat":
        return uuid.uuid4().hex * 2
    return uuid.uuid5(uuid.NAMESPACE_OID, f"web server {server}").hex * 2


def pinned_server(cookie: str, servers: int) -> int | None:
    """The web server that a Cookie header names; None when it names no known one."""
    found = _AFFINITY.search(cookie)
    if found is None:
        return None
    values = {affinity_value(server): server for server in range(servers)}
    return values.get(found.group(1))


def tracing_headers() -> list[tuple[str, str]]:
    """Ids that Microsoft's support asks for; two of them hold a list, as in real answers."""
    ids = f"{uuid.uuid4()},{uuid.uuid4()}"
    return [
        ("x-ms-service-request-id", ids),
        ("REQ_ID", ids),
        ("AuthActivityId", str(uuid.uuid4())),
        *_FIXED,
    ]


def session_headers(remaining: Remaining, dop_hint: int, affinity: str) -> list[tuple[str, str]]:
    """Rate limits and cookies of an authenticated answer; ``affinity`` names the web server."""
    return [
        ("x-ms-dop-hint", str(dop_hint)),
        ("x-ms-ratelimit-burst-remaining-xrm-requests", str(remaining.requests)),
        (
            "x-ms-ratelimit-time-remaining-xrm-requests",
            f"{remaining.execution_seconds:,.2f}",
        ),
        (
            "Set-Cookie",
            f"{AFFINITY_COOKIE}={affinity}; path=/; secure; HttpOnly",
        ),
        (
            "Set-Cookie",
            f"ReqClientId={uuid.uuid4()}; expires=Thu, 01-Jan-2076 00:00:00 GMT; path=/; "
            "secure; HttpOnly",
        ),
    ]
