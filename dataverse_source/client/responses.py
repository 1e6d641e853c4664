"""Judges answers of Dataverse: good ones are parsed, others become errors, some to try again."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any, TypeVar

import requests

from dataverse_source.client import body, error_responses, page_size, retry
from dataverse_source.client.retry import TransientError
from dataverse_source.client.session import network_fault
from dataverse_source.errors import MalformedBodyError, ProtocolError, safe_url

__all__ = ["check", "json_object", "parsed", "token_refused"]

T = TypeVar("T")


def token_refused(answer: requests.Response) -> bool:
    """Whether another token may help."""
    unauthorized = answer.status_code == requests.codes.unauthorized
    return unauthorized and not error_responses.is_set_up(_error(answer))


def check(answer: requests.Response, *, retry_heavy: bool) -> None:
    """Raises what is wrong with an answer, going by its status and its headers.

    Args:
        answer: with its body.
        retry_heavy: a query that was too much for Dataverse is worth another try as it is.

    Raises:
        TransientError: it may turn out well when asked for again.
        ResponseError: Dataverse refused.
        ProtocolError: a redirect.
    """
    url = str(answer.url)
    if 300 <= answer.status_code < 400:
        raise ProtocolError(
            f"Dataverse sent a redirect (HTTP status {answer.status_code}), not followed",
            where=safe_url(url),
            why=f"to {safe_url(answer.headers.get('Location') or '')}",
            remedy="Set environment_url to the environment's own address.",
        )
    if answer.status_code >= 400:
        raise _refused(answer, url, retry_heavy=retry_heavy)
    if "html" in (answer.headers.get("Content-Type") or "").lower():
        raise TransientError(_web_page(answer, url))


def parsed(answer: requests.Response, parse: Callable[[bytes], T]) -> T:
    """What ``parse`` makes of a good answer's body.

    Raises:
        TransientError: the body is broken.
        ProtocolError: it can't be right.
    """
    try:
        return body.parsed(answer, parse)
    except requests.RequestException as error:
        url = str(answer.url)
        raise network_fault(error, url, setting="environment_url") from error
    except ProtocolError as error:
        error.where = error.where or safe_url(str(answer.url))
        error.request_id = error.request_id or error_responses.request_id(answer.headers)
        if isinstance(error, MalformedBodyError):
            raise TransientError(error) from error.__cause__
        raise


def json_object(body: bytes) -> dict[str, Any]:
    """A body as a JSON object; numbers with a fraction are `Decimal`.

    Raises:
        MalformedBodyError: it is not complete JSON.
        ProtocolError: it is no object.
    """
    try:
        value = json.loads(body.decode("utf-8-sig"), parse_float=Decimal)
    except ValueError as error:
        raise MalformedBodyError("The answer is not complete JSON", why=str(error)) from error
    if not isinstance(value, dict):
        raise ProtocolError("The answer is JSON, but no object", why=type(value).__name__)
    return value


def _error(answer: requests.Response) -> error_responses.ErrorAnswer:
    try:
        content = answer.content
    except requests.RequestException as error:
        url = str(answer.url)
        raise network_fault(error, url, setting="environment_url") from error
    return error_responses.read_error(answer.status_code, answer.headers, content)


def _refused(answer: requests.Response, url: str, *, retry_heavy: bool) -> Exception:
    error = _error(answer)
    refusal = error_responses.to_error(error, url)
    too_heavy = page_size.is_too_heavy(error.code)
    if too_heavy:
        refusal.remedy = page_size.REMEDY
    if (too_heavy and not retry_heavy) or not (
        too_heavy or error_responses.is_worth_a_retry(error)
    ):
        return refusal
    return TransientError(
        refusal,
        wait=retry.retry_after(answer.headers, datetime.now(timezone.utc)),
        throttled=error_responses.is_throttled(error),
    )


def _web_page(answer: requests.Response, url: str) -> ProtocolError:
    return ProtocolError(
        "A web page came in place of data",
        where=safe_url(url),
        why=_error(answer).message[:200] or None,
        remedy="Check environment_url; a proxy or a sign-in page in between may have answered.",
    )
