"""Query options on metadata: ``$select``, ``$filter`` and ``$expand`` with options of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote_plus

from dataverse_source.sandbox.http.messages import DataverseFault
from dataverse_source.sandbox.metadata.filter import Condition, compile_filter
from dataverse_source.sandbox.metadata.types import KINDS, Kind, check_member

SUPPORTED = ("$select", "$filter", "$expand", "$count")


@dataclass(frozen=True)
class Query:
    """What is asked of one type of items.

    Attributes:
        select: the properties asked for, in order; None for all.
        condition: which items are wanted; None for all.
        expand: the navigation properties to follow, with a query each.
        count: the number of items is asked for.
    """

    select: tuple[str, ...] | None = None
    condition: Condition | None = None
    expand: Mapping[str, Query] = field(default_factory=dict)
    count: bool = False

    def context(self) -> str:
        """The part of ``@odata.context`` that names what was selected and expanded."""
        parts = list(self.select or ())
        for name, query in self.expand.items():
            inner = query.context()
            parts = [part for part in parts if part != name]
            parts.append(f"{name}{inner or '()'}")
        return f"({','.join(parts)})" if parts else ""


def split(text: str, separator: str) -> Iterator[str]:
    """The parts of ``text`` between separators that stand outside quotes and parentheses."""
    depth, quoted, start = 0, False, 0
    for position, character in enumerate(text):
        if character == "'":
            quoted = not quoted
        elif quoted:
            continue
        elif character == "(":
            depth += 1
        elif character == ")":
            depth -= 1
        elif character == separator and depth == 0:
            yield text[start:position]
            start = position + 1
    yield text[start:]


def options(query_string: str) -> dict[str, str]:
    """The query options of a request by name, decoded; a repeated option is refused.

    Raises:
        DataverseFault: 400 when an option comes twice.
    """
    found: dict[str, str] = {}
    for pair in filter(None, query_string.split("&")):
        raw_name, _, value = pair.partition("=")
        name = unquote_plus(raw_name)
        if name in found:
            message = f"Query option '{name}' was specified more than once, but it must be once."
            raise DataverseFault(400, "0x80060888", message)
        found[name] = unquote_plus(value)
    return found


def compile_query(given: Mapping[str, str], kind: Kind) -> Query:
    """A query on items of one type.

    Raises:
        DataverseFault: 400 for an unknown property, bad syntax or an option that metadata does
            not have.
    """
    for name in given:
        if name.startswith("$") and name not in SUPPORTED:
            message = f"The query parameter {name} is not supported"
            raise DataverseFault(400, "0x80060888", message)
    selected = _selected(given.get("$select"), kind)
    expand = {}
    for part in split(given.get("$expand", ""), ","):
        if part.strip():
            name, query = _expanded(part.strip(), kind)
            expand[name] = query
    text = given.get("$filter")
    condition = compile_filter(text, kind) if text is not None else None
    return Query(selected, condition, expand, given.get("$count") == "true")


def _selected(text: str | None, kind: Kind) -> tuple[str, ...] | None:
    if text is None:
        return None
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    if "*" in names:
        return None
    for name in names:
        check_member(kind, name)
    return names


def _expanded(part: str, kind: Kind) -> tuple[str, Query]:
    name, bracket, rest = part.partition("(")
    if name not in kind.navigation:
        check_member(kind, name)
        message = (
            f"Property '{name}' on type '{kind.full_name}' is not a navigation property or "
            "complex property. Only navigation properties can be expanded."
        )
        raise DataverseFault(400, "0x80060888", message)
    if bracket and not rest.endswith(")"):
        message = f"Found an unbalanced bracket expression in '{part}'."
        raise DataverseFault(400, "0x80060888", message)
    given = {}
    for option in filter(None, split(rest[:-1], ";")):
        option_name, _, value = option.partition("=")
        given[option_name.strip()] = value
    return name, compile_query(given, KINDS[kind.navigation[name].kind])
