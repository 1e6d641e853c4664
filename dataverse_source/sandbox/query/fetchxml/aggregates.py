"""Aggregate FetchXML: from the query's attributes to the rows of the answer, in order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from dataverse_source.sandbox.query.collection.aggregates import (
    RECORD_LIMIT,
    Cell,
    Figure,
    aggregate,
    figure,
    json_row,
    rank,
)
from dataverse_source.sandbox.query.fetchxml.columns import ATTRIBUTE_NAME
from dataverse_source.sandbox.query.fetchxml.joins import Joins
from dataverse_source.sandbox.query.fetchxml.members import Member
from dataverse_source.sandbox.query.fetchxml.parser import UNKNOWN_ALIAS, Fetch, Sort, refused
from dataverse_source.sandbox.query.filter.comparisons import place
from dataverse_source.sandbox.query.syntax.odata import Path
from dataverse_source.sandbox.query.syntax.preferences import NAVIGATION_PROPERTY, Preferences
from dataverse_source.sandbox.store.values import json_text


def aggregate_rows(
    fetch: Fetch, joins: Joins, members: Sequence[Member], preferences: Preferences
) -> list[bytes]:
    """The rows of an aggregate query as JSON texts, in order.

    Raises:
        DataverseFault: more rows match than may be aggregated, or an order of no alias.
    """
    figures = [_figure(member, preferences) for member in members]
    limit = min(fetch.aggregate_limit or RECORD_LIMIT, RECORD_LIMIT)
    source = f"{joins.from_sql} WHERE {joins.where}"
    rows = aggregate(figures, joins.root.scope, source, limit)
    _sort(rows, fetch, joins, figures)
    return [json_row(figures, row).encode() for row in rows]


def _figure(member: Member, preferences: Preferences) -> Figure:
    attribute, output = member.attribute, member.output
    found = place(Path((output.column.wire_name,)), output.scope)
    made = figure(member.name, attribute.aggregate, found, preferences)
    wanted = preferences.wants(ATTRIBUTE_NAME)
    return replace(
        made,
        notes=tuple(note for note in made.notes if note[0] != NAVIGATION_PROPERTY),
        constants={ATTRIBUTE_NAME: json_text(output.column.name)} if wanted else {},
        part=attribute.date_grouping,
        zone=output.scope.zone if output.column.date_behavior == "UserLocal" else None,
        distinct=attribute.distinct,
    )


def _sort(rows: list[list[Cell]], fetch: Fetch, joins: Joins, figures: Sequence[Figure]) -> None:
    """Sorts rows by the aliases of the query's orders, else by their groups."""
    sorts = [sort for joined in (joins.root, *joins.links) for sort in joined.entity.sorts]
    if not sorts:
        groups = (each for each in figures if each.method is None)
        sorts = [Sort(None, each.name, None, False) for each in groups]
    places = {each.name: at for at, each in enumerate(figures)}
    for sort in reversed(sorts):
        at = places.get(sort.alias or "")
        if at is None:
            name = sort.alias or sort.attribute
            message = f"No attribute of the aggregate query has the alias '{name}'."
            raise refused(message, UNKNOWN_ALIAS)
        keyed = [(rank(row[at], by_label=not fetch.raw_order), row) for row in rows]
        keyed.sort(key=lambda pair: pair[0], reverse=sort.descending)
        rows[:] = [row for _, row in keyed]
