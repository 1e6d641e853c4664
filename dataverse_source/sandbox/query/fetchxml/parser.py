"""Parses FetchXML into small immutable dataclasses that say what the XML said."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from dataverse_source.sandbox.http.messages import DataverseFault
from dataverse_source.sandbox.schema.safe_xml import XmlRefused, parse_xml

INVALID_ARGUMENT = "0x80040203"
NO_ENTITY = "0x80041102"
NO_ATTRIBUTE = "0x80041103"
BAD_CONDITION = "0x80041106"
INVALID_ALIAS = "0x80041109"
UNKNOWN_ALIAS = "0x8004110A"
NO_ALIAS = "0x8004110B"
NOT_POSITIVE = "0x8004110C"
INVALID_LINK_TYPE = "0x80041117"
TOO_MANY_LINKS = "0x8004430D"
"""QueryBuilder... and their relatives (docs page "Web service error codes")."""

MAX_LINKS = 15
"""Docs page "Join tables using FetchXml"."""

ROW_LINKS = frozenset({"inner", "outer", "natural", "matchfirstrowusingcrossapply"})
WHERE_LINKS = frozenset({"exists", "in"})
FILTER_LINKS = frozenset({"any", "not any", "all", "not all"})
"""Kinds of links: those that add columns, those that only restrict, those within a filter."""


@dataclass(frozen=True)
class Condition:
    """``<condition>``; ``value_of`` is the other column of a comparison of two columns."""

    attribute: str
    operator: str
    values: tuple[str, ...] = ()
    entity: str | None = None
    value_of: str | None = None


@dataclass(frozen=True)
class Filter:
    """``<filter>``: its items are joined by ``and`` or ``or``."""

    kind: str
    items: tuple[Condition | Filter | Link, ...]


@dataclass(frozen=True)
class Attribute:
    """``<attribute>``: a column to return, or in an aggregate query what to compute of it."""

    name: str
    alias: str | None = None
    aggregate: str | None = None
    group_by: bool = False
    date_grouping: str | None = None
    distinct: bool = False


@dataclass(frozen=True)
class Sort:
    """``<order>``: by a column, or in an aggregate query by an alias."""

    attribute: str | None
    alias: str | None
    entity: str | None
    descending: bool


@dataclass(frozen=True)
class Entity:
    """What ``<entity>`` and ``<link-entity>`` have in common."""

    name: str
    attributes: tuple[Attribute, ...] = ()
    all_attributes: bool = False
    filters: tuple[Filter, ...] = ()
    sorts: tuple[Sort, ...] = ()
    links: tuple[Link, ...] = ()


@dataclass(frozen=True)
class Link:
    """``<link-entity>``: ``near`` is the outer table's column, ``far`` the linked table's."""

    entity: Entity
    near: str
    far: str
    kind: str = "inner"
    alias: str | None = None


@dataclass(frozen=True)
class Fetch:
    """``<fetch>``.

    Attributes:
        entity: the table that is read.
        top: the most rows; None without it.
        count: rows of a page; None without it.
        page: number of the page, from 1; None without it.
        cookie: text of the paging cookie, None without one.
        total: the total number of rows is asked for.
        raw_order: choices are sorted by value, not by label.
        aggregate_limit: rows that an aggregate query may see.
        retained: it reads the rows that retention has archived.
    """

    entity: Entity
    aggregate: bool = False
    distinct: bool = False
    top: int | None = None
    count: int | None = None
    page: int | None = None
    cookie: str | None = None
    total: bool = False
    raw_order: bool = False
    aggregate_limit: int | None = None
    retained: bool = False


def refused(message: str, code: str = INVALID_ARGUMENT) -> DataverseFault:
    """The fault for FetchXML that can't be answered."""
    return DataverseFault(400, code, message)


def not_there(what: str) -> DataverseFault:
    """The fault for what the sandbox lacks."""
    return DataverseFault(501, "0x8006088a", f"The sandbox has no {what} yet.")


def parse_fetch(text: str) -> Fetch:
    """What a FetchXML text asks for.

    Raises:
        DataverseFault: it is not well formed, or has an element or a value it may not have.
    """
    try:
        root = parse_xml(text.strip())
    except XmlRefused as error:
        raise refused(f"Invalid XML. {error}") from None
    if root.tag != "fetch":
        raise refused(f"Invalid FetchXML: the root element is '{root.tag}', not 'fetch'.")
    entities = [child for child in root if child.tag == "entity"]
    if len(entities) != 1 or len(root) != 1:
        raise refused("Invalid FetchXML: 'fetch' takes exactly one 'entity' element.")
    source = root.get("datasource")
    if source and source != "retained":
        raise not_there(f"datasource='{source}'")
    fetch = Fetch(
        entity=_entity(entities[0]),
        aggregate=_flag(root, "aggregate"),
        distinct=_flag(root, "distinct"),
        top=_positive(root, "top"),
        count=_positive(root, "count"),
        page=_positive(root, "page"),
        cookie=root.get("paging-cookie") or None,
        total=_flag(root, "returntotalrecordcount"),
        raw_order=_flag(root, "useraworderby"),
        aggregate_limit=_positive(root, "aggregatelimit"),
        retained=bool(source),
    )
    if fetch.top is not None and (fetch.page or fetch.count or fetch.total):
        raise refused(
            "The top attribute can't be specified with paging attribute page, count or "
            "returntotalrecordcount."
        )
    if sum(1 for _ in all_links(fetch.entity)) > MAX_LINKS:
        message = "Number of link entities in query exceeded maximum limit."
        raise refused(message, TOO_MANY_LINKS)
    return fetch


