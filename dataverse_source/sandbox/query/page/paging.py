"""Paging cookies and next links, encoded as docs page "Page results" prints them."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from urllib.parse import quote, unquote
from xml.etree.ElementTree import Element
from xml.sax.saxutils import escape

from dataverse_source.sandbox.http.messages import DataverseFault
from dataverse_source.sandbox.query.page.orders import Order, Term
from dataverse_source.sandbox.schema.safe_xml import XmlRefused, parse_xml
from dataverse_source.sandbox.schema.tables import Column
from dataverse_source.sandbox.store.values import (
    EXACT_TYPES,
    INTEGER_TYPES,
    TEXT_TYPES,
    SqlValue,
    encode,
    exact_value,
    fold,
    guid_order,
    milliseconds,
    moment_of,
    parse_guid,
    parse_moment,
)

INVALID_COOKIE = "0x8004112A"
COOKIE_ORDER_DIFFERS = "0x80041129"
"""QueryBuilderInvalidPagingCookie and QueryBuilderPagingOrderBy (error code list)."""

SortKeys = tuple[SqlValue, ...]
_ESCAPES = {'"': "&quot;", "\t": "&#9;", "\n": "&#10;", "\r": "&#13;"}
# XML can't hold these characters: cookies map them to the private use area.
_TO_PRIVATE = {code: 0xF700 + code for code in range(32) if chr(code) not in "\t\n\r"}
_FROM_PRIVATE = {private: code for code, private in _TO_PRIVATE.items()}
_HEX = re.compile(r"%[0-9A-F]{2}")


_BARE_NUMBER = re.compile(r"(\bpagenumber=)(\d+)")


@dataclass(frozen=True)
class Cookie:
    """Where a page ended.

    Attributes:
        page: number of the page that ended here, from 1.
        first: what the order's terms show of its first row.
        last: the same of its last row.
    """

    page: int
    first: SortKeys
    last: SortKeys


@dataclass(frozen=True)
class Bookmark:
    """What a ``$skiptoken`` says: the page it asks for and, if it has a cookie, where to start."""

    page: int
    last: SortKeys | None
    tracking: bool = False


def cookie_xml(cookie: Cookie, order: Order, *, records: int | None = None) -> str:
    """The inner cookie: an element per order column, the primary key last."""
    counted = f' countOfRecords="{records}"' if records is not None else ""
    elements = "".join(
        f"<{term.name}{_attribute('last', term, last)}{_attribute('first', term, first)} />"
        for term, last, first in zip(order.terms, cookie.last, cookie.first, strict=True)
    )
    return f'<cookie page="{cookie.page}"{counted}>{elements}</cookie>'


def skiptoken(cookie: Cookie, order: Order, *, tracking: bool = False, records: int | None = None
              ) -> str:  # fmt: skip
    """The encoded value of ``$skiptoken`` for the page after this one."""
    inner = cookie_xml(cookie, order, records=records) if order.has_cookie else None
    return outer_cookie(cookie.page + 1, inner, tracking=tracking)


def cookie_element(page: int, inner: str | None, *, tracking: bool = False) -> str:
    """The outer cookie; the inner one stands within it, encoded twice."""
    paging_cookie = ""
    if inner is not None:
        paging_cookie = f' pagingcookie="{_lower_percent(_lower_percent(inner))}"'
    return f'<cookie pagenumber="{page}"{paging_cookie} istracking="{tracking}" />'


def outer_cookie(page: int, inner: str | None, *, tracking: bool) -> str:
    """The encoded value of ``$skiptoken`` that asks for a page, with an inner cookie or none."""
    outer = cookie_element(page, inner, tracking=tracking)
    for plain, encoded in (("<", "%3C"), (">", "%3E"), ('"', "%22"), (" ", "%20")):
        outer = outer.replace(plain, encoded)
    return outer


@dataclass(frozen=True)
class OuterCookie:
    """A ``$skiptoken`` taken apart; the inner cookie is still encoded."""

    page: int
    inner: str | None
    tracking: bool


def read_outer(text: str) -> OuterCookie:
    """Takes a decoded ``$skiptoken`` apart.

    Raises:
        DataverseFault: it can't be read.
    """
    outer = parse_cookie(_BARE_NUMBER.sub(r'\1"\2"', text.replace("&", "&amp;")))
    page, inner = outer.get("pagenumber", ""), outer.get("pagingcookie")
    # No page ends before the first one; clients that page by number alone begin with it.
    if not page.isdigit() or int(page) < (1 if inner is None else 2):
        raise invalid_cookie()
    tracking = outer.get("istracking", "").lower() == "true"
    return OuterCookie(int(page), inner, tracking)


def read_skiptoken(text: str, order: Order) -> Bookmark:
    """What a decoded ``$skiptoken`` says.

    One with a page number and no paging cookie asks for simple paging (docs page "Microsoft 365
    virtual tables" writes ``<cookie pagenumber=3 />``).

    Raises:
        DataverseFault: it can't be read, or it was made for another order.
    """
    outer = read_outer(text)
    if outer.inner is None:
        return Bookmark(outer.page, None, outer.tracking)
    return Bookmark(outer.page, read_cookie(outer.inner, order), outer.tracking)


def decoded(inner: str) -> str:
    """An inner cookie, however often encoded, as XML."""
    for _ in range(3):
        if inner.startswith("<"):
            break
        inner = unquote(inner)
    return inner


def read_cookie(text: str, order: Order) -> SortKeys:
    """The sort keys after which a page starts, from an inner cookie, however often encoded.

    Raises:
        DataverseFault: it can't be read, or it was made for another order.
    """
    elements = list(parse_cookie(decoded(text)))
    if [element.tag for element in elements] != [term.name for term in order.terms]:
        raise DataverseFault(
            400,
            COOKIE_ORDER_DIFFERS,
            "The paging cookie's order columns do not match those of the query.",
        )
    pairs = zip(order.terms, elements, strict=True)
    return tuple(_sort_key(term, element) for term, element in pairs)


def parse_cookie(text: str) -> Element:
    """A cookie's XML.

    Raises:
        DataverseFault: it is none.
    """
    try:
        return parse_xml(text)
    except XmlRefused:
        raise invalid_cookie() from None


def invalid_cookie() -> DataverseFault:
    """The fault for a cookie that can't be read."""
    return DataverseFault(400, INVALID_COOKIE, "Invalid page number in paging cookie")


def _lower_percent(text: str) -> str:
    """Percent-encoding with lower-case hexadecimal digits, as .NET's UrlEncode writes it."""
    return _HEX.sub(lambda match: match[0].lower(), quote(text, safe="-_."))


def _attribute(name: str, term: Term, value: SqlValue) -> str:
    if value is None:
        return f' {name}null="1"'
    text = _text(term, value).translate(_TO_PRIVATE)
    return f' {name}="{escape(text, _ESCAPES)}"'


def _text(term: Term, value: SqlValue) -> str:
    """A sort key as the cookie writes it."""
    column = term.column
    if column is not None and column.type in ("Uniqueidentifier", "File"):
        return "{" + _guid_of_order(str(value)).upper() + "}"
    if column is not None and column.type in EXACT_TYPES:
        return f"{exact_value(str(value)):f}"
    if column is not None and column.type == "DateTime" and isinstance(value, int):
        moment = moment_of(value).replace(tzinfo=None)
        return f"{moment.isoformat(timespec='milliseconds' if moment.microsecond else 'seconds')}Z"
    if _is_text(column):
        return str(json.loads(str(value)))
    return str(value)


def _is_text(column: Column | None) -> bool:
    """Whether a term is text: a column, or the name of a related row."""
    return column is None or column.type in TEXT_TYPES


def _sort_key(term: Term, element: Element) -> SqlValue:
    """The sort key that the cookie writes as this element."""
    if element.get("lastnull") == "1":
        return None
    text = element.get("last")
    if text is None:
        raise invalid_cookie()
    column = term.column
    if column is None or column.type in TEXT_TYPES:
        return fold(text.translate(_FROM_PRIVATE))
    try:
        if column.type in ("Uniqueidentifier", "File"):
            return guid_order(parse_guid(text))
        if column.type == "DateTime":
            return milliseconds(parse_moment(text))
        if column.type in EXACT_TYPES or column.type in INTEGER_TYPES or column.type == "Double":
            return encode(column, text)[1]
    except ValueError:
        raise invalid_cookie() from None
    return text


def _guid_of_order(order: str) -> str:
    """The GUID whose ``guid_order`` this is."""
    e, d, c, b, a = order[:12], order[12:16], order[16:20], order[20:24], order[24:]
    return f"{a[6:]}{a[4:6]}{a[2:4]}{a[:2]}-{b[2:]}{b[:2]}-{c[2:]}{c[:2]}-{d}-{e}"
