"""Requests whose answers the docs do not print: planted rows, and which rows are meant.

The docs' answers would hold rows of an organization of their own. Here each request meets the same
few rows, made so that it takes some and leaves others. Which it takes is worked out by hand from
the docs' words on its options, not by the sandbox.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

from dataverse_source.sandbox.schema.tables import Schema
from tests.conformance.corner import USER, Corner

ID = "00000000-0000-0000-0000-000000000001"
THIRD = "00000000-0000-0000-0000-000000000002"
OTHER = "00000000-0000-0000-0000-000000000003"
OLDER_THAN_A_MONTH = timedelta(days=40)
_KEY = "a0000000-0000-0000-0000-00000000000{}"

BY_REVENUE = ["Alpha Inc.", "Epsilon Inc.", "Delta", "Beta"]
ALL = ["Alpha Inc.", "Beta", "Gamma Inc.", "Delta", "Epsilon Inc."]
FIVE_TO_2000 = ["Beta", "Gamma Inc.", "Epsilon Inc."]
NEW = ["Alpha Inc.", "Beta", "Gamma Inc.", "Delta"]
OTHERS = ["Ada", "Bob", "Cem"]

NAMES: dict[int, list[str]] = {
    2: ["Delta"],
    4: BY_REVENUE,
    5: BY_REVENUE,
    11: ALL[:3],
    12: ["Sam Sam"],
    13: FIVE_TO_2000,
    14: ["Pat O'Bryan", "Kim OBrian"],
    15: ["Pat O'Bryan"],
    18: ["Alpha Inc.", "Beta"],
    19: ["Alpha Inc.", "Gamma Inc.", "Delta", "Epsilon Inc."],
    20: ["Alpha Inc."],
    21: ["Gamma Inc."],
    104: ALL[:3],
    106: ["Beta", "Delta", "Epsilon Inc."],
    107: ALL,
    108: FIVE_TO_2000,
    109: ["Alpha Inc.", "Beta"],
    110: ["Alpha Inc.", "Gamma Inc.", "Delta", "Epsilon Inc."],
    111: ["Alpha Inc."],
    112: ["Gamma Inc."],
    113: ["Epsilon Inc."],
    116: ["Ada", "Cem"],
    117: BY_REVENUE,
    118: BY_REVENUE,
    138: ["Active Accounts"],
    139: ALL,
    140: ALL,
    172: NEW,
    173: OTHERS,
    174: OTHERS,
    175: ["Epsilon Inc."],
    176: ["Epsilon Inc."],
    211: ["My User Query"],
}
"""Names of the rows that a request takes, by the exchange's number; in order where it asks for
one, and else by key."""


DEFINITIONS: dict[int, Callable[[Schema], Iterable[str]]] = {
    49: lambda s: (t.schema_name for t in s.tables if t.change_tracking),
    50: lambda s: (t.logical_name for t in s.tables if t.change_tracking and not t.is_custom),
    52: lambda s: (
        t.schema_name for t in s.tables if not (t.change_tracking or t.can_change_tracking)
    ),
    126: lambda s: (t.logical_name for t in s.tables if t.ownership == "UserOwned"),
    129: lambda s: _columns(s, "Picklist"),
    130: lambda s: _columns(s, "Money"),
    134: lambda s: [
        *(each.schema_name for each in s.one_to_many),
        *(each.schema_name for each in s.many_to_many),
    ],
    135: lambda s: (each.schema_name for each in s.one_to_many),
    136: lambda s: (each.schema_name for each in s.one_to_many if each.referenced == "account"),
    137: lambda s: (each.schema_name for each in s.one_to_many if each.referenced == "account"),
}
"""Names of the definitions that a request takes, by the exchange's number."""

ALL_NUMBERS = NAMES.keys() | DEFINITIONS.keys()


def wanted(corner: Corner, number: int) -> list[str] | frozenset[str] | None:
    """Names of what a request takes: in order for rows; None where they are not worked out."""
    if number in DEFINITIONS:
        return frozenset(DEFINITIONS[number](corner.store.schema))
    return NAMES.get(number)


