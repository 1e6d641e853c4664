"""Refusals in front of the Web API: administration mode, and pages of the web server itself."""

from __future__ import annotations

from dataverse_source.sandbox.http.messages import DataverseFault, Response

_REFUSALS = {
    "403": (
        403,
        "0x80048d18",
        "The environment is in administration mode and the user is not an administrator.",
    ),
    "503": (503, "0x8004A10E", "The organization is disabled. Reason: it is being restored."),
}


def refused_by_administration(form: str) -> Response:
    """The answer to an application user in administration mode.

    Args:
        form: a value of the switch ``administration_mode``.
    """
    if form == "403_page":
        return error_page(403, "403 - Forbidden: Access is denied.")
    return DataverseFault(*_REFUSALS[form]).response()


def error_page(status: int, title: str) -> Response:
    """An HTML page of the web server."""
    page = f"<!DOCTYPE html><html><head><title>{title}</title></head><body><h2>{title}</h2></body>"
    return Response(status, f"{page}</html>".encode(), {"Content-Type": "text/html"})
