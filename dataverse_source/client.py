"""HTTP: the one place that talks to Dataverse. Token, retries, host pinning, next links."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from decimal import Decimal
from importlib import metadata
from typing import Any, Protocol, TypeVar

import requests

from dataverse_source import refusals, retry, transport
from dataverse_source.batch import (
    CONTINUE_ON_ERROR,
    Answer,
    Question,
    new_boundary,
    read_answers,
    to_body,
)
from dataverse_source.credentials import TokenSource
from dataverse_source.errors import MalformedBodyError, ProtocolError, safe_url
from dataverse_source.retry import USUAL_POLICY, RetryPolicy, TransientError, pause
from dataverse_source.urls import environment_base, paging_cookie, pinned, request_url

__all__ = ["Counters", "DataverseClient", "HasNextLink", "environment_base"]

T = TypeVar("T")

RATE_LIMIT = "x-ms-ratelimit-"
"""How the headers begin that tell what is left (docs: "Service protection API limits")."""


class HasNextLink(Protocol):
    """A page of an answer; ``next_link`` is None on the last one."""

    @property
    def next_link(self) -> str | None:
        """Where the next page is."""
        ...


P = TypeVar("P", bound=HasNextLink)


@dataclass(frozen=True)
class Counters:
    """What a client has done so far.

    Attributes:
        requests: requests sent, retries among them.
        retries: requests sent once more.
        throttled: answers that said "too many requests".
        seconds_waited: time spent waiting for retries.
    """

    requests: int = 0
    retries: int = 0
    throttled: int = 0
    seconds_waited: float = 0.0


class DataverseClient:
    """Reads from one environment; may be used by many threads at once.

    Args:
        environment_url: see `environment_base`.
        tokens: gives the bearer token.
        session: from `new_session`.
        api_version: of the Web API.
        request_timeout: seconds without a byte of the answer until a request is given up.
        policy: how often a failed request is tried.
        pause: waits before another try; the one place where a client waits.

    Attributes:
        environment_url: scheme, host and port of the environment.

    Raises:
        ConfigurationError: ``environment_url`` can't be used.
    """

    def __init__(
        self,
        environment_url: str,
        tokens: TokenSource,
        *,
        session: requests.Session,
        api_version: str = "v9.2",
        request_timeout: float = 120.0,
        policy: RetryPolicy = USUAL_POLICY,
        pause: Callable[[float], None] = pause,
    ) -> None:
        self.environment_url = environment_base(environment_url)
        self._root = f"{self.environment_url}/api/data/{api_version.strip('/')}"
        self._tokens = tokens
        self._session = session
        self._timeouts = transport.timeouts(request_timeout)
        self._policy = policy
        self._pause = pause
        self._lock = threading.Lock()
        self._counters = Counters()
        self._server_time: datetime | None = None
        self._dop_hint: int | None = None
        self._rate_limits: dict[str, str] = {}

    @property
    def server_time(self) -> datetime | None:
        """The server's clock in its last answer, to the second, UTC; None before the first."""
        return self._server_time

    @property
    def dop_hint(self) -> int | None:
        """How many requests at once the server recommends (``x-ms-dop-hint``), if it said so."""
        return self._dop_hint

    @property
    def rate_limits(self) -> dict[str, str]:
        """What is left of the service protection limits: the last ``x-ms-ratelimit-`` headers."""
        return dict(self._rate_limits)

    @property
    def counters(self) -> Counters:
        """What the client has done so far."""
        return self._counters

    def url(self, path: str, query: Mapping[str, str] | None = None) -> str:
        """The absolute URL of ``path``, such as ``accounts``, below the Web API's root.

        Args:
            path: not percent-encoded.
            query: names and values such as ``{"$select": "name,accountid"}``, not encoded.
        """
        return request_url(self._root, path, query)

    def get(
        self,
        url_or_path: str,
        *,
        query: Mapping[str, str] | None = None,
        prefer: Sequence[str] = (),
        parse: Callable[[bytes], T],
    ) -> T:
        """One answer.

        Args:
            url_or_path: a path below the Web API's root, or an absolute URL, which is sent as
                it is.
            query: only with a path.
            prefer: preferences for the ``Prefer`` header.
            parse: makes something of the body. When it raises `MalformedBodyError`, the request
                is tried again.

        Raises:
            ResponseError: Dataverse refused; see its subclasses.
            ConnectionFailedError: no answer came.
            ProtocolError: the answer can't be right, or a URL leads elsewhere.
            AuthenticationError: the login service refused.
        """
        url = self._absolute(url_or_path, query)
        request = requests.Request("GET", url, headers=_prefer(prefer))
        return self._answer(request, parse)

    def batch(self, questions: Sequence[Question]) -> list[Answer]:
        """The answers to several questions, in one request; each may be a refusal of its own.

        Raises:
            DataverseError: see `get`; the batch as a whole was refused.
        """
        urls = [self.url(one.path, one.query) for one in questions]
        boundary = new_boundary()
        headers = {"Content-Type": f"multipart/mixed; boundary={boundary}"}
        request = requests.Request(
            "POST",
            self.url("$batch"),
            headers={**headers, **_prefer([CONTINUE_ON_ERROR])},
            data=to_body(urls, questions, boundary),
        )
        return self._answer(request, lambda body: read_answers(body, urls))

    def _answer(self, request: requests.Request, parse: Callable[[bytes], T]) -> T:
        """What ``parse`` makes of the answer to a request, which is tried as often as needed."""
        url = str(request.url)
        renewed = False

        def attempt() -> T:
            nonlocal renewed
            token = self._tokens.token()
            answer = self._send(request, token)
            if _token_refused(answer) and not renewed:
                renewed = True
                answer = self._send(request, self._tokens.renew(token))
            return self._parsed(answer, parse)

        return retry.run(
            attempt,
            where=safe_url(url),
            policy=self._policy,
            pause=self._pause,
            on_retry=self._count_retry,
        )

    def get_json(
        self,
        path: str,
        query: Mapping[str, str] | None = None,
        prefer: Sequence[str] = (),
    ) -> dict[str, Any]:
        """One answer as a JSON object; numbers with a fraction are `Decimal`.

        Raises:
            DataverseError: see `get`.
        """
        return self.get(path, query=query, prefer=prefer, parse=_json_object)

    def pages(
        self, url: str, *, prefer: Sequence[str] = (), parse: Callable[[bytes], P]
    ) -> Iterator[P]:
        """An answer and all that its next links lead to, each page once.

        Next links are followed as they are, with the same preferences on every page (docs:
        "Page results using OData").

        Args:
            url: of the first page.
            prefer: preferences for the ``Prefer`` header.
            parse: makes a page of a body.

        Raises:
            ProtocolError: a next link leads to another host, or in a circle.
            DataverseError: see `get`.
        """
        seen = {url}
        cookie = paging_cookie(url)
        while True:
            page = self.get(url, prefer=prefer, parse=parse)
            yield page
            link = page.next_link
            if link is None:
                return
            last, cookie = cookie, paging_cookie(link)
            if link in seen or (cookie is not None and cookie == last):
                raise ProtocolError(
                    "The next link leads in a circle: the same rows would be read for ever",
                    where=safe_url(link),
                    remedy="A fault of the server; another page_size or select may avoid it.",
                )
            url = pinned(link, self.environment_url)
            seen.add(url)

    def _absolute(self, url_or_path: str, query: Mapping[str, str] | None) -> str:
        if not url_or_path.lower().startswith(("https://", "http://")):
            return self.url(url_or_path, query)
        if query:
            raise ValueError("a query can be given with a path only, not with a URL")
        return pinned(url_or_path, self.environment_url)

    def _send(self, request: requests.Request, token: str) -> requests.Response:
        """One request, without a retry."""
        with self._lock:
            self._counters = replace(self._counters, requests=self._counters.requests + 1)
        url = str(request.url)
        request = requests.Request(
            request.method,
            self.environment_url,
            headers={**_HEADERS, **request.headers},
            data=request.data,
        )
        try:
            prepared = self._session.prepare_request(request)
            prepared.headers["Authorization"] = f"Bearer {token}"
            prepared.url = url  # after preparing: requests would encode links anew
            settings = self._session.merge_environment_settings(url, {}, False, None, None)
            answer = self._session.send(
                prepared, timeout=self._timeouts, allow_redirects=False, **settings
            )
        except requests.RequestException as error:
            raise transport.network_fault(error, url, setting="environment_url") from error
        self._note(answer.headers)
        return answer

    def _note(self, headers: Mapping[str, str]) -> None:
        """Keeps what an answer says about the server."""
        self._server_time = retry.http_date(headers.get("Date") or "") or self._server_time
        hint = headers.get("x-ms-dop-hint") or ""
        if hint.isascii() and hint.isdigit() and int(hint) > 0:
            self._dop_hint = int(hint)
        limits = {name.lower(): text for name, text in headers.items()}
        limits = {name: text for name, text in limits.items() if name.startswith(RATE_LIMIT)}
        self._rate_limits = limits or self._rate_limits

    def _parsed(self, answer: requests.Response, parse: Callable[[bytes], T]) -> T:
        """What ``parse`` makes of a good answer; every other answer is an error."""
        url = str(answer.url)
        if 300 <= answer.status_code < 400:
            raise ProtocolError(
                f"Dataverse sent a redirect (HTTP status {answer.status_code}), not followed",
                where=safe_url(url),
                why=f"to {safe_url(answer.headers.get('Location') or '')}",
                remedy="Set environment_url to the environment's own address.",
            )
        if answer.status_code >= 400:
            raise _refused(answer, url)
        if "html" in (answer.headers.get("Content-Type") or "").lower():
            raise TransientError(_web_page(answer, url))
        try:
            return parse(answer.content)
        except ProtocolError as error:
            error.where = error.where or safe_url(url)
            error.request_id = error.request_id or refusals.request_id(answer.headers)
            if isinstance(error, MalformedBodyError):
                raise TransientError(error) from error.__cause__
            raise

    def _count_retry(self, failure: TransientError, seconds: float) -> None:
        with self._lock:
            old = self._counters
            self._counters = replace(
                old,
                retries=old.retries + 1,
                throttled=old.throttled + failure.throttled,
                seconds_waited=old.seconds_waited + seconds,
            )


