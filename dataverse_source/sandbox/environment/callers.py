"""The caller: the user that a request acts as, and what its security roles allow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, get_args

Depth = Literal["user", "business_unit", "parent_child", "organization"]
DEPTHS: tuple[Depth, ...] = get_args(Depth)
"""Depths of a privilege, the lowest first: own rows, those of the business unit, those of it and
the units below, all."""
ALL_TABLES = "*"
Unmasked = Literal["never", "single", "all"]
"""Reads that may show a masked column in clear: none, those of one row, all."""


@dataclass(frozen=True, kw_only=True)
class Rights:
    """What a user's security roles and field security profiles allow.

    Attributes:
        organization_read: read privileges have organization depth unless ``read_depths`` says
            otherwise; change tracking needs it. False: parent_child depth.
        read_depths: depth of the read privilege by logical name of the table, ``*`` for all
            others.
        readable_tables: logical names of the tables that the user may read; None for all.
        may_write: the user may create, update and delete rows.
        may_impersonate: the user has prvActOnBehalfOfAnotherUser.
        readable_columns: secured columns that the user may read besides those that rows of
            fieldpermission allow: ``<table>.<column>``.
        unmasked_columns: those that ``UnMaskedData=true`` shows in clear.
    """

    organization_read: bool = True
    read_depths: Mapping[str, Depth] = field(default_factory=dict, hash=False)
    readable_tables: frozenset[str] | None = None
    may_write: bool = True
    may_impersonate: bool = True
    readable_columns: frozenset[str] = frozenset()
    unmasked_columns: Mapping[str, Unmasked] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        for depth in self.read_depths.values():
            if depth not in DEPTHS:
                raise ValueError(f"Set a depth to one of {', '.join(DEPTHS)}, not {depth!r}.")

    def may_read(self, logical_name: str) -> bool:
        """Whether the user may read rows of a table."""
        return self.readable_tables is None or logical_name in self.readable_tables

    def read_depth(self, logical_name: str) -> Depth:
        """Depth of the read privilege on a table whose rows have owners."""
        default: Depth = "organization" if self.organization_read else "parent_child"
        others = self.read_depths.get(ALL_TABLES, default)
        return self.read_depths.get(logical_name, others)

    def as_options(self) -> dict[str, Any]:
        """The rights alone, as keyword arguments."""
        return {one.name: getattr(self, one.name) for one in fields(Rights)}


@dataclass(frozen=True)
class Caller(Rights):
    """The user that a request acts as: that of its token, or one that it impersonates.

    Attributes:
        user_id: systemuserid, lower case.
        client_id: application id of the app registration.
        object_id: object id of its service principal in Entra.
        actual_user_id: the user of the token, where it acts for another one.
    """

    user_id: str
    client_id: str
    object_id: str = ""
    actual_user_id: str | None = None

    def acting_for(self, user_id: str, rights: Rights) -> Caller:
        """The caller acting for another user, with what both users may do."""
        return replace(self, user_id=user_id, actual_user_id=self.user_id, **_both(self, rights))


def _both(one: Rights, other: Rights) -> dict[str, Any]:
    """What both users may do."""
    tables = one.readable_tables, other.readable_tables
    both_tables = (
        (tables[1] if tables[0] is None else tables[0])
        if None in tables
        else frozenset.intersection(*(each for each in tables if each is not None))
    )
    named = {*one.read_depths, *other.read_depths, ALL_TABLES}
    return {
        "organization_read": one.organization_read and other.organization_read,
        "read_depths": {
            name: min(one.read_depth(name), other.read_depth(name), key=DEPTHS.index)
            for name in named
        },
        "readable_tables": both_tables,
        "may_write": one.may_write and other.may_write,
        "readable_columns": one.readable_columns & other.readable_columns,
        "unmasked_columns": {
            name: how
            for name, how in one.unmasked_columns.items()
            if other.unmasked_columns.get(name) == how
        },
    }
