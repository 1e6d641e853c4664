"""Turns error answers of Dataverse into errors that say what to do."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from dataverse_source.client.lasting_errors import (
    CANNOT_BE_LISTED,
    closed_environment,
    is_no_list,
)
from dataverse_source.client.retry import is_transient_status
from dataverse_source.config.setting_names import where_to_set
from dataverse_source.errors import (
    AccessDeniedError,
    NotFoundError,
    ResponseError,
    ServerError,
    ThrottledError,
    UnauthorizedError,
    safe_url,
)

__all__ = [
    "INVALID_ODATA",
    "LIMITS",
    "SET_UP",
    "SQL_TIMEOUT",
    "ErrorAnswer",
    "is_set_up",
    "is_throttled",
    "is_worth_a_retry",
    "read_error",
    "request_id",
    "to_error",
]

_LONGEST_MESSAGE = 1000

# Codes: docs "Web service error codes", unless said otherwise.
_NOT_A_MEMBER = "0x80072560"  # UserNotMemberOfOrg
_DISABLED_USER = "0x80040225"
_NO_ROLE = "0x80042f09"  # UserNotAssignedRoles
INVALID_ODATA = "0x80060888"
SQL_TIMEOUT = "0x80044151"
_METADATA_CHANGED = "0x80072494"  # CRMGlobalMetadataVersionMismatch: worth a retry
_TOKEN_EXPIRED = "0x80044352"  # noqa: S105 - of a delta link; a retry cannot help

# Docs "Service protection API limits". Elastic and virtual tables may say "429" instead.
LIMITS = {
    "0x80072322": "too many requests within five minutes",
    "0x80072321": "too much execution time within five minutes",
    "0x80072326": "too many requests at once",
}
_INVALID = (
    "Check the names and operators in select and filter. If neither is set, a column has just been "
    "removed: run again."
)
_TOO_LONG = "The request is too long: shorten the list of columns (select) or the filter."
SET_UP = {
    _NOT_A_MEMBER: (
        "The environment has no application user for this app registration",
        "Add one in the Power Platform admin centre: environment, Settings, Users + permissions, "
        "Application users, New app user; give it a security role that may read the tables. The "
        f"app is the one of {where_to_set('client_id')}.",
    ),
    _DISABLED_USER: (
        "The application user is disabled",
        "Activate it in the Power Platform admin centre under Application users, and see that it "
        "belongs to a business unit.",
    ),
    _NO_ROLE: (
        "The application user has no security role",
        "Give it a role that may read the tables: Power Platform admin centre, Application users, "
        "Edit security roles.",
    ),
}

_PRIVILEGE = re.compile(r"is missing '?(prv\w+)'? privilege")
_ENTITY = re.compile(r"for entity '([^']+)'")
_TITLE = re.compile(r"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)
_TAGS = re.compile(r"<(script|style)\b.*?</\1>|<[^>]*>", re.IGNORECASE | re.DOTALL)
_CHALLENGE = re.compile(r"(authorization_uri|resource_id|error_description|error)=\"?([^\",]+)")


@dataclass(frozen=True)
class ErrorAnswer:
    """What an error answer says.

    Attributes:
        status: HTTP status.
        code: such as ``0x80060888``; None when there is none.
        message: Dataverse's text, or that of the web page that came in its place.
        request_id: for Microsoft's support.
        challenge: from ``WWW-Authenticate``: where to sign in, and for which address.
        from_dataverse: whether the body has the form of a Dataverse error.
    """

    status: int
    code: str | None
    message: str
    request_id: str | None
    challenge: str | None
    from_dataverse: bool


def read_error(status: int, headers: Mapping[str, str], body: bytes) -> ErrorAnswer:
    """Reads an error answer; its body may be JSON, HTML, plain text, empty or not even text.

    Args:
        status: HTTP status.
        headers: with names in any case.
        body: as received.
    """
    text = body.decode("utf-8-sig", errors="replace")
    error = _error_object(text)
    code = str((error or {}).get("code") or "") or None
    message = str((error or {}).get("message") or "") if error is not None else _readable(text)
    challenge = "; ".join(
        f"{name} {value.strip()}"
        for name, value in _CHALLENGE.findall(headers.get("WWW-Authenticate") or "")
    )
    return ErrorAnswer(
        status=status,
        code=code,
        message=" ".join(message.split())[:_LONGEST_MESSAGE],
        request_id=request_id(headers),
        challenge=challenge or None,
        from_dataverse=error is not None,
    )


def request_id(headers: Mapping[str, str]) -> str | None:
    """The request id for Microsoft's support; may be a list with commas."""
    return headers.get("x-ms-service-request-id") or headers.get("REQ_ID")


def _error_object(text: str) -> dict[str, object] | None:
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        return None
    error = body.get("error") if isinstance(body, dict) else None
    return error if isinstance(error, dict) else None


def _readable(text: str) -> str:
    """The title of an HTML page, else the text without tags."""
    title = _TITLE.search(text)
    return html.unescape(title[1] if title else _TAGS.sub(" ", text))