def all_links(entity: Entity) -> Iterator[Link]:
    """Every link below an entity, in the order of the text, those in filters included."""
    for filter_ in entity.filters:
        yield from _links_in(filter_)
    for link in entity.links:
        yield link
        yield from all_links(link.entity)


def _links_in(filter_: Filter) -> Iterator[Link]:
    for item in filter_.items:
        if isinstance(item, Filter):
            yield from _links_in(item)
        elif isinstance(item, Link):
            yield item
            yield from all_links(item.entity)


def _entity(element: Element) -> Entity:
    known = {"attribute", "all-attributes", "filter", "order", "link-entity"}
    unknown = next((child.tag for child in element if child.tag not in known), None)
    if unknown is not None:
        raise refused(f"Invalid FetchXML: '{element.tag}' has no child element '{unknown}'.")
    return Entity(
        name=_required(element, "name"),
        attributes=tuple(_attribute(child) for child in element.findall("attribute")),
        all_attributes=element.find("all-attributes") is not None,
        filters=tuple(_filter(child) for child in element.findall("filter")),
        sorts=tuple(_sort(child) for child in element.findall("order")),
        links=tuple(
            _link(child, ROW_LINKS | WHERE_LINKS) for child in element.findall("link-entity")
        ),
    )


def _link(element: Element, kinds: frozenset[str]) -> Link:
    kind = element.get("link-type", "inner")
    if kind not in kinds:
        raise refused(f"Invalid link-type specified: '{kind}'.", INVALID_LINK_TYPE)
    if element.get("from") is None or element.get("to") is None:
        raise not_there("link-entity without from and to")
    near, far = _required(element, "to"), _required(element, "from")
    return Link(_entity(element), near, far, kind, element.get("alias"))


def _attribute(element: Element) -> Attribute:
    if element.get("rowaggregate"):
        raise not_there("rowaggregate")
    return Attribute(
        name=_required(element, "name"),
        alias=element.get("alias"),
        aggregate=element.get("aggregate"),
        group_by=_flag(element, "groupby"),
        date_grouping=element.get("dategrouping"),
        distinct=_flag(element, "distinct"),
    )


def _sort(element: Element) -> Sort:
    if element.get("attribute") is None and element.get("alias") is None:
        raise refused("Invalid FetchXML: 'order' needs an 'attribute' or an 'alias'.")
    return Sort(
        element.get("attribute"),
        element.get("alias"),
        element.get("entityname"),
        _flag(element, "descending"),
    )


def _filter(element: Element) -> Filter:
    kind = element.get("type", "and")
    if kind not in ("and", "or"):
        raise refused(f"Invalid FetchXML: a filter's type is 'and' or 'or', not '{kind}'.")
    items: list[Condition | Filter | Link] = []
    for child in element:
        if child.tag == "condition":
            items.append(_condition(child))
        elif child.tag == "filter":
            items.append(_filter(child))
        elif child.tag == "link-entity":
            items.append(_link(child, FILTER_LINKS))
        else:
            raise refused(f"Invalid FetchXML: 'filter' has no child element '{child.tag}'.")
    return Filter(kind, tuple(items))


def _condition(element: Element) -> Condition:
    values = tuple(child.text or "" for child in element.findall("value"))
    single = element.get("value")
    if single is not None:
        values = (single, *values)
    return Condition(
        attribute=_required(element, "attribute"),
        operator=_required(element, "operator"),
        values=values,
        entity=element.get("entityname"),
        value_of=element.get("valueof"),
    )


def _required(element: Element, name: str) -> str:
    text = element.get(name)
    if not text:
        raise refused(f"Invalid FetchXML: '{element.tag}' needs the attribute '{name}'.")
    return text


def _flag(element: Element, name: str) -> bool:
    text = element.get(name, "false").lower()
    if text not in ("true", "false", "1", "0"):
        raise refused(f"Invalid FetchXML: '{name}' is true or false, not '{text}'.")
    return text in ("true", "1")


def _positive(element: Element, name: str) -> int | None:
    text = element.get(name)
    if text is None:
        return None
    if not text.strip().isdecimal() or int(text) < 1:
        raise refused(f"The value '{text}' of '{name}' must be greater than 0.", NOT_POSITIVE)
    return int(text)
