"""From request to answer: routing, limits, faults, latency and headers."""

from __future__ import annotations

import logging
import random
import re
import threading
import time
from dataclasses import dataclass, field, replace
from email.utils import format_datetime
from functools import partial
from typing import Protocol
from urllib.parse import unquote

from dataverse_source.sandbox.api import damage, headers, throttling
from dataverse_source.sandbox.api.administration import error_page, refused_by_administration
from dataverse_source.sandbox.api.faults import Faults
from dataverse_source.sandbox.api.hooks import Hooks
from dataverse_source.sandbox.api.impersonation import acting_caller, asked_headers
from dataverse_source.sandbox.api.latency import LatencySettings, rows_of
from dataverse_source.sandbox.api.limits import Limits
from dataverse_source.sandbox.api.metadata_levels import asked_level, at_level
from dataverse_source.sandbox.api.prerender import Prerendered
from dataverse_source.sandbox.api.request_log import RequestLog
from dataverse_source.sandbox.environment.environment import Caller, Environment
from dataverse_source.sandbox.http.batch import answer_batch
from dataverse_source.sandbox.http.compression import SMALLEST, accepts_gzip, gzip
from dataverse_source.sandbox.http.doors import why_closed
from dataverse_source.sandbox.http.messages import DataverseFault, Request, Response
from dataverse_source.sandbox.http.wire import Answer
from dataverse_source.sandbox.identity.authentication import Door, Unauthorized
from dataverse_source.sandbox.identity.managed_identity import PATH as MANAGED_IDENTITY
from dataverse_source.sandbox.identity.managed_identity import ManagedIdentity

URL_LIMIT = 32_768
"""Characters of a URL (docs page "Compose HTTP requests and handle errors")."""

METADATA_SEGMENTS = frozenset(
    {
        "",
        "$metadata",
        "EntityDefinitions",
        "GlobalOptionSetDefinitions",
        "RelationshipDefinitions",
        "RetrieveMetadataChanges",
        "ManagedPropertyDefinitions",
    }
)
SEARCH = "/api/search/"
"""Dataverse search has an address of its own (docs page "Search for Dataverse records")."""
_API = re.compile(r"/api/data/v9\.[012](?:/(?P<rest>.*))?", re.DOTALL)
_PLAIN_JSON = ("application/json", "application/json; charset=utf-8")
_log = logging.getLogger("dataverse_source.sandbox")


class Side(Protocol):
    """The data side or the metadata side."""

    def answer(self, request: Request, rest: str, caller: Caller) -> Response:
        """Answers a request for the resource ``rest``, still percent-encoded."""


@dataclass
class _Exchange:
    """One request on its way, and who asks."""

    request: Request
    caller: Caller | None = None