def is_throttled(answer: ErrorAnswer) -> bool:
    """Whether the answer says "too many requests", in its status or in its code."""
    return answer.status == 429 or answer.code == "429" or (answer.code or "").lower() in LIMITS


def is_set_up(answer: ErrorAnswer) -> bool:
    """Whether the application user is not set up, so that a new token would not help."""
    return (answer.code or "").lower() in SET_UP


def is_worth_a_retry(answer: ErrorAnswer) -> bool:
    """Whether the same request may succeed later."""
    code = (answer.code or "").lower()
    if code == _TOKEN_EXPIRED or re.search("version stamp.*expired", answer.message, re.IGNORECASE):
        return False
    if is_no_list(code, answer.message):
        return False
    if code == _METADATA_CHANGED or is_throttled(answer):
        return True
    return is_transient_status(answer.status)


_AUDIT = re.compile(r"/audits(\(|$)")

AUDIT_REMEDY = (
    "The audit takes the privileges prvReadAuditSummary (View Audit Summary) and, for the values "
    "of single rows, prvReadRecordAuditHistory (View Audit History)."
)
"""Docs "Retrieve the history of audited data changes"."""


def to_error(answer: ErrorAnswer, url: str) -> ResponseError:
    """The error to raise.

    Args:
        answer: from `read_error`.
        url: of the request.
    """
    kind, what, remedy = _meaning(answer)
    if kind is AccessDeniedError and _AUDIT.search(safe_url(url)):
        remedy = f"{remedy or ''} {AUDIT_REMEDY}".lstrip()
    words = [answer.code, answer.message or f"HTTP status {answer.status}", answer.challenge]
    return kind(
        what,
        status=answer.status,
        code=answer.code,
        where=safe_url(url),
        why=", ".join(word for word in words if word),
        remedy=remedy,
        request_id=answer.request_id,
    )


def _meaning(answer: ErrorAnswer) -> tuple[type[ResponseError], str, str | None]:
    """Type of the error, what happened, what to do."""
    code = (answer.code or "").lower()
    if code in SET_UP:
        return (AccessDeniedError, *SET_UP[code])
    if is_no_list(code, answer.message):
        return (ResponseError, *CANNOT_BE_LISTED)
    closed = closed_environment(answer.message) if answer.status in (403, 503) else None
    if closed is not None:
        return (AccessDeniedError if answer.status == 403 else ServerError, *closed)
    if is_throttled(answer):
        limit = LIMITS.get(code, "too many requests")
        return (
            ThrottledError,
            f"Dataverse's service protection limits were exceeded: {limit}",
            "Lower max_concurrency, run when less else uses this application user, or give the "
            "pipeline an application user of its own.",
        )
    if answer.status == 401:
        return (
            UnauthorizedError,
            "Dataverse refused the token, a new one too",
            "Check that environment_url is the environment's own address and that tenant_id is "
            "its tenant: a token is good for one environment only. The answer names the tenant "
            "(in authorization_uri) and the address (resource_id) that the environment expects.",
        )
    if answer.status == 403:
        return _denied(answer)
    if answer.status == 404:
        return _not_found(answer)
    if answer.status >= 500:
        return _broken(answer)
    remedy = _INVALID if code == INVALID_ODATA else None
    if answer.status in (413, 414):
        remedy = _TOO_LONG
    return ResponseError, f"Dataverse refused the request with HTTP status {answer.status}", remedy


def _denied(answer: ErrorAnswer) -> tuple[type[ResponseError], str, str | None]:
    privilege, entity = _PRIVILEGE.search(answer.message), _ENTITY.search(answer.message)
    if privilege:
        table = f" (table {entity[1]})" if entity else ""
        return (
            AccessDeniedError,
            f"The application user lacks the privilege {privilege[1]}{table}",
            f"Give its security role {privilege[1]}, for all rows with access level Organization.",
        )
    if not answer.from_dataverse:
        return (
            AccessDeniedError,
            "The request was blocked before it came to Dataverse",
            "Check in the Power Platform admin centre whether the environment is in administration "
            "mode or disabled; if not, check firewalls, proxies and the environment's IP firewall.",
        )
    return (
        AccessDeniedError,
        "The application user may not do this",
        "Check its security roles: reading a table takes the table's Read privilege.",
    )


def _not_found(answer: ErrorAnswer) -> tuple[type[ResponseError], str, str | None]:
    if not answer.from_dataverse:
        return (
            NotFoundError,
            "Nothing answers there as Dataverse would",
            "Check environment_url (is it a Dataverse environment's address?) and api_version.",
        )
    return (
        NotFoundError,
        "Dataverse does not have what was asked for",
        "Names of entity sets are case sensitive; the user also has to see the table.",
    )


def _broken(answer: ErrorAnswer) -> tuple[type[ResponseError], str, str | None]:
    remedy = "Try again later; if it stays, give the request id to Microsoft's support."
    if (answer.code or "").lower() == SQL_TIMEOUT or "timeout" in answer.message.lower():
        remedy = "Read fewer columns (select) or smaller pages (page_size)."
    return ServerError, f"Dataverse failed with HTTP status {answer.status}", remedy
