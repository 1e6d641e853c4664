"""What FetchXML consists of: elements, kinds of links, operators (docs: "FetchXML reference")."""

from __future__ import annotations

CHILDREN: dict[str, frozenset[str]] = {
    "fetch": frozenset({"entity", "order"}),
    "entity": frozenset({"attribute", "all-attributes", "filter", "order", "link-entity"}),
    "link-entity": frozenset({"attribute", "all-attributes", "filter", "order", "link-entity"}),
    "filter": frozenset({"condition", "filter", "link-entity"}),
    "condition": frozenset({"value"}),
    "attribute": frozenset(),
    "all-attributes": frozenset(),
    "order": frozenset(),
    "value": frozenset(),
}
"""The elements that each element may contain."""

REQUIRED: dict[str, tuple[str, ...]] = {
    "entity": ("name",),
    "link-entity": ("name", "from", "to"),
    "attribute": ("name",),
    "condition": ("operator",),
}
"""The XML attributes that an element needs."""

JOINS = frozenset({"inner", "outer", "natural", "matchfirstrowusingcrossapply"})
"""Links that add columns."""

EXISTS = frozenset({"exists", "in"})
"""Links that only choose rows."""

IN_FILTERS = frozenset({"any", "not any", "all", "not all"})
"""Links within a filter."""

AGGREGATES = frozenset({"count", "countcolumn", "sum", "avg", "min", "max"})

DATE_GROUPINGS = frozenset(
    {"day", "week", "month", "quarter", "year", "fiscal-period", "fiscal-year"}
)

_PERIODS = ("hours", "days", "weeks", "months", "years", "fiscal-years", "fiscal-periods")
_AGES = ("minutes", "hours", "days", "weeks", "months", "years")

_OPERATORS = """
eq ne neq gt ge lt le like not-like in not-in between not-between null not-null
begins-with not-begin-with ends-with not-end-with contain-values not-contain-values
on on-or-before on-or-after yesterday today tomorrow
last-seven-days next-seven-days
last-week this-week next-week last-month this-month next-month last-year this-year next-year
this-fiscal-year next-fiscal-year last-fiscal-year
this-fiscal-period next-fiscal-period last-fiscal-period
in-fiscal-year in-fiscal-period in-fiscal-period-and-year
in-or-before-fiscal-period-and-year in-or-after-fiscal-period-and-year
eq-userid ne-userid eq-userteams eq-useroruserteams eq-useroruserhierarchy
eq-useroruserhierarchyandteams eq-businessid ne-businessid eq-userlanguage
above under eq-or-above eq-or-under not-under
"""

OPERATORS = frozenset(_OPERATORS.split()) | {
    *(f"last-x-{one}" for one in _PERIODS),
    *(f"next-x-{one}" for one in _PERIODS),
    *(f"olderthan-x-{one}" for one in _AGES),
}
"""Operators of conditions."""

MOST_LINKS = 15
"""Docs "Join tables using FetchXml"."""
