"""Asks FetchXML of a data side, page by page as a client does."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, unquote
from xml.etree import ElementTree
from xml.sax.saxutils import quoteattr

from .reading import Reading

COOKIE = "@Microsoft.Dynamics.CRM.fetchxmlpagingcookie"
MORE = "@Microsoft.Dynamics.CRM.morerecords"
ALL = 'odata.include-annotations="*"'
PAGING = (
    'odata.include-annotations="Microsoft.Dynamics.CRM.fetchxmlpagingcookie,'
    'Microsoft.Dynamics.CRM.morerecords"'
)
FORMATTED = "@OData.Community.Display.V1.FormattedValue"
ATTRIBUTE = "@OData.Community.Display.V1.AttributeName"


def address(collection: str, xml: str, more: str = "") -> str:
    """The path and query of a FetchXML read."""
    return f"{collection}?fetchXml={quote(xml, safe='')}{more}"


def fetch(side: Reading, collection: str, xml: str, prefer: str = "", more: str = "") -> Any:
    """The parsed answer."""
    return side.json(address(collection, xml, more), prefer)


def rows(side: Reading, collection: str, xml: str, prefer: str = "") -> list[dict[str, Any]]:
    """The rows of the answer."""
    found: list[dict[str, Any]] = fetch(side, collection, xml, prefer)["value"]
    return found


def refusal(side: Reading, collection: str, xml: str, more: str = "") -> tuple[int, str, str]:
    """Status, code and message of a refusal."""
    return side.fault(address(collection, xml, more))


def inner_cookie(page: Any) -> str:
    """The paging cookie as it goes into the next request: decoded twice."""
    inner = ElementTree.fromstring(page[COOKIE]).get("pagingcookie", "")
    return unquote(unquote(inner))


def pages(side: Reading, collection: str, xml: str, size: int) -> list[list[dict[str, Any]]]:
    """All pages; ``xml`` begins with ``<fetch`` and has no paging of its own."""
    found, cookie, number = [], "", 1
    while True:
        asked = f"<fetch count='{size}' page='{number}'{cookie}{xml[len('<fetch') :]}"
        page = fetch(side, collection, asked, PAGING)
        found.append(page["value"])
        if not page.get(MORE):
            return found
        inner = inner_cookie(page)
        cookie = f" paging-cookie={quoteattr(inner)}" if inner else ""
        number += 1
