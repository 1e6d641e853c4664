"""Requests to the sandbox without a socket: a busy machine spends most of a history on those.

The sandbox's gateway gets the same requests and gives the same answers. Whatever is to go wrong
with bytes or connections goes over the real wire.
"""

from __future__ import annotations

import io
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPHeaderDict, HTTPResponse

from dataverse_source.sandbox import Sandbox
from dataverse_source.sandbox.http.messages import Request


class Direct(HTTPAdapter):
    """For `requests`; to be mounted at the sandbox's URL.

    Attributes:
        over_the_wire: whether all requests take the real way.
    """

    def __init__(self, sandbox: Sandbox) -> None:
        super().__init__()
        self._sandbox = sandbox
        self.over_the_wire = False

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> Any:
        if self.over_the_wire or self._sandbox.faults.pending:
            return super().send(request, *args, **kwargs)
        parts = urlsplit(str(request.url))
        body = request.body or b""
        asked = Request(
            str(request.method),
            parts.path,
            parts.query,
            {name.lower(): str(value) for name, value in request.headers.items()},
            body.encode() if isinstance(body, str) else body,
            f"{parts.scheme}://{parts.netloc}",
        )
        answer = self._sandbox._live.gateway.handle(asked)
        raw = HTTPResponse(
            body=io.BytesIO(answer.body),
            headers=HTTPHeaderDict(answer.headers),
            status=answer.status,
            preload_content=False,
            decode_content=False,
        )
        return self.build_response(request, raw)
