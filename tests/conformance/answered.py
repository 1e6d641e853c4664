"""What can be checked of an answer that the docs do not print: what its request says of it."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any
from urllib.parse import unquote

from dataverse_source.sandbox.http.messages import Response
from dataverse_source.sandbox.query.syntax.options import split_top
from tests.conformance.corpus import Exchange


def checked(exchange: Exchange, answer: Response) -> list[str]:
    """Names of what was checked of an answer; fails where the answer contradicts its request."""
    found = ["status"]
    if answer.headers.get("Content-Type", "").startswith("application/json"):
        content = json.loads(answer.body.decode("utf-8-sig"), parse_float=Decimal)
        found += _of_json(exchange.path, content)
    return found


def _of_json(path: str, content: Any) -> Iterator[str]:
    options = _options(path)
    assert "$metadata#" in content["@odata.context"]
    yield "context"
    rows = content["value"] if isinstance(content.get("value"), list) else [content]
    if not rows:
        return
    names = [name.strip() for name in options.get("$select", "").split(",") if name.strip()]
    if names:
        for row in rows:
            missing = [name for name in names if not _has(row, name)]
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


def _has(row: dict[str, Any], name: str) -> bool:
    """Whether a row has a column, or the lookup behind a navigation property."""
    return name in row or f"_{name}_value" in row


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