def _columns(schema: Schema, kind: str) -> Iterable[str]:
    """Columns of accounts of a type."""
    return (c.name for c in schema.by_logical_name["account"].columns if c.type == kind)


def rows(corner: Corner) -> None:
    """Plants the rows."""
    _users(corner)
    old = corner.clock.now() - OLDER_THAN_A_MONTH
    for number, (name, revenue, employees) in enumerate(_ACCOUNTS, 1):
        values = {"accountid": _key(number), "name": name, "revenue": revenue, "statecode": 0}
        values |= {"numberofemployees": employees}
        if name == "Delta":
            values |= {"owninguser": ID, "ownerid": ID, "ownerid@table": "systemuser"}
        corner.store.create("account", values, created_on=old if number == 5 else None)
    _activities(corner)
    _contacts(corner)
    _opportunities(corner)
    query = {"name": "Active Accounts", "returnedtypecode": "account"}
    corner.store.create("savedquery", query)
    corner.store.create("savedquery", {**query, "name": "Inactive Accounts"})
    for name in ("My User Query", "Another"):
        corner.store.create("userquery", {**query, "name": name})


_ACCOUNTS: tuple[tuple[str, int | None, int], ...] = (
    ("Alpha Inc.", 50, 3),
    ("Beta", 200_000, 5),
    ("Gamma Inc.", None, 2000),
    ("Delta", 200_000, 2001),
    ("Epsilon Inc.", 100_001, 100),
)


def _users(corner: Corner) -> None:
    corner.store.create("systemuser", {"systemuserid": USER, "fullname": "The caller"})
    team = corner.store.create("team", {"name": "CITTEST"})
    other = corner.store.create("team", {"name": "Other"})
    people = {"Cem": (OTHER, team), "Ada": (ID, team), "Bob": (THIRD, other)}
    for name, (key, of_team) in people.items():
        corner.store.create("systemuser", {"systemuserid": key, "fullname": name})
        corner.store.create("teammembership", {"teamid": of_team, "systemuserid": key})


def _activities(corner: Corner) -> None:
    """An e-mail and a task of each account; Beta has a task that is open, too."""
    subjects = ("has sometext in it", "sometext", "other", "some text", "")
    for number, subject in enumerate(subjects, 1):
        about = {"regardingobjectid": _key(number), "regardingobjectid@table": "account"}
        state = {"statecode": 0 if number != 2 else 1}
        corner.store.create("email", {**about, **state, "subject": subject})
        corner.store.create("task", {**about, "statecode": 1})
    open_task = {"regardingobjectid": _key(2), "regardingobjectid@table": "account"}
    corner.store.create("task", {**open_task, "statecode": 0})


def _contacts(corner: Corner) -> None:
    """People; those of Alpha and Gamma have the same job, and an opportunity each."""
    people: tuple[tuple[str, str, int | None, str], ...] = (
        ("Sam", "Sam", 3, "good"),
        ("Pat", "O'Bryan", None, ""),
        ("Kim", "OBrian", None, ""),
        ("Lee", "Smith", 1, "N/A"),
    )
    for number, (first, last, account, description) in enumerate(people, 1):
        values: dict[str, Any] = {
            "contactid": _key(number),
            "firstname": first,
            "lastname": last,
            "fullname": f"{first} {last}",
        }
        if account is not None:
            values |= {"jobtitle": "jobtitle", "parentcustomerid": _key(account)}
            values |= {"parentcustomerid@table": "account"}
        corner.store.create("contact", values)
        if account is not None:
            customer = {"customerid": _key(number), "customerid@table": "contact"}
            corner.store.create("opportunity", {**customer, "description": description})


def _opportunities(corner: Corner) -> None:
    """Of accounts: Alpha's is small and undescribed, Gamma's is bad, Epsilon's is neither."""
    for account, budget, description in ((1, 300, None), (3, 500, "a bad one"), (5, 500, None)):
        customer = {"customerid": _key(account), "customerid@table": "account"}
        values = {"budgetamount": budget, "description": description}
        corner.store.create("opportunity", {**customer, **values})


def _key(number: int) -> str:
    return _KEY.format(number)