@dataclass
class Gateway:
    """Everything between a socket and the two sides of the Web API.

    Attributes:
        prerendered: keeps answers; None makes each anew.
        latency: may be replaced at any time.
        stopping: set when the server stops; ends every wait.
    """

    environment: Environment
    door: Door
    limits: Limits
    faults: Faults
    hooks: Hooks
    log: RequestLog
    managed_identity: ManagedIdentity
    data: Side
    metadata: Side
    prerendered: Prerendered | None = None
    latency: LatencySettings = field(default_factory=LatencySettings)
    stopping: threading.Event = field(default_factory=threading.Event)

    def handle(self, request: Request) -> Answer:
        """The answer to one request, ready for the wire."""
        entry = self.log.begin(request)
        began = time.monotonic()
        request = replace(request, server=self._server(request))
        exchange = _Exchange(request)
        fault = self.faults.take(request)
        replaced = None
        if fault is not None:
            entry.fault = fault.kind
            if fault.kind == "stall":
                self.stopping.wait(fault.seconds)
            replaced = damage.replacement(fault, request, self.environment)
        response = replaced or self._respond(exchange)
        if fault is not None:
            response = damage.alter(fault, request, response)
        answer = self._dressed(exchange, self._compressed(request, response))
        if fault is not None:
            answer = damage.damage(fault, answer)
        entry.status = answer.status
        entry.seconds = time.monotonic() - began
        answer.sent = partial(setattr, entry, "sent")
        return answer

    def _server(self, request: Request) -> int:
        servers = self.limits.settings.servers
        pinned = headers.pinned_server(request.headers.get("cookie", ""), servers)
        return random.randrange(servers) if pinned is None else pinned  # noqa: S311

    def _counter(self, request: Request) -> int:
        """The web server whose budget a request spends: its own, or the one of all servers."""
        return request.server if self.environment.switches.budget == "per_server" else 0

    def _respond(self, exchange: _Exchange) -> Response:
        """The real answer; every exception becomes an error answer."""
        request = exchange.request
        try:
            self.hooks.run("before", request)
            response = self._route(exchange)
            self.hooks.run("after", request)
            return response
        except Unauthorized as refused:
            return refused.response()
        except DataverseFault as fault:
            return fault.response()
        except Exception as error:
            _log.exception("%s %s", request.method, request.path)
            message = f"The sandbox itself failed: {type(error).__name__}: {error}"
            return DataverseFault(500, "0x80040216", message).response()

    def _route(self, exchange: _Exchange) -> Response:
        request = exchange.request
        closed = why_closed(request, self.door.host_names)
        if closed is not None:
            return error_page(403, closed)
        if self.door.identity.handles(request.path):
            return self.door.identity.answer(request)
        if request.path == MANAGED_IDENTITY:
            return self.managed_identity.answer(request)
        found = _API.fullmatch(request.path)
        if found is None:
            _refuse_search(request)
            return error_page(404, "404 - File or directory not found.")
        if len(request.base_url) + len(request.path) + 1 + len(request.query) > URL_LIMIT:
            return error_page(int(self.environment.switches.long_url), "The URL is too long.")
        exchange.caller = self.door.caller(request)
        if self.environment.administration_mode:
            return refused_by_administration(self.environment.switches.administration_mode)
        return self._limited(request, found["rest"] or "", exchange.caller)

    def _limited(self, request: Request, rest: str, caller: Caller) -> Response:
        server = self._counter(request)
        refusal = self.limits.enter(caller.user_id, server)
        if refusal is not None:
            return throttling.throttled(
                self.environment.switches.throttle_form,
                refusal.code,
                refusal.message,
                refusal.retry_after,
                self.environment.clock.now(),
            )
        began = time.monotonic()
        modelled = 0.0
        try:
            response = self._made(request, rest, caller)
            if not self.latency.is_off:
                modelled = self.latency.seconds(request, response)
                self.stopping.wait(modelled * self.latency.scale)
            return response
        finally:
            taken = time.monotonic() - began if self.latency.is_off else modelled
            self.limits.leave(caller.user_id, server, taken)

    def _made(self, request: Request, rest: str, caller: Caller) -> Response:
        environment = self.environment
        unlike = asked_headers(request.headers) or environment.lagging
        if self.prerendered is None or unlike:
            return self._resource(request, rest, caller)
        state = (environment.store.version, environment.store.metadata_version)
        return self.prerendered.answer(
            request,
            caller.user_id,
            (*state, environment.timeline, environment.switches),
            lambda: self._compressed(request, self._resource(request, rest, caller)),
        )

    def _resource(self, request: Request, rest: str, caller: Caller) -> Response:
        if request.method == "HEAD":
            # The server leaves the body out when it writes the answer.
            request = replace(request, method="GET")
        segment = re.split(r"[(/?]", unquote(rest), maxsplit=1)[0]
        if segment == "$batch" and request.method == "POST":
            answer = partial(self._inner, caller, request)
            return answer_batch(request, answer, self.environment.store.transaction)
        side = self.metadata if segment in METADATA_SEGMENTS else self.data
        caller = acting_caller(self.environment, caller, request.headers)
        response = side.answer(request, rest, caller)
        level = asked_level(request)
        if level is None or self.environment.switches.metadata_level == "ignored":
            return response
        return at_level(response, level, self.environment.schema)

    def _inner(self, caller: Caller, batch: Request, request: Request) -> Response:
        """Answers a request of a batch; service protection does not count it.

        It acts for the user that it names, else for the one that the batch names.
        """
        acting = asked_headers(batch.headers)
        if asked_headers(request.headers):
            acting = {}
        headers = {**request.headers, **acting}
        request = replace(request, headers=headers, server=batch.server)
        found = _API.fullmatch(request.path)
        if found is None:
            return error_page(404, "404 - File or directory not found.")
        try:
            response = self._resource(request, found["rest"] or "", caller)
        except DataverseFault as fault:
            response = fault.response()
        return _as_minimal(response)

    def _dressed(self, exchange: _Exchange, response: Response) -> Answer:
        request = exchange.request
        signing_in = request.path == MANAGED_IDENTITY or self.door.identity.handles(request.path)
        shown = list((response if signing_in else _as_minimal(response)).headers.items())
        shown.append(("Date", format_datetime(self.environment.clock.now(), usegmt=True)))
        if not signing_in:
            shown += headers.tracing_headers()
            if "OData-Version" not in response.headers:
                shown.append(("OData-Version", "4.0"))
        if exchange.caller is not None:
            user_id = exchange.caller.user_id
            shown += headers.session_headers(
                self.limits.remaining(user_id, self._counter(request)),
                self.limits.settings.dop_hint,
                headers.affinity_value(request.server, self.environment.switches.affinity_names),
            )
        return Answer(response.status, response.body, shown)

    def _compressed(self, request: Request, response: Response) -> Response:
        """The response, compressed if the client asked for it."""
        if (
            len(response.body) >= SMALLEST
            and self.environment.switches.gzip == "when_asked"
            and accepts_gzip(request.headers.get("accept-encoding", ""))
            and "Content-Encoding" not in response.headers
        ):
            response.rows = rows_of(response)
            response.body = gzip(response.body)
            response.headers.update({"Content-Encoding": "gzip", "Vary": "Accept-Encoding"})
        return response


def _refuse_search(request: Request) -> None:
    if request.path.startswith(SEARCH):
        raise DataverseFault(501, "0x8006088a", "The sandbox has no search yet.")


def _as_minimal(response: Response) -> Response:
    """The response with Dataverse's JSON content type in place of a plain one."""
    if response.headers.get("Content-Type") in _PLAIN_JSON:
        response.headers["Content-Type"] = headers.JSON_TYPE
    return response
