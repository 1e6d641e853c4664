"""The checks of answers that the docs do not print can fail."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import replace
from typing import Any

import pytest

from dataverse_source.sandbox.http.messages import Response
from tests.conformance.answered import checked
from tests.conformance.corpus import Exchange
from tests.conformance.summary import Row, totals

CONTEXT = {"@odata.context": "https://contoso.example/api/data/v9.2/$metadata#accounts"}
ASKED = Exchange(1, "page", "GET", "", {}, "", None, {}, "", None, False)


def told(path: str, *rows: dict[str, Any]) -> list[str]:
    body = json.dumps({**CONTEXT, "value": rows}).encode()
    answer = Response(200, body, {"Content-Type": "application/json; odata.metadata=minimal"})
    return checked(replace(ASKED, path=path), answer)


def test_what_was_checked() -> None:
    path = "/api/data/v9.2/accounts?$select=name,revenue&$orderby=@p1 desc&$top=2&@p1=revenue"
    rows = {"name": "b", "revenue": 10.0}, {"name": "a", "revenue": None}
    assert told(path, *rows) == ["status", "context", "columns", "number of rows", "order"]
    assert told(path) == ["status", "context"]
    assert checked(ASKED, Response(200, b"x", {"Content-Type": "text/plain"})) == ["status"]


@pytest.mark.parametrize(
    ("options", "rows"),
    [
        ("$select=name,revenue", [{"name": "a"}]),
        ("$top=1", [{"name": "a"}, {"name": "b"}]),
        ("$orderby=name", [{"name": "b"}, {"name": "a"}]),
        ("$orderby=name desc", [{"name": "a"}, {"name": "b"}]),
        ("$orderby=name,revenue", [{"name": "a", "revenue": 2}, {"name": "A", "revenue": 1}]),
        ("$expand=tasks($select=subject)", [{"name": "a"}]),
    ],
)
def test_an_answer_that_contradicts_its_request(options: str, rows: list[dict[str, Any]]) -> None:
    with pytest.raises(AssertionError):
        told(f"/api/data/v9.2/accounts?{options}", *rows)


def test_the_totals_tell_what_was_hardly_checked() -> None:
    rows = [
        Row(1, "a", "same", "status, body", ""),
        Row(2, "b", "answered", "status, columns", ""),
        Row(3, "c", "answered", "status", ""),
        Row(4, "d", "answered", "status, context, rows", ""),
    ]
    assert totals(rows) == (
        "3 answered, 1 same, of the answered ones 1 were compared by row, 1 were checked in "
        "nothing but their status"
    )


@pytest.mark.parametrize("names", [["b", "a"], ["a"], frozenset({"a", "c"})])
def test_rows_that_the_request_does_not_take(names: Collection[str]) -> None:
    body = json.dumps({**CONTEXT, "value": [{"name": "a"}, {"name": "b"}]}).encode()
    answer = Response(200, body, {"Content-Type": "application/json; odata.metadata=minimal"})
    assert checked(ASKED, answer, ["a", "b"])[-1] == "rows"
    with pytest.raises(AssertionError):
        checked(ASKED, answer, names)
