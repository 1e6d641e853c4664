"""Errors that another attempt does not mend: what Dataverse cannot do, and closed environments."""

from __future__ import annotations

import re

from dataverse_source.errors import AccessDeniedError, DataverseError, ResponseError

NOT_SUPPORTED = "0x80040800"
"""The table does not support the message, such as RetrieveMultiple."""

CANNOT_BE_LISTED = (
    "Dataverse cannot list the rows of this table",
    "Remove it from tables; if a pattern matches it, add its name to exclude.",
)

_NO_LIST = re.compile(
    r"RetrieveMultiple\W+(?:method|message) does not support|"
    r"does not support (?:the )?\W*RetrieveMultiple",
    re.IGNORECASE,
)
_UNKNOWN_PROPERTY = re.compile(r"Could not find a property named '([^']+)'", re.IGNORECASE)

# By words: the docs ("Administration mode", "Trial environments") name no codes.
_CLOSED = (
    (
        re.compile(r"administration mode|admin mode", re.IGNORECASE),
        "The environment is in administration mode",
        "Have an administrator end it: Power Platform admin centre, the environment, Edit, "
        "Administration mode.",
    ),
    (
        re.compile(
            r"(?:trial|subscription)\b.{0,60}\bexpired|expired\b.{0,60}\btrial", re.IGNORECASE
        ),
        "The environment's trial or subscription has expired",
        "Convert or renew it in the Power Platform admin centre, or set environment_url to another "
        "environment.",
    ),
    (
        re.compile(r"(?:organi[sz]ation|environment|instance)\b.{0,40}\bdisabled", re.IGNORECASE),
        "The environment is disabled",
        "See in the Power Platform admin centre why (it may be being restored, copied or deleted), "
        "and run again when it is back.",
    ),
)


def closed_environment(message: str) -> tuple[str, str] | None:
    """What happened and what to do, if a message says that the environment lets nobody in."""
    for pattern, what, remedy in _CLOSED:
        if pattern.search(message):
            return what, remedy
    return None


def is_no_list(code: str | None, message: str) -> bool:
    """Whether an answer says that the table has no RetrieveMultiple."""
    return (code or "").lower() == NOT_SUPPORTED or bool(_NO_LIST.search(message))


def cannot_be_listed(error: DataverseError) -> bool:
    """Whether an error says that the rows of its table can never be read."""
    if not isinstance(error, ResponseError) or isinstance(error, AccessDeniedError):
        return False
    return is_no_list(error.code, error.why or "")


def unknown_property(error: ResponseError) -> str | None:
    """The property of rows that a query names and Dataverse does not know; None: another error."""
    found = _UNKNOWN_PROPERTY.search(error.why or "") if error.status == 400 else None
    return found[1] if found else None
