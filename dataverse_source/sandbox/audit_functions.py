"""``RetrieveAuditDetails`` of an audit row, and ``RetrieveRecordChangeHistory`` of any row."""

from __future__ import annotations

import json
import re
from typing import Any

from dataverse_source.sandbox.addresses import Segment
from dataverse_source.sandbox.audit import details
from dataverse_source.sandbox.environment import Caller, Environment
from dataverse_source.sandbox.keys import no_such_row, read_key
from dataverse_source.sandbox.messages import Request, Response
from dataverse_source.sandbox.odata import bad_query
from dataverse_source.sandbox.options import read_options, split_top
from dataverse_source.sandbox.query import base_url
from dataverse_source.sandbox.tables import Table
from dataverse_source.sandbox.users import require_read

NAMESPACE = "Microsoft.Dynamics.CRM."
DETAILS = f"{NAMESPACE}RetrieveAuditDetails"
HISTORY = "RetrieveRecordChangeHistory"

_ROW = re.compile(r"(?:.*/)?(\w+)\((.+)\)")


def answer_audit(
    environment: Environment, caller: Caller, request: Request, segments: list[Segment]
) -> Response | None:
    """The answer to a function of auditing, None for any other request.

    Raises:
        DataverseFault: it names no row, or the caller may not read audits.
    """
    audit = environment.schema.by_logical_name.get("audit")
    names = [segment.name for segment in segments]
    if audit is None or request.method != "GET":
        return None
    if names == [HISTORY]:
        require_read(environment, caller, audit)
        return _history(environment, caller, request, segments[0].inside or "")
    if names[1:] == [DETAILS] and names[0] == audit.entity_set_name:
        require_read(environment, caller, audit)
        return _one(environment, request, audit, segments[0].inside or "")
    return None


def _one(environment: Environment, request: Request, audit: Table, inside: str) -> Response:
    key = read_key(environment, audit, inside)
    found = details(environment.store, audit_id=key)
    if not found:
        raise no_such_row(audit, key)
    return _answer(request, "RetrieveAuditDetails", {"AuditDetail": found[0]})


def _history(environment: Environment, caller: Caller, request: Request, inside: str) -> Response:
    given = _arguments(request, inside)
    target = given.get("Target")
    match = _ROW.fullmatch(str(target.get("@odata.id"))) if isinstance(target, dict) else None
    table = environment.schema.by_entity_set.get(match[1]) if match else None
    if match is None or table is None:
        raise bad_query("The parameter 'Target' needs the @odata.id of a row.")
    require_read(environment, caller, table)
    found = details(environment.store, key=read_key(environment, table, match[2]))
    paging = given.get("PagingInfo") or {}
    page, count = int(paging.get("PageNumber", 1)), int(paging.get("Count", 0)) or len(found)
    start = (page - 1) * count
    collection = {
        "MoreRecords": len(found) > start + count,
        "PagingCookie": "",
        "TotalRecordCount": len(found) if paging.get("ReturnTotalRecordCount") else -1,
        "AuditDetails": found[start : start + count],
    }
    return _answer(request, HISTORY, {"AuditDetailCollection": collection})


def _arguments(request: Request, inside: str) -> dict[str, Any]:
    """The arguments of a call, JSON objects in parameter aliases; quotes may be single."""
    aliases = read_options(request.query).aliases
    found: dict[str, Any] = {}
    for part in filter(None, split_top(inside, ",")):
        name, _, alias = part.partition("=")
        text = aliases.get(alias.strip(), alias)
        try:
            found[name.strip()] = json.loads(text if '"' in text else text.replace("'", '"'))
        except ValueError:
            raise bad_query(f"The value of the parameter '{name.strip()}' is not valid.") from None
    return found


def _answer(request: Request, name: str, body: dict[str, Any]) -> Response:
    context = f"{base_url(request)}/$metadata#{NAMESPACE}{name}Response"
    return Response.of_json({"@odata.context": context, **body})