def _version() -> str:
    try:
        return metadata.version("dlt-dataverse")
    except metadata.PackageNotFoundError:
        return "0"


# Docs "Compose HTTP requests and handle errors", section HTTP headers.
_HEADERS = {
    "Accept": "application/json",
    "OData-MaxVersion": "4.0",
    "OData-Version": "4.0",
    "If-None-Match": "null",
    "User-Agent": f"dlt-dataverse/{_version()}",
}


def _prefer(preferences: Sequence[str]) -> dict[str, str]:
    return {"Prefer": ", ".join(preferences)} if preferences else {}


def _error(answer: requests.Response) -> refusals.ErrorAnswer:
    return refusals.read_error(answer.status_code, answer.headers, answer.content)


def _token_refused(answer: requests.Response) -> bool:
    unauthorized = answer.status_code == requests.codes.unauthorized
    return unauthorized and not refusals.is_set_up(_error(answer))


def _refused(answer: requests.Response, url: str) -> Exception:
    error = _error(answer)
    refusal = refusals.to_error(error, url)
    if not refusals.is_worth_a_retry(error):
        return refusal
    return TransientError(
        refusal,
        wait=retry.retry_after(answer.headers, datetime.now(timezone.utc)),
        throttled=refusals.is_throttled(error),
    )


def _web_page(answer: requests.Response, url: str) -> ProtocolError:
    return ProtocolError(
        "A web page came in place of data",
        where=safe_url(url),
        why=_error(answer).message[:200] or None,
        remedy="Check environment_url; a proxy or a sign-in page in between may have answered.",
    )


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body.decode("utf-8-sig"), parse_float=Decimal)
    except ValueError as error:
        raise MalformedBodyError("The answer is not complete JSON", why=str(error)) from error
    if not isinstance(value, dict):
        raise ProtocolError("The answer is JSON, but no object", why=type(value).__name__)
    return value
