"""``$expand``: takes it apart and refuses what Dataverse refuses."""

from __future__ import annotations

import re
from dataclasses import dataclass

from dataverse_source.sandbox.http.messages import DataverseFault
from dataverse_source.sandbox.query.filter.relationships import (
    Associated,
    Navigation,
    Single,
    navigation,
)
from dataverse_source.sandbox.query.filter.scope import unknown_property
from dataverse_source.sandbox.query.rows.rows import Selection, read_select
from dataverse_source.sandbox.query.syntax.odata import bad_query
from dataverse_source.sandbox.query.syntax.options import split_top
from dataverse_source.sandbox.schema.tables import Schema, Table

MAX_EXPANSIONS = 15
"""Docs page "Join tables": a query can have no more ``$expand`` options."""

REFERENCE_OF_MANY = "Expand with $ref is only supported on lookup type navigation property."
SELECT_AND_FILTER_ONLY = (
    "Only $select and $filter clause can be provided while doing $expand on many-to-one "
    "relationship or nested one-to-many relationship."
)
NOT_NESTED = (
    "The navigation property '{}' cannot be expanded. Only many-to-one relationships are "
    "supported for nested expansion."
)
NO_OPTIONS = (
    "Missing expand option on navigation property '{}'. If a parenthesis expression follows an "
    "expanded navigation property, then at least one expand option must be provided."
)
SUPPORTED = frozenset({"$select", "$filter", "$orderby", "$top", "$expand"})
_ITEM = re.compile(r"([^/()\s]+)\s*(/\$ref)?\s*(?:\((.*)\))?", re.DOTALL)


@dataclass(frozen=True)
class Expansion:
    """One navigation property to expand.

    Attributes:
        step: what the navigation property stands for.
        table: the table that it leads to (the first one, for ``ownerid``).
        selection: columns of the related rows.
        options: decoded options in parentheses, by name.
        raw: the options as text, for next links.
        children: expansions within.
        reference: only the related row's URL is asked for (``/$ref``).
    """

    step: Navigation
    table: Table
    selection: Selection
    options: dict[str, str]
    raw: str
    children: tuple[Expansion, ...]
    reference: bool

    @property
    def is_nested(self) -> bool:
        """Whether anything is expanded within it."""
        return bool(self.children)


def read_expand(text: str | None, table: Table, schema: Schema) -> tuple[Expansion, ...]:
    """The expansions of a decoded ``$expand``.

    Raises:
        DataverseFault: an unknown property, or a combination that Dataverse refuses.
    """
    if text is None:
        return ()
    found = _read(text, table, schema)
    if _count(found) > MAX_EXPANSIONS:
        raise bad_query(
            f"The number of $expand options in the query exceeds the limit of {MAX_EXPANSIONS}."
        )
    nested = any(expansion.is_nested for expansion in found)
    for expansion in found:
        _check(expansion, nested)
    return found


def _read(text: str, table: Table, schema: Schema) -> tuple[Expansion, ...]:
    items = [item.strip() for item in split_top(text, ",")]
    return tuple(_read_item(item, table, schema) for item in items if item)


def _read_item(item: str, table: Table, schema: Schema) -> Expansion:
    match = _ITEM.fullmatch(item)
    if match is None:
        raise bad_query(f"Term '{item}' is not valid in a $select or $expand expression.")
    name, reference, inside = match.groups()
    step = navigation(schema, table, name)
    if step is None:
        _refuse_lacking(table, name, schema)
        raise unknown_property(table, name)
    if inside is not None and not inside.strip():
        raise bad_query(NO_OPTIONS.format(name))
    target = step.targets[0] if isinstance(step, Single) else step.table
    options: dict[str, str] = {}
    for part in split_top(inside or "", ";"):
        option, _, value = part.strip().partition("=")
        option = option.strip()
        if not option:
            continue
        if option not in SUPPORTED:
            raise bad_query(f"Found an unsupported query option '{option}' in $expand.")
        options[option] = value.strip()
    return Expansion(
        step=step,
        table=target,
        selection=read_select(options.get("$select"), target, schema),
        options=options,
        raw="&".join(part.strip() for part in split_top(inside or "", ";") if part.strip()),
        children=_read(options["$expand"], target, schema) if "$expand" in options else (),
        reference=reference is not None,
    )


def _refuse_lacking(table: Table, name: str, schema: Schema) -> None:
    """Refuses a lookup that leads only to tables of Dataverse which the sandbox has not."""
    column = table.by_name.get(name.lower())
    targets = column.targets if column is not None else ()
    if targets and not any(target in schema.by_logical_name for target in targets):
        message = f"The sandbox has no table {targets[0]} yet: '{name}' can't be expanded."
        raise DataverseFault(501, "0x8006088a", message)


def _count(expansions: tuple[Expansion, ...]) -> int:
    return sum(1 + _count(expansion.children) for expansion in expansions)


def _check(expansion: Expansion, nested: bool) -> None:
    """Refuses what the docs page "Join tables" says is refused."""
    single = isinstance(expansion.step, Single)
    if expansion.reference and not single:
        raise bad_query(REFERENCE_OF_MANY)
    if (single or nested) and expansion.options.keys() & {"$orderby", "$top"}:
        raise bad_query(SELECT_AND_FILTER_ONLY)
    if expansion.is_nested and isinstance(expansion.step, Associated):
        raise bad_query(NOT_NESTED.format(expansion.step.name))
    for child in expansion.children:
        if isinstance(child.step, Associated):
            raise bad_query(NOT_NESTED.format(child.step.name))
        _check(child, nested=True)


def context_of(selection: Selection, expansions: tuple[Expansion, ...]) -> str:
    """What the context says of the columns: ``(name,primarycontactid(fullname))``."""
    parts = list(selection.asked)
    for expansion in expansions:
        name = expansion.step.name
        if expansion.reference:
            parts += [name, f"{name}/$ref()"]
        else:
            inner = context_of(expansion.selection, expansion.children)
            parts.append(f"{name}{inner or '()'}")
    return f"({','.join(parts)})" if parts else ""
