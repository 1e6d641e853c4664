"""Random $filter expressions on metadata, against plain evaluation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataverse_source.sandbox.http.messages import DataverseFault
from dataverse_source.sandbox.metadata.definitions import Definitions
from dataverse_source.sandbox.metadata.filter import compile_filter
from dataverse_source.sandbox.metadata.types import KINDS, TABLE
from dataverse_source.sandbox.schema.catalog import default_schema

TABLES = [table.members for table in Definitions(default_schema()).tables]
Plain = Callable[[Mapping[str, Any]], bool]
Both = tuple[str, Plain]

MEMBERS: tuple[tuple[str, tuple[tuple[str, Any], ...]], ...] = (
    ("LogicalName", (("'account'", "account"), ("'O''Brien'", "O'Brien"), ("null", None))),
    ("EntitySetName", (("'contacts'", "contacts"), ("null", None))),
    ("IsActivity", (("true", True), ("false", False))),
    ("ObjectTypeCode", (("1", 1), ("-4", -4), ("4200", 4200))),
    (
        "OwnershipType",
        (
            ("Microsoft.Dynamics.CRM.OwnershipTypes'UserOwned'", "UserOwned"),
            ("Microsoft.Dynamics.CRM.OwnershipTypes'None'", "None"),
        ),
    ),
    ("CanCreateForms/Value", (("true", True), ("false", False))),
    ("MetadataId", ((TABLES[0]["MetadataId"].upper(), TABLES[0]["MetadataId"]),)),
)


def value_of(members: Mapping[str, Any], path: str) -> Any:
    found: Any = members
    for name in path.split("/"):
        found = found[name]
    return found


@st.composite
def comparisons(draw: st.DrawFn) -> Both:
    path, values = draw(st.sampled_from(MEMBERS))
    literal, wanted = draw(st.sampled_from(values))
    operator = draw(st.sampled_from(("eq", "ne")))
    spaces = " " * draw(st.integers(1, 3))
    text = f"{path}{spaces}{operator} {literal}"
    return text, lambda members: (value_of(members, path) == wanted) == (operator == "eq")


def joined(parts: st.SearchStrategy[Both]) -> st.SearchStrategy[Both]:
    def negate(part: Both) -> Both:
        return f"not ({part[0]})", lambda members: not part[1](members)

    def conjunction(pair: tuple[Both, Both]) -> Both:
        (left, first), (right, second) = pair
        return f"({left}) and ({right})", lambda members: first(members) and second(members)

    def without_brackets(pair: tuple[Both, Both, Both]) -> Both:
        (a, first), (b, second), (c, third) = pair
        text = f"({a}) or ({b}) and ({c})"
        return text, lambda members: first(members) or (second(members) and third(members))

    return st.one_of(
        parts.map(negate),
        st.tuples(parts, parts).map(conjunction),
        st.tuples(parts, parts, parts).map(without_brackets),
    )


@settings(max_examples=150, deadline=None)
@given(st.recursive(comparisons(), joined, max_leaves=8))
def test_filters_mean_what_they_say(expression: Both) -> None:
    text, plain = expression
    condition = compile_filter(text, KINDS[TABLE])
    assert [condition(members) for members in TABLES] == [plain(members) for members in TABLES]


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="LogicalName eq'()/and or0123.-$,", max_size=40))
def test_nonsense_is_refused_in_words(text: str) -> None:
    refused = None
    try:
        compile_filter(text, KINDS[TABLE])
    except DataverseFault as fault:
        refused = fault
    assert refused is None or (refused.status in (400, 501) and refused.message)


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("startswith(LogicalName,'a')", 501),
        ("contains(LogicalName,'a') and IsActivity eq true", 501),
        ("LogicalName in ('a')", 400),
        ("ObjectTypeCode ge 1", 501),
        ("OwnershipType eq Microsoft.Dynamics.CRM.RelationshipType'UserOwned'", 400),
        ("LogicalName eq Microsoft.Dynamics.CRM.OwnershipTypes'UserOwned'", 400),
        ("", 400),
    ],
)
def test_what_metadata_can_not_do(text: str, status: int) -> None:
    with pytest.raises(DataverseFault) as caught:
        compile_filter(text, KINDS[TABLE])
    assert caught.value.status == status
