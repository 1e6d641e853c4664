"""The Web API client: the one place that sends requests to Dataverse.

It adds the token, waits for the concurrency limiter, tries again, and follows next links.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from functools import cached_property
from typing import Any, TypeVar

import requests

from dataverse_source.client import body, responses, retry
from dataverse_source.client.batch import (
    CONTINUE_ON_ERROR,
    BatchRequest,
    new_boundary,
    read_batch,
    to_body,
)
from dataverse_source.client.body import TooLargeError
from dataverse_source.client.caller import about_caller, caller_header
from dataverse_source.client.connection_errors import network_fault, within
from dataverse_source.client.counters import CostsByPath, Counters, TableCosts
from dataverse_source.client.deadline import LONGEST_ANSWER
from dataverse_source.client.download import LONGEST_DOWNLOAD, Sink, received
from dataverse_source.client.page_size import is_too_heavy
from dataverse_source.client.pages import HasNextLink, follow_next_links
from dataverse_source.client.requests_made import entity_set, get_request, preferences
from dataverse_source.client.responses import Response
from dataverse_source.client.retry import USUAL_POLICY, RetryPolicy, TransientError, pause
from dataverse_source.client.session import HEADERS, timeouts
from dataverse_source.client.throttle.limiter import ConcurrencyLimiter, Permit
from dataverse_source.client.token_source import TokenSource
from dataverse_source.client.urls import environment_base, pinned, request_url
from dataverse_source.errors import AccessDeniedError, ProtocolError, safe_url

__all__ = ["Counters", "DataverseClient", "HasNextLink", "environment_base"]

T = TypeVar("T")
P = TypeVar("P", bound=HasNextLink)


class DataverseClient:
    """Reads from one environment; may be used by many threads at once.

    Args:
        environment_url: see `environment_base`.
        tokens: returns the bearer token.
        session: from `new_session`.
        api_version: of the Web API.
        request_timeout: seconds without a byte of the answer after which a request fails.
        policy: how often a failed request is tried.
        pause: waits before another try.
        limiter: says when requests may be sent; clients of the same user of the same
            environment share one (see `limiter_of`).
        max_concurrency: requests at once, at most; None: as many as the limiter allows.
        caller: Entra object id of the user that requests act for; None: for nobody else.

    Attributes:
        environment_url: scheme, host and port of the environment.

    Raises:
        ConfigurationError: ``environment_url`` is no address of an environment.
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
        caller: str | None = None,
    ) -> None:
        self.environment_url = environment_base(environment_url)
        self._root = f"{self.environment_url}/api/data/{api_version.strip('/')}"
        self._tokens = tokens
        self._session = session
        self._timeouts = timeouts(request_timeout)
        self._longest = LONGEST_ANSWER * request_timeout
        self._policy = policy
        self._pause = pause
        self._limiter = limiter or ConcurrencyLimiter()
        self._before = self._limiter.totals
        self._max_concurrency = max_concurrency
        self._caller = caller_header(caller)
        self._lock = threading.Lock()
        self._counters = Counters()
        self._by_path = CostsByPath(lambda: self._limiter.totals.seconds_held)
        self._server_time: datetime | None = None
        self._clock_offset = timedelta()
        self._rate_limits: dict[str, str] = {}

    @property
    def server_time(self) -> datetime | None:
        """The server's clock in its last answer, to the second, UTC; None before the first."""
        return self._server_time

    @property
    def clock_offset(self) -> timedelta:
        """The server's clock less this machine's, to about a second; zero before any."""
        return self._clock_offset

    @property
    def dop_hint(self) -> int | None:
        """Requests at once that the server recommends (``x-ms-dop-hint``); None if it did not."""
        return self._limiter.dop_hint

    @property
    def rate_limits(self) -> dict[str, str]:
        """The remaining budget, as the last ``x-ms-ratelimit-`` headers say."""
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
    def costs_by_path(self) -> dict[str, TableCosts]:
        """What requests have cost, by the last part of their path: the entity set."""
        return self._by_path.copy()

    @property
    def held_for(self) -> float:
        """Seconds until limits let the next request go; 0 if none holds it back."""
        return self._limiter.held_for

    @property
    def concurrency(self) -> int:
        """How many requests at once make sense now."""
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
        page_size: int | None = None,
        parse: Callable[[bytes], T],
    ) -> T:
        """The answer to one request.

        Args:
            url_or_path: a path below the Web API's root, or an absolute URL, which is sent as
                it is.
            query: only with a path.
            prefer: preferences for the ``Prefer`` header, besides the page size.
            page_size: rows a page, at most.
            parse: makes the result of the body. When it raises `MalformedBodyError`, the
                request is tried again.

        Raises:
            ResponseError: Dataverse refused; see its subclasses.
            ConnectionFailedError: no answer came.
            ProtocolError: the answer breaks the protocol, or a URL leads to another host.
            AuthenticationError: the login service refused.
        """
        url = self._absolute(url_or_path, query)
        return self._answer(get_request(url, prefer, page_size), parse)

    def get_json(
        self,
        path: str,
        query: Mapping[str, str] | None = None,
        prefer: Sequence[str] = (),
    ) -> dict[str, Any]:
        """The answer to one request as a JSON object; numbers with a fraction are `Decimal`.

        Raises:
            DataverseError: see `get`.
        """
        return self.get(path, query=query, prefer=prefer, parse=responses.json_object)

    def batch(self, requests_: Sequence[BatchRequest]) -> list[Response]:
        """The answers to several requests that are sent as one; each may be a refusal.

        Raises:
            DataverseError: see `get`; the batch as a whole was refused.
        """
        urls = [self.url(one.path, one.query) for one in requests_]
        boundary = new_boundary()
        headers = {"Content-Type": f"multipart/mixed; boundary={boundary}"}
        headers |= preferences([CONTINUE_ON_ERROR], None)
        data = to_body(urls, requests_, boundary, self._caller)
        request = requests.Request("POST", self.url("$batch"), headers=headers, data=data)
        return self._answer(request, lambda body: read_batch(body, urls))

    def pages(
        self,
        url: str,
        *,
        prefer: Sequence[str] = (),
        page_size: int | None = None,
        parse: Callable[[bytes], P],
        before: str | None = None,
    ) -> Iterator[P]:
        """The page at ``url`` and all that its next links lead to, each page once.

        Next links are sent as they are, with the same preferences on every page (docs: "Page
        results using OData"). Only the page size changes: a query that is too heavy for
        Dataverse goes on with smaller pages.

        Args:
            url: of the first page.
            prefer: preferences for the ``Prefer`` header, besides the page size.
            page_size: rows a page, at most.
            parse: makes a page of a body.
            before: URL of the page that has led to ``url``, if it has been read already.

        Raises:
            ProtocolError: a next link leads to another host, or in a circle.
            DataverseError: see `get`.
        """

        def fetch(link: str, rows: int | None, retry_heavy: bool) -> P:
            request = get_request(self._absolute(link, None), prefer, rows)
            return self._answer(request, parse, retry_heavy=retry_heavy)

        return follow_next_links(
            fetch, url, base=self.environment_url, rows=page_size, before=before
        )

    def download(self, path: str, sink: Sink, query: Mapping[str, str] | None = None) -> None:
        """Hands the body of an answer to ``sink``, piece by piece; after a fault it asks again.

        Args:
            path: below the Web API's root.
            sink: takes the body, and says with which headers to ask.
            query: see `url`.

        Raises:
            DataverseError: see `get`.
        """
        url = self.url(path, query)
        self._answer(requests.Request("GET", url), lambda _nothing: None, sink=sink)

    def _answer(
        self,
        request: requests.Request,
        parse: Callable[[bytes], T],
        *,
        retry_heavy: bool = True,
        sink: Sink | None = None,
    ) -> T:
        """What ``parse`` makes of the answer to a request, which is tried as often as needed.

        Args:
            request: without a token.
            parse: makes the result of the body.
            retry_heavy: see `responses.check`.
            sink: takes the body in place of ``parse``.
        """
        throttled, name = False, entity_set(str(request.url))

        def send(token: str, permit: Permit) -> Response:
            try:
                return self._send(request, token, permit, sink)
            except TransientError as failure:
                if not retry_heavy and is_too_heavy(failure.error):
                    failure.attempts = responses.TRIES_BEFORE_SMALLER
                raise

        def attempt() -> T:
            with ExitStack() as stack:
                with self._by_path.queued(name):
                    permit = stack.enter_context(
                        self._limiter.permit(at_most=self._max_concurrency, urgent=throttled)
                    )
                token = self._tokens.token()
                response = send(token, permit)
                try:
                    if responses.token_refused(response):
                        response = send(self._tokens.renew(token), permit)
                    responses.check(response, retry_heavy=retry_heavy, partial=sink is not None)
                except ProtocolError as error:
                    raise responses.located(error, response) from error.__cause__
                except AccessDeniedError as error:
                    raise about_caller(error, self._caller) from error.__cause__
            try:
                return response.parsed(parse)
            except ProtocolError as error:
                raise responses.located(error, response) from error.__cause__

        def on_retry(failure: TransientError, seconds: float) -> None:
            nonlocal throttled
            throttled = failure.throttled
            self._count_retry(failure, seconds)
            if failure.held is None:
                self._by_path.add(name, seconds_waited=seconds)

        return retry.run(
            attempt,
            where=safe_url(str(request.url)),
            policy=self._policy,
            pause=self._pause,
            on_retry=on_retry,
        )

    def _absolute(self, url_or_path: str, query: Mapping[str, str] | None) -> str:
        if not url_or_path.lower().startswith(("https://", "http://")):
            return self.url(url_or_path, query)
        if query:
            raise ValueError("a query can be given with a path only, not with a URL")
        return pinned(url_or_path, self.environment_url)

    def _send(
        self, request: requests.Request, token: str, permit: Permit, sink: Sink | None
    ) -> Response:
        """One request, without a retry."""
        url = str(request.url)
        with self._lock:
            self._counters = replace(self._counters, requests=self._counters.requests + 1)
        self._by_path.add(entity_set(url), requests=1)
        request = requests.Request(
            request.method,
            self.environment_url,
            headers=HEADERS | self._caller | request.headers | (sink.headers if sink else {}),
            data=request.data,
        )
        began = time.monotonic()

        def fault(error: requests.RequestException) -> TransientError:
            return network_fault(error, url, setting="environment_url")

        try:
            with within(LONGEST_DOWNLOAD if sink else self._longest, url, fault):
                prepared = self._session.prepare_request(request)
                prepared.headers["Authorization"] = f"Bearer {token}"
                prepared.url = url  # after preparing: requests would encode links anew
                answer = self._session.send(
                    prepared,
                    timeout=self._timeouts,
                    allow_redirects=False,
                    **self._ways,
                )
                content = received(answer, sink) if sink else body.receive(answer, body.MOST_BYTES)
        except TooLargeError as error:
            error.where = safe_url(url)
            raise
        permit.answered(time.monotonic() - began, answer.headers)
        self._note(answer.headers)
        return Response(url, answer.status_code, answer.headers, content)

    @cached_property
    def _ways(self) -> dict[str, Any]:
        """Proxies and certificates; kept, as looking them up takes longer than a request."""
        ways = self._session.merge_environment_settings(self.environment_url, {}, True, None, None)
        return dict(ways)

    def _note(self, headers: Mapping[str, str]) -> None:
        """Keeps what an answer says about the server."""
        date = retry.http_date(headers.get("Date") or "")
        if date is not None:
            self._server_time = date
            self._clock_offset = date - datetime.now(timezone.utc)
        self._rate_limits = responses.rate_limits(headers) or self._rate_limits

    def _count_retry(self, failure: TransientError, seconds: float) -> None:
        with self._lock:
            old = self._counters
            self._counters = replace(
                old,
                retries=old.retries + 1,
                throttled=old.throttled + failure.throttled,
                seconds_waited=old.seconds_waited + (seconds if failure.held is None else 0.0),
            )
