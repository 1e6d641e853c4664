"""FetchXML of several forms, and what each has to return, in Python."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from typing import Any

KINDS = ("one_inner", "one_outer", "many_inner", "many_outer", "distinct", "groups", "all", "top")
WITH_CONTACTS = ("one_inner", "one_outer", "many_inner", "many_outer")
COLUMNS = '<attribute name="name"/><attribute name="revenue"/>'
ACCOUNT = '<attribute name="name" alias="n"/><attribute name="revenue"/>'


def link(name: str, from_: str, to: str, kind: str, inner: str) -> str:
    """A link-entity with the alias x."""
    return (
        f'<link-entity name="{name}" from="{from_}" to="{to}" alias="x" link-type="{kind}">'
        f"{inner}</link-entity>"
    )


def text_of(kind: str) -> str:
    """The FetchXML of a kind of query."""
    how = kind.partition("_")[2]
    if kind.startswith("one"):
        inner = link("account", "accountid", "parentcustomerid", how, ACCOUNT)
        return f'<fetch><entity name="contact"><attribute name="lastname"/>{inner}</entity></fetch>'
    if kind.startswith("many"):
        inner = link(
            "contact", "parentcustomerid", "accountid", how, '<attribute name="lastname"/>'
        )
        return f'<fetch><entity name="account">{COLUMNS}{inner}</entity></fetch>'
    if kind == "distinct":
        return f'<fetch distinct="1"><entity name="account">{COLUMNS}</entity></fetch>'
    if kind == "groups":
        inner = (
            '<attribute name="industrycode" alias="i" groupby="true"/>'
            '<attribute name="revenue" alias="total" aggregate="sum"/>'
            '<attribute name="accountid" alias="members" aggregate="count"/>'
        )
        return f'<fetch aggregate="true"><entity name="account">{inner}</entity></fetch>'
    top = ' top="3"' if kind == "top" else ""
    order = '<order attribute="name"/>'
    return f'<fetch{top}><entity name="account">{COLUMNS}{order}</entity></fetch>'


def expected(kind: str, accounts: list[dict[str, Any]], contacts: list[dict[str, Any]]) -> Any:
    """What the query has to return: (columns, rows)."""
    by_key = {row["accountid"]: row for row in accounts}
    nobody: dict[str, Any] = {}
    if kind.startswith("one"):
        pairs = [(row, by_key.get(row["parentcustomerid"], nobody)) for row in contacts]
        pairs = [one for one in pairs if one[1] or kind.endswith("outer")]
        return ("contactid", "lastname", "n", "x_revenue"), [
            (row["contactid"], row["lastname"], other.get("name"), other.get("revenue"))
            for row, other in pairs
        ]
    if kind.startswith("many"):
        below = defaultdict(list)
        for row in contacts:
            below[row["parentcustomerid"]].append(row["lastname"])
        found = []
        for row in accounts:
            others = below.get(row["accountid"], [None] if kind.endswith("outer") else [])
            found += [(row["name"], row["revenue"], other) for other in others]
        return ("name", "revenue", "x_lastname"), found
    if kind == "distinct":
        told = {(folded(row["name"]), row["revenue"]) for row in accounts}
        return ("name", "revenue"), list(told)
    if kind == "groups":
        groups = defaultdict(list)
        for row in accounts:
            groups[row["industrycode"]].append(row["revenue"])
        return ("i", "members", "total"), [
            (industry, len(some), _sum([one for one in some if one is not None]))
            for industry, some in groups.items()
        ]
    return ("accountid", "name", "revenue"), [
        (row["accountid"], row["name"], row["revenue"]) for row in accounts
    ]


def _sum(values: list[Any]) -> Decimal | None:
    return sum(map(Decimal, values)) if values else None  # type: ignore[return-value]


def folded(text: str | None) -> str | None:
    """A text as the sandbox's comparisons see it."""
    return None if text is None else text.casefold()
