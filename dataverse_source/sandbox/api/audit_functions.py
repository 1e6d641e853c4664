"""``RetrieveAuditDetails`` of an audit row, and ``RetrieveRecordChangeHistory`` of any row."""

from __future__ import annotations

from dataverse_source.sandbox.api.bound_functions import referred_row
from dataverse_source.sandbox.environment.access_rules import require_read
from dataverse_source.sandbox.environment.environment import Caller, Environment
from dataverse_source.sandbox.http.messages import Request, Response
from dataverse_source.sandbox.query.collection.function_calls import (
    NAMESPACE,
    function_response,
    read_arguments,
    required,
)
from dataverse_source.sandbox.query.filter.keys import no_such_row, read_key
from dataverse_source.sandbox.query.syntax.addresses import Segment
from dataverse_source.sandbox.schema.tables import Table
from dataverse_source.sandbox.store.audit import details

DETAILS = f"{NAMESPACE}RetrieveAuditDetails"
HISTORY = "RetrieveRecordChangeHistory"


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
    return function_response(request, "RetrieveAuditDetails", {"AuditDetail": found[0]})


def _history(environment: Environment, caller: Caller, request: Request, inside: str) -> Response:
    given = read_arguments(request, inside)
    _, key = referred_row(environment, caller, required(given, "Target"))
    found = details(environment.store, key=key)
    paging = given.get("PagingInfo") or {}
    page, count = int(paging.get("PageNumber", 1)), int(paging.get("Count", 0)) or len(found)
    start = (page - 1) * count
    collection = {
        "MoreRecords": len(found) > start + count,
        "PagingCookie": "",
        "TotalRecordCount": len(found) if paging.get("ReturnTotalRecordCount") else -1,
        "AuditDetails": found[start : start + count],
    }
    return function_response(request, HISTORY, {"AuditDetailCollection": collection})
