"""The settings of queries: ``[sources.dataverse.queries.<name>]``, a TOML table for each."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, time
from typing import Any

from dataverse_source.config import values
from dataverse_source.config.problems import Problems
from dataverse_source.config.setting_names import SECTION
from dataverse_source.config.table_settings import TableSettings
from dataverse_source.config.values import MAX_PAGE_SIZE, Kind, is_pattern
from dataverse_source.errors import ConfigurationError, did_you_mean

RETAINED = "_retained"
"""What the names of tables for archived rows end with."""

FORMS = ("fetchxml", "fetchxml_file", "view")
"""Settings of which each query has one: they say what it reads."""

OWN: Mapping[str, tuple[Kind, str]] = {
    "fetchxml": (values.text("FetchXML as text"), "the query as FetchXML"),
    "fetchxml_file": (
        values.text("the path of a file with FetchXML"),
        "file with the FetchXML; a relative path starts at the project's folder",
    ),
    "table": (
        values.text("the name of a table"),
        "table of the `view`: entity set name or logical name",
    ),
    "view": (
        values.text("the name or the id of a view"),
        "name or id of a system view or a personal view, whose FetchXML is read at every run",
    ),
    "parameters": (
        Kind("a table of values", values.mapping_in),
        "values for `{name}` in the FetchXML's values",
    ),
    "primary_key": (
        values.names("a list of column names"),
        "columns that tell the rows apart; by default the keys of the query's tables",
    ),
    "page_size": (
        values.whole(1, MAX_PAGE_SIZE),
        f"rows per page, at most {MAX_PAGE_SIZE}",
    ),
    "labels": (values.FLAG, "as for tables"),
    "sync": (
        values.one_of("full"),
        "`full`, the only mode of queries: every run reads and replaces all rows",
    ),
}
"""What a query's settings may hold, and their documentation."""

_INHERITED = ("labels", "page_size", "table_format", "text_lengths", "max_deletes")
"""Settings of all tables that hold for queries, too."""

_NAME = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True)
class QuerySettings:
    """The settings of one query.

    Attributes:
        name: of the query: of its resource, and of its table in the destination.
        fetchxml: its text; None if it is in a file or a view.
        fetchxml_file: path of the file.
        table: of the view.
        view: its name or id.
        parameters: values by name.
        primary_key: columns that tell rows apart; empty: found from the links of the query.
        rows: how its rows are read and written.
        retained: it reads the archived rows of ``table``.
        table_settings: of single tables; those of ``table`` choose the columns of archived rows.
    """

    name: str
    fetchxml: str | None = None
    fetchxml_file: str | None = None
    table: str | None = None
    view: str | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)
    primary_key: tuple[str, ...] = ()
    rows: TableSettings = field(default_factory=TableSettings)
    retained: bool = False
    table_settings: Mapping[str, TableSettings] = field(default_factory=dict)

    @property
    def place(self) -> str:
        """Where messages say that it is set."""
        if self.retained:
            return f"[{SECTION}] retained"
        return f"[{SECTION}.queries.{self.name}]"


Read = Callable[[str, Any, Kind], Any]
"""Reads the value of a setting (full name, value, kind); raises ConfigurationError."""


def query_settings(
    given: Mapping[str, Any],
    defaults: TableSettings,
    read: Read,
    problems: Problems,
) -> dict[str, QuerySettings]:
    """The settings of all queries; problems are noted, and such queries are left out.

    Args:
        given: settings by query.
        defaults: the settings of all tables.
        read: reads one value.
        problems: takes what is wrong.
    """
    found: dict[str, QuerySettings] = {}
    for name, own in given.items():
        with problems.noted():
            found[name] = _one_query(name, own, defaults, read)
    return found


