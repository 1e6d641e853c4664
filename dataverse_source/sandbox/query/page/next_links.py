"""Next links that behave as the switches say: cookies that never move, tokens that expire."""

from __future__ import annotations

from datetime import timedelta

from dataverse_source.sandbox.http.messages import DataverseFault
from dataverse_source.sandbox.query.filter.scope import Scope
from dataverse_source.sandbox.query.page.orders import Order
from dataverse_source.sandbox.query.page.paging import (
    Cookie,
    decoded,
    outer_cookie,
    read_outer,
    skiptoken,
)

EXPIRED = "The paging cookie has expired."


def next_token(
    scope: Scope,
    order: Order,
    cookie: Cookie,
    previous: str | None,
    records: int | None,
) -> str:
    """The encoded ``$skiptoken`` of the next page.

    Args:
        scope: the query's.
        order: the query's.
        cookie: where the page ended.
        previous: the decoded ``$skiptoken`` that the page was asked for with.
        records: rows of the page, where the cookie says so.
    """
    token = skiptoken(cookie, order, records=records)
    return given_out(scope, token, cookie.page + 1, previous)


def given_out(scope: Scope, token: str, page: int, previous: str | None) -> str:
    """The encoded ``$skiptoken`` that a client is given: the right one, unless switches change it.

    Args:
        scope: the query's.
        token: the right one.
        page: the page that it asks for.
        previous: the decoded ``$skiptoken`` that this page was asked for with.
    """
    if scope.environment.switches.stuck_cookie == "any" and previous is not None:
        # The page number grows, the cookie stays.
        before = read_outer(previous)
        inner = None if before.inner is None else decoded(before.inner)
        token = outer_cookie(page, inner, tracking=before.tracking)
    if scope.environment.switches.skiptoken_expiry != "never":
        scope.environment.store.links_given[token] = scope.now
    return token


def refuse_expired(scope: Scope, raw: str) -> None:
    """Refuses an encoded ``$skiptoken`` that is too old, where the switch says that they expire.

    One that was given out before the switch was set counts as too old.

    Raises:
        DataverseFault: 400 with the code that the switch names.
    """
    switches = scope.environment.switches
    if switches.skiptoken_expiry == "never":
        return
    given = scope.environment.store.links_given.get(raw)
    lifetime = timedelta(seconds=switches.skiptoken_lifetime_seconds)
    if given is None or scope.now - given > lifetime:
        raise DataverseFault(400, switches.skiptoken_expiry, EXPIRED)
