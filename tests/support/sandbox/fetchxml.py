"""Asks FetchXML of a data side, page by page as a client does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from typing import Any
from urllib.parse import quote, unquote
from xml.etree import ElementTree
from xml.sax.saxutils import quoteattr

from tests.support.sandbox.reading import Reading, reading

COOKIE = "@Microsoft.Dynamics.CRM.fetchxmlpagingcookie"
MORE = "@Microsoft.Dynamics.CRM.morerecords"
ALL = 'odata.include-annotations="*"'
PAGING = (
    'odata.include-annotations="Microsoft.Dynamics.CRM.fetchxmlpagingcookie,'
    'Microsoft.Dynamics.CRM.morerecords"'
)
FORMATTED = "@OData.Community.Display.V1.FormattedValue"
ATTRIBUTE = "@OData.Community.Display.V1.AttributeName"


MADE_ON = datetime(2024, 8, 27, 15, 30, tzinfo=timezone.utc)
MAKERS = {"Acme": 10, "Bolt": 20, "Cog": None}
WIDGETS: tuple[tuple[Any, ...], ...] = (
    # name, count, price, color, maker, ready
    ("anvil", 5, "10.5", 1, "Acme", True),
    ("Bellows", 7, "0.25", 2, "Acme", False),
    ("clamp", None, "100", None, "Bolt", None),
    ("drill", 7, None, 1, None, True),
)
EVERY = {"anvil", "Bellows", "clamp", "drill"}
LINK = "<link-entity name='new_maker' from='new_makerid' to='new_makerid' {}>{}</link-entity>"


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


@contextmanager
def widgets() -> Iterator[Reading]:
    """A data side with four widgets and three makers."""
    with reading() as side:
        store = side.store
        makers = {
            name: store.create("new_maker", {"new_name": name, "new_size": size})
            for name, size in MAKERS.items()
        }
        for name, count, price, color, maker, ready in WIDGETS:
            store.create(
                "new_widget",
                {
                    "new_name": name,
                    "new_count": count,
                    "new_price": price,
                    "new_color": color,
                    "new_makerid": makers.get(maker),
                    "new_buyerid": makers["Cog"],
                    "new_ready": ready,
                    "new_madeon": MADE_ON,
                    "new_tags": "5,7" if name == "anvil" else None,
                },
            )
        yield side


def entity(
    inside: str = "", attributes: str = "<attribute name='new_name'/>", head: str = ""
) -> str:
    """A query for widgets."""
    return f"<fetch {head}><entity name='new_widget'>{attributes}{inside}</entity></fetch>"


def condition(text: str) -> str:
    return f"<filter><condition {text}/></filter>"
