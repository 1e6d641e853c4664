"""Keeps web pages out: a page in the user's browser can reach servers on loopback too."""

from __future__ import annotations

from collections.abc import Iterable

from dataverse_source.sandbox.http.messages import Request

LOOPBACK = ("127.0.0.1", "localhost")


def why_closed(request: Request, names: Iterable[str] = LOOPBACK) -> str | None:
    """Why a request is refused; None when it may come in: it names one of ``names`` as host.

    A browser sends ``Origin`` with requests of a page of another site. A page whose host name
    was made to lead to loopback (DNS rebinding) sends that name as ``Host``.
    """
    if "origin" in request.headers:
        return "Send no Origin: web pages may not use this port."
    host = request.base_url.partition("://")[2].partition("/")[0].rpartition(":")
    name = host[0] or host[2]
    return None if name in names else f"Use {' or '.join(names)} as host, not {name!r}."
