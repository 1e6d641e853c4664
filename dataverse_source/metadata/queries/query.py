"""A query that is ready to be read: its FetchXML made complete, its columns and its key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from dataverse_source.config.query_settings import QuerySettings
from dataverse_source.errors import ConfigurationError, did_you_mean
from dataverse_source.metadata.model import QUERY, Column, Table
from dataverse_source.metadata.queries.check import Checker, FindTable, Joined
from dataverse_source.metadata.queries.columns import outputs_of
from dataverse_source.metadata.queries.text import read_fetch, source_of
from dataverse_source.metadata.queries.xml import Element, Source, written

DATASOURCE = "retained"
"""Docs "Long-term data retention": a query of the archived rows, in place of the live ones."""

MOST_ROWS_OF_TOP = 5000
"""Docs "Limit results": ``top`` takes at most so many."""


@dataclass(frozen=True)
class Query:
    """A query against the metadata of an environment.

    Attributes:
        table: the query as a table of its name.
        main: the table that Dataverse is asked for.
        fetch: the element ``fetch``, without paging.
        text: the same as text; another query has another.
        origins: for each column, the table and the column that it comes from.
        is_one_page: it has ``top``, and is not paged.
        page_size: rows a page that its FetchXML asks for; None if it does not say.
    """

    table: Table
    main: Table
    fetch: Element
    text: str
    origins: Mapping[str, tuple[Table, Column]]
    is_one_page: bool
    page_size: int | None = None

    @property
    def is_of_archived_rows(self) -> bool:
        """Whether it reads what retention has archived."""
        return self.fetch.attributes.get("datasource") == DATASOURCE

    def tells_versions(self, column: str) -> bool:
        """Whether a row of the query has changed only if this column, a version, has.

        Not with columns of links, which change without it, nor where rows are not those of the
        main table; an alias may have given the name to another column.
        """
        links = (one for one in self.fetch.walk() if one.tag == "link-entity")
        of_links = any(one.all("attribute") or one.all("all-attributes") for one in links)
        merged = self.fetch.flag("aggregate") or self.fetch.flag("distinct")
        return not of_links and not merged and self.origins[column][1].name == column

    @property
    def name(self) -> str:
        """Its name."""
        return self.table.logical_name


def compiled(settings: QuerySettings, text: str, find_table: FindTable) -> Query:
    """The query of a FetchXML text.

    Args:
        settings: of the query.
        text: its FetchXML.
        find_table: finds tables.

    Raises:
        ConfigurationError: the text is wrong; says where.
    """
    source = source_of(settings)
    root = read_fetch(text, source, settings.parameters)
    page_size = _paging(root, source)
    checked = Checker(root, source, find_table)
    aggregate, distinct = root.flag("aggregate"), root.flag("distinct")
    key = () if aggregate or distinct else _key(checked)
    if key:
        _ask_for_keys(checked)
    outputs = outputs_of(checked, source, aggregate=aggregate)
    columns = {one.column.name: one.column for one in outputs}
    if settings.primary_key:
        key = _declared(settings, columns)
    if "top" not in root.attributes:
        _order(checked, root, aggregate=aggregate, distinct=distinct)
    elif not (aggregate or distinct):
        _order_by_key(checked)  # rows that are equal in the orders given come in any order
    table = Table(
        settings.name,
        settings.name,
        key[0] if key else "",
        table_type=QUERY,
        columns=tuple(
            replace(one, is_primary_id=(name,) == key[:1]) for name, one in columns.items()
        ),
        own_key=key,
    )
    origins = {one.column.name: (one.table, one.origin) for one in outputs}
    return Query(
        table,
        checked.main.table,
        root,
        written(root),
        origins,
        is_one_page="top" in root.attributes,
        page_size=page_size,
    )


def _paging(root: Element, source: Source) -> int | None:
    """Takes paging out of the text; returns the rows a page that it asks for."""
    rows_from = root.attributes.get("datasource")
    if rows_from not in (None, DATASOURCE):
        raise source.error(
            f"there is no datasource {rows_from!r}",
            root,
            f"Write {DATASOURCE!r} for the rows that retention has archived, or remove it.",
        )
    page, cookie = root.attributes.pop("page", "1"), root.attributes.pop("paging-cookie", "")
    if page.strip() != "1" or cookie:
        raise source.error(
            "it asks for one page of the rows",
            root,
            "Remove page and paging-cookie: all pages are read. For the first rows only use top.",
        )
    root.attributes.pop("returntotalrecordcount", None)
    found: dict[str, int] = {}
    for name in ("count", "top"):
        value = root.attributes.get(name)
        if value is None:
            continue
        if not value.strip().isdecimal() or not int(value):
            raise source.error(f"{name} is a number above 0, not {value!r}", root)
        found[name] = int(value)
    if found.get("top", 0) > MOST_ROWS_OF_TOP:
        raise source.error(
            f"top is at most {MOST_ROWS_OF_TOP}", root, "Remove top: then all rows are read."
        )
    root.attributes.pop("count", None)
    return found.get("count")


def _key(checked: Checker) -> tuple[str, ...]:
    """The main table's key, and the keys of the links that can be many.

    None where one of them may be missing: the databases that rows are loaded into take no empty
    keys.
    """
    many = [one for one in checked.links if one.many]
    if any(one.may_lack for one in many):
        return ()
    return (checked.main.table.primary_id, *(_key_column(one) for one in many))


def _key_column(joined: Joined) -> str:
    for one in joined.element.all("attribute"):
        if one.attributes["name"] == joined.table.primary_id and "alias" in one.attributes:
            return one.attributes["alias"].lower()
    return f"{joined.alias}_{joined.table.primary_id}".lower()


def _ask_for_keys(checked: Checker) -> None:
    """Adds the key columns that the query does not return by itself."""
    for joined in (checked.main, *(one for one in checked.links if one.many)):
        element, key = joined.element, joined.table.primary_id
        asked = element.all("attribute")
        if element.all("all-attributes") or (joined.alias is None and not asked):
            continue
        own = [one for one in asked if one.attributes["name"] == key]
        if joined.alias is None:
            own = [one for one in own if "alias" not in one.attributes]
        if not own:
            element.children.insert(0, Element("attribute", {"name": key}))


def _declared(settings: QuerySettings, columns: Mapping[str, Column]) -> tuple[str, ...]:
    for name in settings.primary_key:
        if name not in columns:
            raise ConfigurationError(
                f"Query {settings.name} has no column {name!r}, which primary_key names",
                where=f"{settings.place} primary_key",
                remedy=did_you_mean(name, columns) or f"It has: {', '.join(columns)}.",
                setting="queries",
            )
    return settings.primary_key


def _order(checked: Checker, root: Element, *, aggregate: bool, distinct: bool) -> None:
    """Gives the rows a total order, in place of the query's own.

    A table has no order, so the query's own is of no use here. Docs "Page results using FetchXml":
    pages without a total order may repeat and miss rows, and orders of links, and ``distinct``, do
    without a paging cookie.
    """
    for joined in (checked.main, *checked.links):
        element = joined.element
        element.children = [one for one in element.children if one.tag != "order"]
    if aggregate:
        root.attributes["useraworderby"] = "true"  # two choices may have one label
        for joined in (checked.main, *checked.links):
            groups = [one for one in joined.element.all("attribute") if one.flag("groupby")]
            orders = [Element("order", {"alias": one.attributes["alias"]}) for one in groups]
            joined.element.children += orders
    elif distinct:
        root.attributes["useraworderby"] = "true"
        for joined in (checked.main, *checked.links):
            for one in joined.element.all("attribute"):
                name = one.attributes["name"]
                if joined.table.column(name).type not in ("MemoType", "MultiSelectPicklistType"):
                    joined.element.children.append(Element("order", {"attribute": name}))
    else:
        _order_by_key(checked)


def _order_by_key(checked: Checker) -> None:
    """Adds orders by the main table's key, and by the keys of links that can be many.

    Rows of one row of the main table differ in the latter only. Without these orders a page would
    begin after the main row that the page before has ended with, and miss its other rows: a paging
    cookie names the main table's key alone. With them there is no cookie, so such a query is paged
    by numbers.
    """
    for joined in (checked.main, *(one for one in checked.links if one.many)):
        key, orders = joined.table.primary_id, joined.element.all("order")
        if not any(one.attributes.get("attribute") == key for one in orders):
            joined.element.children.append(Element("order", {"attribute": key}))
