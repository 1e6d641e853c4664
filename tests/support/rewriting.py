"""Has the sandbox refuse some requests in Dataverse's words, also within batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from dataverse_source.sandbox.api.gateway import Gateway
from dataverse_source.sandbox.http.messages import Request, Response

Rule = Callable[[Request, str], Response | None]
"""What is answered to a request (and its path below the Web API's root); None: the usual."""


@contextmanager
def rewriting(rule: Rule) -> Iterator[None]:
    """While it lasts, all sandboxes answer as ``rule`` says."""
    usual = Gateway._resource

    def resource(self: Gateway, request: Request, rest: str, caller: Any) -> Response:
        return rule(request, rest) or usual(self, request, rest, caller)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Gateway, "_resource", resource)
        yield


def refusal(status: int, code: str, message: str) -> Response:
    """A refusal in the form of a Dataverse error."""
    return Response.of_json({"error": {"code": code, "message": message}}, status)
