"""What can be checked of an answer that the docs do not print: what its request says of it."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Collection, Iterator
from decimal import Decimal
from typing import Any
from urllib.parse import unquote

from dataverse_source.sandbox.http.messages import Response
from dataverse_source.sandbox.query.syntax.options import split_top
from tests.conformance.corner import schema
from tests.conformance.corpus import Exchange

_SET = re.compile(r"/api/data/v9\.\d/(\w+)")


def checked(
    exchange: Exchange, answer: Response, names: Collection[str] | None = None
) -> list[str]:
    """Names of what was checked of an answer; fails where the answer contradicts its request.

    Args:
        exchange: the request.
        answer: the sandbox's answer.
        names: of what the request takes, where that is known; a list is in order.
    """
    found = ["status"]
    if answer.headers.get("Content-Type", "").startswith("application/json"):
        content = json.loads(answer.body.decode("utf-8-sig"), parse_float=Decimal)
        found += _of_json(exchange.path, content)
        if names is not None:
            shown = [_name(row) for row in content["value"]]
            assert len(shown) == len(names)
            assert (shown if isinstance(names, list) else frozenset(shown)) == names
            found.append("rows")
    return found


def _of_json(path: str, content: Any) -> Iterator[str]:
    options = _options(path)
    assert "$metadata#" in content["@odata.context"]
    yield "context"
    rows = content["value"] if isinstance(content.get("value"), list) else [content]
    if not rows:
        return
    names = _columns(path, options.get("$select", ""))
    if names:
        for row in rows:
            missing = [name for name in names if name not in row]
            assert not missing, f"{missing} are selected, but not in {row}"
        yield "columns"
    if "$expand" in options:
        for part in split_top(options["$expand"], ","):
            name = part.partition("(")[0].strip()
            assert all(name in row for row in rows), f"{name} is not expanded"
        yield "expanded"
    if "$top" in options:
        assert len(rows) <= int(options["$top"])
        yield "number of rows"
    if "$orderby" in options and len(rows) > 1:
        terms = [term.split() for term in options["$orderby"].split(",")]
        assert _is_ordered(rows, terms), f"not in the order {options['$orderby']}"
        yield "order"


def _name(row: dict[str, Any]) -> str:
    names = ("name", "fullname", "SchemaName", "LogicalName")
    return next(str(row[name]) for name in names if name in row)


def _columns(path: str, select: str) -> list[str]:
    """The columns that are selected.

    A navigation property may be selected too (docs page "Query data using the Web API" does):
    in minimal metadata it shows nothing.
    """
    names = [name.strip() for name in select.split(",") if name.strip()]
    found = _SET.fullmatch(path.partition("?")[0])
    table = schema().by_entity_set.get(found[1]) if found else None
    return [name for name in names if table is None or name in table.by_wire_name]


def _is_ordered(rows: list[dict[str, Any]], terms: list[list[str]]) -> bool:
    for before, after in itertools.pairwise(rows):
        for name, *direction in terms:
            one, other = _rank(before.get(name)), _rank(after.get(name))
            if one != other:
                if (one > other) is (direction != ["desc"]):
                    return False
                break
    return True


def _rank(value: Any) -> tuple[int, Any]:
    """A value as SQL Server sorts it: nulls first, text without case."""
    if value is None:
        return (0, 0)
    return (1, value.casefold() if isinstance(value, str) else Decimal(value))


def _options(path: str) -> dict[str, str]:
    """The query options of a path, decoded, with parameter aliases in their places."""
    given = {}
    for part in filter(None, path.partition("?")[2].split("&")):
        name, _, value = unquote(part).partition("=")
        given[name] = value
    aliases = {name: value for name, value in given.items() if name.startswith("@")}
    for name, value in given.items():
        if name in ("$select", "$orderby"):
            for alias, text in aliases.items():
                value = value.replace(alias, text)
            given[name] = value
    return given
