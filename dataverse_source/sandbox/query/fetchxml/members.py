"""The members of an aggregate FetchXML query: groups and functions, checked."""

from __future__ import annotations

from dataclasses import dataclass

from dataverse_source.sandbox.query.fetchxml.columns import Output
from dataverse_source.sandbox.query.fetchxml.conditions import column_named
from dataverse_source.sandbox.query.fetchxml.joins import Joined, Joins
from dataverse_source.sandbox.query.fetchxml.parser import NO_ALIAS, Attribute, not_there, refused
from dataverse_source.sandbox.schema.tables import Column
from dataverse_source.sandbox.store.values import EXACT_TYPES

FUNCTIONS = frozenset({"count", "countcolumn", "sum", "avg", "min", "max"})
DATE_PARTS = ("day", "week", "month", "quarter", "year")
FISCAL_PARTS = ("fiscal-period", "fiscal-year")
NUMBERS = EXACT_TYPES | {"Integer", "BigInt", "Double"}


@dataclass(frozen=True)
class Member:
    """One member of an aggregate row: what it is computed of, and how."""

    attribute: Attribute
    output: Output

    @property
    def column(self) -> Column:
        """The column that it is computed of."""
        return self.output.column

    @property
    def name(self) -> str:
        """Its alias."""
        return self.output.name


def read_members(joins: Joins) -> tuple[Member, ...]:
    """What an aggregate query computes.

    Raises:
        DataverseFault: a column without an alias or a function, or an unknown one.
    """
    members: list[Member] = []
    for joined in (joins.root, *joins.links):
        if joined.entity.all_attributes:
            raise refused("An aggregate query can't return all attributes.")
        for attribute in joined.entity.attributes:
            members.append(_member(attribute, joined, joined is not joins.root))
    if not members:
        raise refused("An aggregate query needs at least one attribute.")
    if len({member.name for member in members}) < len(members):
        raise refused("The aliases of an aggregate query must be unique.", NO_ALIAS)
    return tuple(members)


def _member(attribute: Attribute, joined: Joined, linked: bool) -> Member:
    column = column_named(joined.scope.table, attribute.name)
    if not attribute.alias:
        message = f"The attribute '{attribute.name}' of an aggregate query needs an alias."
        raise refused(message, NO_ALIAS)
    if attribute.group_by == (attribute.aggregate is not None):
        raise refused(
            f"The attribute '{attribute.name}' of an aggregate query needs either groupby or "
            "aggregate."
        )
    if attribute.aggregate is not None:
        _check_function(attribute, column)
    elif attribute.date_grouping is not None or column.type == "DateTime":
        _check_grouping(attribute, column)
    return Member(attribute, Output(attribute.alias, column, joined.scope, True, linked))


def _check_function(attribute: Attribute, column: Column) -> None:
    function = attribute.aggregate
    if function not in FUNCTIONS:
        raise refused(f"The aggregate function '{function}' is not known.")
    if function in ("sum", "avg") and column.type not in NUMBERS:
        raise refused(f"The function '{function}' does not take the column '{column.name}'.")
    if function in ("min", "max") and column.type not in NUMBERS | {"DateTime"}:
        raise refused(f"The function '{function}' does not take the column '{column.name}'.")


def _check_grouping(attribute: Attribute, column: Column) -> None:
    part = attribute.date_grouping
    if column.type != "DateTime":
        raise refused(f"dategrouping is for dates, and '{column.name}' is none.")
    if part in FISCAL_PARTS:
        raise not_there(f"dategrouping='{part}'")
    if part not in DATE_PARTS:
        raise refused(f"The date column '{column.name}' can't be grouped by '{part}'.")
