"""Answers of Dataverse: good ones are parsed, others become errors, some worth another try."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any, TypeVar

from dataverse_source.client import body, error_responses, page_size, retry
from dataverse_source.client.retry import TransientError
from dataverse_source.errors import (
    DataverseError,
    MalformedBodyError,
    ProtocolError,
    printable,
    safe_url,
)

__all__ = [
    "TRIES_BEFORE_SMALLER",
    "Response",
    "check",
    "json_object",
    "located",
    "rate_limits",
    "token_refused",
]

T = TypeVar("T")

TRIES_BEFORE_SMALLER = 2
"""Tries of a page that fails as heavy queries do, and others too, before a smaller one is tried."""

PARTIAL_CONTENT = 206

RATE_LIMIT = "x-ms-ratelimit-"
"""Prefix of the headers with the remaining budget (docs: "Service protection API limits")."""


@dataclass(frozen=True)
class Response:
    """The answer to a request, whether it was sent by itself or in a batch.

    Attributes:
        url: of the request.
        status: HTTP status.
        headers: names in any case.
        body: as received; compressed where ``Content-Encoding`` says so.
    """

    url: str
    status: int
    headers: Mapping[str, str]
    body: bytes

    def parsed(self, parse: Callable[[bytes], T]) -> T:
        """What ``parse`` makes of the decompressed body.

        Args:
            parse: must not wait for another answer.

        Raises:
            MalformedBodyError: the compressed body is damaged or cut.
            ProtocolError: it becomes too large, or is compressed in a way nobody asked for.
        """
        encoding = self.headers.get("Content-Encoding")
        if not body.is_compressed(encoding):
            return parse(self.body)
        try:
            return body.in_turn(self.body, encoding, parse)
        except zlib.error as error:
            raise MalformedBodyError("The compressed answer is damaged", why=str(error)) from error

    def json(self) -> dict[str, Any]:
        """The body as a JSON object; numbers with a fraction are `Decimal`.

        Raises:
            ResponseError: Dataverse refused the request.
            ProtocolError: the body is no JSON object.
        """
        if self.status >= 400:
            raise error_responses.to_error(self.error(), self.url)
        return self.parsed(json_object)

    def error(self) -> error_responses.ErrorAnswer:
        """What an error answer says.

        Raises:
            MalformedBodyError: the compressed body is damaged or cut.
        """
        return self.parsed(
            lambda content: error_responses.read_error(self.status, self.headers, content)
        )


def rate_limits(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers with the remaining budget, by name in small letters."""
    limits = {name.lower(): text for name, text in headers.items()}
    return {
        name: printable(text[:50]) for name, text in limits.items() if name.startswith(RATE_LIMIT)
    }


def token_refused(response: Response) -> bool:
    """Whether another token may help."""
    return response.status == 401 and not error_responses.is_set_up(response.error())


def check(response: Response, *, retry_heavy: bool, partial: bool = False) -> None:
    """Raises what is wrong with an answer, by its status and its headers.

    Args:
        response: the answer.
        retry_heavy: whether to send a query that was too heavy once more as it is.
        partial: a part of the answer may have been asked for.

    Raises:
        TransientError: the same request may succeed later.
        ResponseError: Dataverse refused.
        ProtocolError: a redirect.
    """
    if 300 <= response.status < 400:
        raise ProtocolError(
            f"Dataverse sent a redirect (HTTP status {response.status}), not followed",
            why=f"to {safe_url(response.headers.get('Location') or '')}",
            remedy="Set environment_url to the environment's own address.",
        )
    if response.status >= 400:
        raise _refused(response, retry_heavy=retry_heavy)
    is_part = response.status == PARTIAL_CONTENT or "Content-Range" in response.headers
    if is_part and not partial:
        raise MalformedBodyError("Only a part of the answer came")
    if "html" in (response.headers.get("Content-Type") or "").lower():
        raise TransientError(_web_page(response))


def located(error: ProtocolError, response: Response) -> Exception:
    """The error with address and request id; one to try again if the body was broken."""
    error.where = error.where or safe_url(response.url)
    error.request_id = error.request_id or error_responses.request_id(response.headers)
    return TransientError(error) if isinstance(error, MalformedBodyError) else error


def json_object(body: bytes) -> dict[str, Any]:
    """A body as a JSON object; numbers with a fraction are `Decimal`.

    Raises:
        MalformedBodyError: it is not complete JSON.
        ProtocolError: it is no object.
    """
    try:
        value = json.loads(body.decode("utf-8-sig"), parse_float=Decimal)
    except (ValueError, RecursionError) as error:
        raise MalformedBodyError("The answer is not complete JSON", why=str(error)) from error
    if not isinstance(value, dict):
        raise ProtocolError("The answer is JSON, but no object", why=type(value).__name__)
    return value


def _refused(response: Response, *, retry_heavy: bool) -> Exception:
    error = response.error()
    refusal: DataverseError = error_responses.to_error(error, response.url)
    too_heavy = page_size.has_heavy_code(error.code)
    may_be_heavy = page_size.may_be_heavy(response.status, error.code)
    if too_heavy:
        refusal.remedy = page_size.REMEDY
    elif may_be_heavy:
        refusal.remedy = f"{refusal.remedy} If only this query fails: {page_size.REMEDY}"
    if not (retry_heavy if too_heavy else error_responses.is_worth_a_retry(error)):
        return refusal
    return TransientError(
        refusal,
        attempts=TRIES_BEFORE_SMALLER if may_be_heavy and not retry_heavy else None,
        wait=retry.retry_after(response.headers, datetime.now(timezone.utc)),
        throttled=error_responses.is_throttled(error),
    )


def _web_page(response: Response) -> ProtocolError:
    return ProtocolError(
        "A web page came in place of data",
        where=safe_url(response.url),
        why=response.error().message[:200] or None,
        remedy="Check environment_url; a proxy or a sign-in page in between may have answered.",
    )
