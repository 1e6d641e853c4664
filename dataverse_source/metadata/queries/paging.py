"""Pages of a query: the text that asks for a page, and what a page says about the next one.

Docs "Page results using FetchXml": the page number is counted by the caller, the paging cookie is
percent-decoded twice, and the rows end where ``morerecords`` is not true.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import unquote

from dataverse_source.errors import MalformedBodyError, ProtocolError
from dataverse_source.metadata.queries.query import Query
from dataverse_source.metadata.queries.xml import written

COOKIE = "Microsoft.Dynamics.CRM.fetchxmlpagingcookie"
MORE = "Microsoft.Dynamics.CRM.morerecords"

MOST_WITHOUT_COOKIE = 50_000
"""Rows that Dataverse returns of a query whose pages have no cookie (error 0x8004430A)."""

_COOKIE = re.compile(r"""pagingcookie=(["'])(.*?)\1""")
_PAGE = re.compile(r'\bpage="\d+"')
_VALUE = b'"value":['


@dataclass(frozen=True)
class Place:
    """Where a page begins.

    Attributes:
        number: of the page, from 1.
        cookie: that leads to it; None: the number does.
        rows_before: in the pages before it.
    """

    number: int = 1
    cookie: str | None = None
    rows_before: int = 0


@dataclass(frozen=True)
class PageBody:
    """A page as it was received, without what it says about itself.

    Attributes:
        rows: a JSON document with the rows.
        more: whether more rows follow.
        cookie: that leads to the next page; None if there is none.
    """

    rows: bytes
    more: bool
    cookie: str | None


def text_of(query: Query, place: Place, size: int) -> str:
    """The FetchXML that asks for a page of at most ``size`` rows."""
    if query.is_one_page:
        return query.text
    attributes = {**query.fetch.attributes, "count": str(size), "page": str(place.number)}
    if place.cookie is not None:
        attributes["paging-cookie"] = place.cookie
    return written(replace(query.fetch, attributes=attributes))


def split(body: bytes) -> PageBody:
    """What a page says about itself, apart from its rows.

    The rows are left as they are: they are decoded elsewhere, and fast.

    Raises:
        MalformedBodyError: the body is not complete JSON.
        ProtocolError: it says whether more rows follow in another way than the docs tell.
    """
    start = body.find(_VALUE)
    if start >= 0 and body.rstrip().endswith(b"]}"):
        try:
            members = json.loads(body[:start].decode("utf-8-sig") + '"value":[]}')
        except ValueError:
            members = None
        if isinstance(members, dict) and "error" not in members:
            return _page(members, b"{" + body[start:])
    try:
        members = json.loads(body.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise MalformedBodyError("The answer is not complete JSON", why=str(error)) from error
    if not isinstance(members, dict):
        raise ProtocolError("The answer is JSON, but no object", why=type(members).__name__)
    return _page(members, body)


def _page(members: dict[str, Any], rows: bytes) -> PageBody:
    more = members.get(f"@{MORE}", False)
    if isinstance(more, str) and more.lower() in ("true", "false"):
        more = more.lower() == "true"
    if not isinstance(more, bool):
        raise ProtocolError(f"{MORE} is neither true nor false", why=repr(more))
    told = members.get(f"@{COOKIE}")
    found = _COOKIE.search(told) if isinstance(told, str) else None
    return PageBody(rows, more, unquote(unquote(found[2])) if found and found[2] else None)


_FOR_ARCHIVED_ROWS = (
    'Write queries with datasource="retained" and a filter each, such as a year of createdon, in '
    "place of retained."
)


class Chain:
    """Counts the pages of a query, and stops one that would not end.

    Args:
        name: of the query, for messages.
        archived: it reads archived rows.
    """

    def __init__(self, name: str, *, archived: bool = False) -> None:
        self._name, self._archived = name, archived
        self._seen: set[str] = set()
        self.place = Place()

    def next(self, page: PageBody, size: int) -> Place | None:
        """Where the next page begins; None after the last one.

        Args:
            page: that has come.
            size: rows that it has, if others follow.

        Raises:
            ProtocolError: a cookie came before, or there are more rows than can be had.
        """
        if not page.more:
            return None
        if page.cookie is not None:
            mark = _PAGE.sub("", page.cookie)
            if mark in self._seen:
                raise ProtocolError(
                    "The paging cookie leads in a circle: the same rows would be read for ever",
                    where=self._name,
                    remedy="This is a fault of the server. Try another page_size.",
                )
            self._seen.add(mark)
        before = self.place.rows_before + size
        if page.cookie is None and before + size > MOST_WITHOUT_COOKIE:
            raise ProtocolError(
                f"The query has more than {MOST_WITHOUT_COOKIE:,} rows, and Dataverse gives no "
                "paging cookie for it, which further pages need",
                where=self._name,
                why=None
                if self._archived
                else "queries with distinct, aggregates, and queries with a link that leads to "
                "many rows have no paging cookie",
                remedy=_FOR_ARCHIVED_ROWS
                if self._archived
                else "Begin with the table that has the many rows, and link it to the other one. "
                "Remove distinct, and load rows in place of groups: the destination makes them "
                "distinct (SELECT DISTINCT) and groups them. Or restrict the query by a filter, "
                "such as a year each.",
            )
        self.place = Place(self.place.number + 1, page.cookie, before)
        return self.place
