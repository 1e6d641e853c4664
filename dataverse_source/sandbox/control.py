"""Controls a running sandbox over plain HTTP on loopback, with JSON.

It is for tests in other languages and processes; Python tests use the ``Sandbox`` object. Every
request needs the header ``Authorization: Bearer <control_token>``; the token is in the JSON line
that the command prints.

==========================  ===================================================================
``GET /``                   how to connect: URLs, tenant, client, CA bundle
``POST /changes``           a list of changes to rows, schema, clock, switches or users, done at
                            once and in order (see ``dataverse_source.sandbox.changes``)
``POST /hooks``             changes for later: ``{"path", "nth", "times", "when", "method",
                            "changes": [...]}`` (see ``hooks``); GET counts, DELETE forgets
``GET /rows/<table>``       all rows of a table (logical name) with exact values, numbers with a
                            point as text; ``/rows/<table>/<key>`` for one
``GET /clock``              the sandbox's time; PUT ``{"now": "2026-01-31T12:00:00Z"}``,
                            ``{"frozen": true}``
``GET /switches``           all switches; PATCH ``{"gzip": "never"}``
``GET /limits``             settings and counters; PATCH settings (``{"enforced": true,
                            "requests": 100}``); DELETE resets the counters
``GET /latency``            settings; PATCH (``{"base_seconds": 0.2}``)
``POST /faults``            a fault to come: ``{"kind": "throttled", "retry_after": 3, "path":
                            "/accounts", "skip": 1, "times": 2}`` (see ``faults``); GET tells
                            what fired and how many are pending, DELETE forgets all
``POST /faults/random``     ``{"rates": {"html_503": 0.05}, "seed": 1, "path": ""}``
``GET /requests``           what was asked, in order; DELETE forgets it
``POST /applications``      a new app registration with its application user: ``{"name",
                            "certificate": "<PEM>", "federation": {"issuer", "subject",
                            "public_key"}, "user": {"organization_read": false}}``; answers its
                            ids and a secret
==========================  ===================================================================

``/metadata/identity/oauth2/token`` is here as well, in plain HTTP and without the token, as on a
machine in Azure: set AZURE_POD_IDENTITY_AUTHORITY_HOST to this server's URL. An error answers 400
(404 for an unknown path or row) with ``{"error": "<why>"}``.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import date, datetime
from decimal import Decimal
from functools import partial
from hmac import compare_digest
from typing import Any
from urllib.parse import unquote

from dataverse_source.sandbox import changes
from dataverse_source.sandbox.api.faults import Fault
from dataverse_source.sandbox.controlled import Controlled
from dataverse_source.sandbox.http.doors import why_closed
from dataverse_source.sandbox.http.messages import Request, Response
from dataverse_source.sandbox.http.wire import Answer
from dataverse_source.sandbox.identity.applications import FederatedCredential
from dataverse_source.sandbox.identity.managed_identity import PATH as MANAGED_IDENTITY

_log = logging.getLogger("dataverse_source.sandbox")


class Control:
    """Answers control requests for one sandbox.

    Args:
        sandbox: the sandbox.
        token: the bearer token that every request needs.
    """

    def __init__(self, sandbox: Controlled, token: str) -> None:
        self._sandbox = sandbox
        self._token = token

    def handle(self, request: Request) -> Answer:
        """The answer to one request."""
        response = self._respond(request)
        return Answer(response.status, response.body, list(response.headers.items()))

    def _respond(self, request: Request) -> Response:
        closed = why_closed(request)
        if closed is not None:
            return Response.of_json({"error": closed}, 403)
        if request.path == MANAGED_IDENTITY:
            return self._sandbox.managed_identity.answer(request)
        if not self._has_token(request):
            message = "Send the control_token of the sandbox as 'Authorization: Bearer <token>'."
            return Response.of_json({"error": message}, 401)
        name, *rest = unquote(request.path).strip("/").split("/")
        if (name, rest) == ("faults", ["random"]):
            name, rest = "faults/random", []
        handler = _ROUTES.get((request.method, name, len(rest)))
        if handler is None:
            return Response.of_json({"error": f"There is no {request.method} {request.path}."}, 404)
        try:
            body = json.loads(request.body, parse_float=Decimal) if request.body else {}
            return _shown(handler(self._sandbox, body, *rest))
        except LookupError as error:
            return _error(404, error)
        except (ValueError, TypeError, AttributeError) as error:
            return _error(400, error)
        except Exception as error:
            _log.exception("%s %s", request.method, request.path)
            return _error(500, error)

    def _has_token(self, request: Request) -> bool:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        given = token.strip().encode()
        return scheme.lower() == "bearer" and compare_digest(given, self._token.encode())


def _error(status: int, error: Exception) -> Response:
    return Response.of_json({"error": str(error.args[0] if error.args else error)}, status)


def _root(sandbox: Controlled, _body: Any) -> Any:
    return sandbox.connection


def _changes(sandbox: Controlled, body: Any) -> Any:
    return changes.apply(sandbox, _list_of_changes(body))


def _add_hook(sandbox: Controlled, body: Any) -> Any:
    options = dict(body)
    wanted = _list_of_changes(options.pop("changes", None))
    changes.check(wanted)
    sandbox.hooks.on(options.pop("path", ""), partial(_run, sandbox, wanted), **options)
    return {"pending": sandbox.hooks.pending}


def _run(sandbox: Controlled, wanted: list[changes.Change]) -> None:
    changes.apply(sandbox, wanted)


def _list_of_changes(body: Any) -> list[changes.Change]:
    if not isinstance(body, list) or not all(isinstance(change, dict) for change in body):
        raise ValueError("Send the changes as a JSON list of objects.")
    return body


def _hooks(sandbox: Controlled, _body: Any) -> Any:
    return {"pending": sandbox.hooks.pending, "ran": sandbox.hooks.ran}


def _rows(sandbox: Controlled, _body: Any, table: str) -> Any:
    return sandbox.store.rows(table)


def _row(sandbox: Controlled, _body: Any, table: str, key: str) -> Any:
    row = sandbox.store.row(table, key)
    if row is None:
        raise LookupError(f"{table} With Id = {key} Does Not Exist")
    return row


def _clock(sandbox: Controlled, _body: Any) -> Any:
    return {"now": sandbox.clock.now(), "frozen": sandbox.clock.is_frozen}


def _set_clock(sandbox: Controlled, body: Any) -> Any:
    if "frozen" in body:
        (sandbox.clock.freeze if body["frozen"] else sandbox.clock.resume)()
    if "now" in body:
        sandbox.clock.set(datetime.fromisoformat(body["now"].replace("Z", "+00:00")))
    return _clock(sandbox, body)


def _switches(sandbox: Controlled, body: Any) -> Any:
    if body:
        sandbox.switches = sandbox.switches.changed(**body)
    return asdict(sandbox.switches)


def _limits(sandbox: Controlled, body: Any) -> Any:
    limits = sandbox.limits
    limits.settings = replace(limits.settings, **_floats(body))
    return {
        "settings": asdict(limits.settings),
        "refused": limits.refused,
        "highest_concurrency": limits.highest_concurrency,
    }


def _latency(sandbox: Controlled, body: Any) -> Any:
    sandbox.latency = replace(sandbox.latency, **_floats(body))
    return asdict(sandbox.latency)


def _add_fault(sandbox: Controlled, body: Any) -> Any:
    options = _floats(body)
    planning = {
        name: options.pop(name) for name in ("path", "method", "skip", "times") if name in options
    }
    sandbox.faults.plan(Fault(**options), **planning)
    return _faults(sandbox, {})


def _random_faults(sandbox: Controlled, body: Any) -> Any:
    options = dict(body)
    rates: dict[Any, float] = _floats(options.pop("rates", {}))
    sandbox.faults.randomly(rates, **options)
    return _faults(sandbox, {})


def _faults(sandbox: Controlled, _body: Any) -> Any:
    return {"pending": sandbox.faults.pending, "fired": sandbox.faults.fired}


def _requests(sandbox: Controlled, _body: Any) -> Any:
    return [
        {**vars(entry), "headers": dict(entry.headers), "body": entry.body.decode("latin-1")}
        for entry in sandbox.requests
    ]


def _add_application(sandbox: Controlled, body: Any) -> Any:
    rights = changes.rights_of(body.get("user", {}))
    application = sandbox.add_application(body.get("name", "Another application"), **rights)
    if "certificate" in body:
        application.add_certificate(body["certificate"])
    if "federation" in body:
        application.add_federation(FederatedCredential(**body["federation"]))
    return {
        "client_id": application.client_id,
        "object_id": application.object_id,
        "client_secret": next(iter(application.secrets)),
    }


def _forget(part: str, sandbox: Controlled, _body: Any) -> Any:
    getattr(sandbox, part).clear()
    return {}


def _reset_limits(sandbox: Controlled, _body: Any) -> Any:
    sandbox.limits.reset()
    return {}


_ROUTES: dict[tuple[str, str, int], Callable[..., Any]] = {
    ("GET", "", 0): _root,
    ("POST", "changes", 0): _changes,
    ("POST", "hooks", 0): _add_hook,
    ("GET", "hooks", 0): _hooks,
    ("DELETE", "hooks", 0): partial(_forget, "hooks"),
    ("GET", "rows", 1): _rows,
    ("GET", "rows", 2): _row,
    ("GET", "clock", 0): _clock,
    ("PUT", "clock", 0): _set_clock,
    ("GET", "switches", 0): _switches,
    ("PATCH", "switches", 0): _switches,
    ("GET", "limits", 0): _limits,
    ("PATCH", "limits", 0): _limits,
    ("DELETE", "limits", 0): _reset_limits,
    ("GET", "latency", 0): _latency,
    ("PATCH", "latency", 0): _latency,
    ("POST", "faults", 0): _add_fault,
    ("GET", "faults", 0): _faults,
    ("DELETE", "faults", 0): partial(_forget, "faults"),
    ("POST", "faults/random", 0): _random_faults,
    ("GET", "requests", 0): _requests,
    ("DELETE", "requests", 0): partial(_forget, "requests"),
    ("POST", "applications", 0): _add_application,
}


def _floats(body: Any) -> dict[str, Any]:
    """Decimals as floats: settings need no exact digits."""
    return {
        name: float(value) if isinstance(value, Decimal) else value for name, value in body.items()
    }


def _shown(value: Any) -> Response:
    body = json.dumps(value, default=_as_text, ensure_ascii=True).encode()
    return Response(200, body, {"Content-Type": "application/json; charset=utf-8"})


def _as_text(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    return str(value)