def _one_query(name: str, own: Any, defaults: TableSettings, read: Read) -> QuerySettings:
    place = f"[{SECTION}.queries.{name}]"
    if not _NAME.fullmatch(name):
        raise _wrong(
            place,
            f"A query cannot be called {name!r}",
            "Its table has this name: use lower-case letters, digits and _, and begin with a "
            "letter.",
        )
    if not isinstance(own, Mapping):
        raise _wrong(
            place,
            f"The query {name} is no table of settings",
            'Give it fetchxml, fetchxml_file, or table and view: view = "Open Deals".',
        )
    values_: dict[str, Any] = {}
    for key, value in own.items():
        if key not in OWN:
            remedy = did_you_mean(key, OWN) or f"Known settings: {', '.join(sorted(OWN))}."
            raise _wrong(f"{place} {key}", f"Unknown setting queries.{name}.{key}", remedy)
        if key == "sync" and value in ("cursor", "changes"):
            raise _wrong(
                f"{place} sync",
                f"The query {name} can't use sync = {value!r}: Dataverse does not say which rows "
                "of a query have changed; a joined row may change without the row it is joined to",
                "Remove sync: every run reads the query in full. For changes only, load the table "
                "itself (tables), with a filter (table_settings), and join in the destination.",
            )
        if value is not None:
            values_[key] = read(f"queries.{name}.{key}", value, OWN[key][0])
    given = [form for form in FORMS if form in values_]
    if len(given) != 1 or ("table" in values_) != ("view" in values_):
        shown = " and ".join(given) or "none of them"
        if ("table" in values_) != ("view" in values_):
            shown = "table without view" if "table" in values_ else "view without table"
        raise _wrong(
            place,
            f"The query {name} needs one of fetchxml, fetchxml_file, or table and view; it has "
            f"{shown}",
            "Write the FetchXML, its file, or the table and the name of a view.",
        )
    rows = TableSettings(**{one: getattr(defaults, one) for one in _INHERITED})
    of_rows = {one: values_.pop(one) for one in ("page_size", "labels") if one in values_}
    values_.pop("sync", None)
    if "parameters" in values_:
        values_["parameters"] = _parameters(place, values_["parameters"])
    return QuerySettings(name, **values_, rows=replace(rows, sync="full", **of_rows))


def retained_queries(
    names: Sequence[str],
    defaults: TableSettings,
    of_tables: Mapping[str, TableSettings],
    queries: Mapping[str, QuerySettings],
    problems: Problems,
) -> dict[str, QuerySettings]:
    """A query for the archived rows of each table; problems are noted, and such are left out.

    Args:
        names: of the tables.
        defaults: the settings of all tables.
        of_tables: those of single tables.
        queries: the configured ones.
        problems: takes what is wrong.
    """
    found: dict[str, QuerySettings] = {}
    for table in names:
        name = f"{table}{RETAINED}"
        with problems.noted():
            if is_pattern(table):
                raise ConfigurationError(
                    f"retained has the pattern {table!r}",
                    where=f"[{SECTION}] retained",
                    remedy="Name each table: few tables are set up for retention.",
                    setting="retained",
                )
            if name in queries:
                raise _wrong(
                    f"[{SECTION}.queries.{name}]",
                    f"The query {name} is called like the table for the archived rows of {table}",
                    "Give the query another name.",
                )
            own = of_tables.get(table, defaults)
            rows = TableSettings(**{one: getattr(own, one) for one in _INHERITED})
            found[name] = QuerySettings(
                name,
                table=table,
                rows=replace(rows, sync="full"),
                retained=True,
                table_settings=of_tables,
            )
    return found


def _parameters(place: str, given: Mapping[str, Any]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in given.items():
        if isinstance(value, (date, time)):
            value = value.isoformat()
        if isinstance(value, bool) or not isinstance(value, (str, int, float)):
            raise _wrong(
                f"{place} parameters",
                f"The parameter {name} is neither text, a number nor a date",
                'Give it a value such as "2026-01-31".',
            )
        found[name] = str(value)
    return found


def _wrong(where: str, what: str, remedy: str) -> ConfigurationError:
    return ConfigurationError(what, where=where, remedy=remedy, setting="queries")
