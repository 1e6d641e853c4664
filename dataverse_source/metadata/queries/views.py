"""Finds the FetchXML of a view: of the system (savedqueries), or of a user (userqueries).

Docs "Retrieve and execute predefined queries". Personal views are those that the application user
owns, or that are shared with it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from dataverse_source.config.log import logger
from dataverse_source.config.query_settings import QuerySettings
from dataverse_source.errors import (
    ConfigurationError,
    NotFoundError,
    ResponseError,
    did_you_mean,
)
from dataverse_source.metadata.literals import text_literal
from dataverse_source.metadata.model import Table

_SETS = {"savedqueries": "savedqueryid", "userqueries": "userqueryid"}
_GUID = re.compile(r"\{?([0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})\}?")


class Client(Protocol):
    """What reads views."""

    def get_json(self, path: str, query: Mapping[str, str] | None = None) -> dict[str, Any]:
        """The answer to one request."""
        ...


@dataclass(frozen=True)
class View:
    """A stored query."""

    id: str
    name: str
    fetchxml: str | None


def view_text(client: Client, settings: QuerySettings, table: Table) -> str:
    """The FetchXML of the view that a query names.

    Args:
        client: reads views.
        settings: of the query; with ``view``.
        table: that the view is of.

    Raises:
        ConfigurationError: there is no such view, or there are several.
        DataverseError: views cannot be read.
    """
    wanted = str(settings.view)
    found_id = _GUID.fullmatch(wanted)
    views = _views(client, table, "savedqueries")
    views += _personal(client, table)
    if found_id is not None:
        found = [one for one in views if one.id.lower() == found_id[1].lower()]
    else:
        found = [one for one in views if one.name == wanted]
        found = found or [one for one in views if one.name.lower() == wanted.lower()]
    where = f"{settings.place} view"
    if not found:
        known = sorted({one.name for one in views})
        near = did_you_mean(wanted, known)
        listed = ", ".join(map(repr, known[:10]))
        raise ConfigurationError(
            f"Query {settings.name}: the table {table.logical_name} has no view {wanted!r} that "
            "the application user can see",
            where=where,
            remedy=near
            or f"Its views: {listed or 'none'}. Personal views have to be shared with "
            "the application user.",
            setting="queries",
        )
    if len(found) > 1:
        ids = ", ".join(one.id for one in found)
        raise ConfigurationError(
            f"Query {settings.name}: {len(found)} views of the table {table.logical_name} are "
            f"called {wanted!r}",
            where=where,
            remedy=f"Write the id of one of them in place of its name: {ids}.",
            setting="queries",
        )
    if not found[0].fetchxml:
        raise ConfigurationError(
            f"Query {settings.name}: the view {wanted!r} has no FetchXML",
            where=where,
            remedy="Choose another view, or write the query as fetchxml.",
            setting="queries",
        )
    return found[0].fetchxml


def _views(client: Client, table: Table, name: str) -> list[View]:
    key = _SETS[name]
    found: list[View] = []
    answer = client.get_json(
        name,
        {
            "$select": f"{key},name,fetchxml",
            "$filter": f"returnedtypecode eq {text_literal(table.logical_name)}",
        },
    )
    for one in answer.get("value", ()):
        found.append(View(str(one[key]), str(one.get("name") or ""), one.get("fetchxml")))
    return found


def _personal(client: Client, table: Table) -> list[View]:
    """The personal views; none if the user may read none."""
    try:
        return _views(client, table, "userqueries")
    except ResponseError as error:
        if error.status not in (403, 404) and not isinstance(error, NotFoundError):
            raise
        logger.info("Personal views cannot be read: %s", error)
        return []
