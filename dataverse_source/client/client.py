"""HTTP: the one place that talks to Dataverse. Token, retries, host pinning, next links."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cached_property
from importlib import metadata
from typing import Any, Protocol, TypeVar

import requests

from dataverse_source.client import body, page_size, responses, retry
from dataverse_source.client.batch import (
    CONTINUE_ON_ERROR,
    Answer,
    BatchRequest,
    new_boundary,
    read_answers,
    to_body,
)
from dataverse_source.client.counters import Counters
from dataverse_source.client.retry import USUAL_POLICY, RetryPolicy, TransientError, pause
from dataverse_source.client.session import network_fault, timeouts
from dataverse_source.client.throttle.limiter import ConcurrencyLimiter, Permit
from dataverse_source.client.urls import environment_base, paging_cookie, pinned, request_url
from dataverse_source.config.log import logger
from dataverse_source.credentials import TokenSource
from dataverse_source.errors import ProtocolError, ResponseError, safe_url

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


class DataverseClient:
    """Reads from one environment; may be used by many threads at once.

    Args:
        environment_url: see `environment_base`.
        tokens: gives the bearer token.
        session: from `new_session`.
        api_version: of the Web API.
        request_timeout: seconds without a byte of the answer until a request is given up.
        policy: how often a failed request is tried.
        pause: waits before another try.
        limiter: says when requests may be sent; clients of the same user of the same
            environment share one (see `limiter_of`).
        max_concurrency: requests at once, at most; None: as many as the concurrency limiter gives.

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
        limiter: ConcurrencyLimiter | None = None,
        max_concurrency: int | None = None,
    ) -> None:
        self.environment_url = environment_base(environment_url)
        self._root = f"{self.environment_url}/api/data/{api_version.strip('/')}"
        self._tokens = tokens
        self._session = session
        self._timeouts = timeouts(request_timeout)
        self._policy = policy
        self._pause = pause
        self._limiter = limiter or ConcurrencyLimiter()
        self._before = self._limiter.totals
        self._max_concurrency = max_concurrency
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
        """What the client has done so far.

        The times are those of its concurrency limiter since the client was made.
        """
        totals, before, own = self._limiter.totals, self._before, self._counters
        return replace(
            own,
            seconds_waited=own.seconds_waited + totals.seconds_held - before.seconds_held,
            busy_seconds=totals.busy_seconds - before.busy_seconds,
            request_seconds=totals.request_seconds - before.request_seconds,
        )

    @property
    def concurrency(self) -> int:
        """How many requests at once make sense now: readers size their crews by it."""
        most = self._max_concurrency
        now = self._limiter.concurrency
        return now if most is None else min(now, most)

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

    def batch(self, questions: Sequence[BatchRequest]) -> list[Answer]:
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

    def _answer(
        self, request: requests.Request, parse: Callable[[bytes], T], *, retry_heavy: bool = True
    ) -> T:
        """What ``parse`` makes of the answer to a request, which is tried as often as needed.

        Args:
            request: without a token.
            parse: makes something of the body.
            retry_heavy: see `responses.check`.
        """
        url = str(request.url)
        renewed = throttled = False

        def ask() -> requests.Response:
            nonlocal renewed
            with self._limiter.permit(at_most=self._max_concurrency, urgent=throttled) as permit:
                token = self._tokens.token()
                answer = self._send(request, token, permit)
                if responses.token_refused(answer) and not renewed:
                    renewed = True
                    answer = self._send(request, self._tokens.renew(token), permit)
                responses.check(answer, retry_heavy=retry_heavy)
                return answer

        def on_retry(failure: TransientError, seconds: float) -> None:
            nonlocal throttled
            throttled = failure.throttled
            self._count_retry(failure, seconds)

        return retry.run(
            lambda: responses.parsed(ask(), parse),
            where=safe_url(url),
            policy=self._policy,
            pause=self._pause,
            on_retry=on_retry,
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
        return self.get(path, query=query, prefer=prefer, parse=responses.json_object)

    def pages(
        self,
        url: str,
        *,
        prefer: Sequence[str] = (),
        parse: Callable[[bytes], P],
        before: str | None = None,
    ) -> Iterator[P]:
        """An answer and all that its next links lead to, each page once.

        Next links are followed as they are, with the same preferences on every page (docs:
        "Page results using OData"), but for a query that is too much for Dataverse: that goes
        on with smaller pages.

        Args:
            url: of the first page.
            prefer: preferences for the ``Prefer`` header.
            parse: makes a page of a body.
            before: URL of the page that has led to ``url``, if it has been read already.

        Raises:
            ProtocolError: a next link leads to another host, or in a circle.
            DataverseError: see `get`.
        """
        seen = set() if before is None else {before}
        last = None if before is None else paging_cookie(before)
        while True:
            cookie = paging_cookie(url)
            if url in seen or (cookie is not None and cookie == last):
                raise ProtocolError(
                    "The next link leads in a circle: the same rows would be read for ever",
                    where=safe_url(url),
                    remedy="A fault of the server; another page_size or select may avoid it.",
                )
            seen.add(url)
            page, prefer = self._page(url, prefer, parse)
            yield page
            if page.next_link is None:
                return
            last, url = cookie, pinned(page.next_link, self.environment_url)

    def _page(
        self, url: str, prefer: Sequence[str], parse: Callable[[bytes], T]
    ) -> tuple[T, Sequence[str]]:
        """One page, and the preferences that the next ones are asked for with."""
        first = prefer
        while True:
            fewer = page_size.smaller(prefer)
            request = requests.Request("GET", self._absolute(url, None), headers=_prefer(prefer))
            try:
                return self._answer(request, parse, retry_heavy=fewer is None), prefer
            except ResponseError as error:
                if fewer is None or not page_size.is_too_heavy(error.code):
                    raise
                why = error.why
            if prefer is first:
                logger.warning(
                    "Pages of %s rows of %s are too much for Dataverse (%s): going on with "
                    "smaller ones",
                    page_size.rows_a_page(prefer),
                    safe_url(url),
                    why,
                )
            prefer = fewer

    def _absolute(self, url_or_path: str, query: Mapping[str, str] | None) -> str:
        if not url_or_path.lower().startswith(("https://", "http://")):
            return self.url(url_or_path, query)
        if query:
            raise ValueError("a query can be given with a path only, not with a URL")
        return pinned(url_or_path, self.environment_url)

    def _send(self, request: requests.Request, token: str, permit: Permit) -> requests.Response:
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
        began = time.monotonic()
        try:
            prepared = self._session.prepare_request(request)
            prepared.headers["Authorization"] = f"Bearer {token}"
            prepared.url = url  # after preparing: requests would encode links anew
            answer = self._session.send(
                prepared, timeout=self._timeouts, allow_redirects=False, **self._ways
            )
            body.receive(answer)
        except requests.RequestException as error:
            raise network_fault(error, url, setting="environment_url") from error
        permit.answered(time.monotonic() - began, answer.headers)
        self._note(answer.headers)
        return answer

    @cached_property
    def _ways(self) -> dict[str, Any]:
        """Proxies and certificates: finding them out takes longer than sending a request."""
        ways = self._session.merge_environment_settings(self.environment_url, {}, True, None, None)
        return dict(ways)

    def _note(self, headers: Mapping[str, str]) -> None:
        """Keeps what an answer says about the server."""
        self._server_time = retry.http_date(headers.get("Date") or "") or self._server_time
        hint = headers.get("x-ms-dop-hint") or ""
        if hint.isascii() and hint.isdigit() and int(hint) > 0:
            self._dop_hint = int(hint)
        limits = {name.lower(): text for name, text in headers.items()}
        limits = {name: text for name, text in limits.items() if name.startswith(RATE_LIMIT)}
        self._rate_limits = limits or self._rate_limits

    def _count_retry(self, failure: TransientError, seconds: float) -> None:
        with self._lock:
            old = self._counters
            self._counters = replace(
                old,
                retries=old.retries + 1,
                throttled=old.throttled + failure.throttled,
                seconds_waited=old.seconds_waited + (seconds if failure.held is None else 0.0),
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
