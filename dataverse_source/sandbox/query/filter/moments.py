"""Comparisons of date-time columns with constants, at the resolution that filters see."""

from __future__ import annotations

from dataverse_source.sandbox.query.filter.scope import Scope
from dataverse_source.sandbox.query.syntax.odata import Literal, bad_query
from dataverse_source.sandbox.schema.tables import Column
from dataverse_source.sandbox.store.values import milliseconds

SECOND = 1000
DAY = 86_400 * SECOND


def compare_moment(key: str, column: Column, value: Literal, sign: str, scope: Scope) -> str:
    """SQL of ``column sign value``; the key is in milliseconds.

    Rows print whole seconds. Whether a filter sees the milliseconds beneath, no document
    says: the switch ``modified_on_resolution`` decides.

    Raises:
        DataverseFault: a fraction of a second where the switch refuses one.
    """
    setting = scope.environment.switches.modified_on_resolution
    moment = milliseconds(value.value)
    if setting == "fraction_refused" and value.value.microsecond:
        raise bad_query(
            f"Cannot convert the literal '{value.value.isoformat()}' to the expected type "
            "'Edm.DateTimeOffset'."
        )
    if column.date_behavior == "DateOnly":
        return _at_resolution(key, sign, moment, DAY, scope)
    step = 1 if setting == "hidden_milliseconds" else SECOND
    return _at_resolution(key, sign, moment, step, scope)


def _at_resolution(key: str, sign: str, moment: int, step: int, scope: Scope) -> str:
    """Compares ``key`` rounded down to ``step``, as a condition on the key itself."""
    floor = moment // step * step
    ceiling = -(-moment // step) * step
    if sign in ("eq", "ne"):
        low, high = scope.add(floor), scope.add(floor + step)
        same = f"({key} >= {low} AND {key} < {high})" if floor == moment else "0"
        return f"coalesce({same}, 0)" if sign == "eq" else f"(NOT coalesce({same}, 0))"
    bound = {
        "gt": (">=", floor + step),
        "ge": (">=", ceiling),
        "lt": ("<", ceiling),
        "le": ("<", floor + step),
    }[sign]
    return f"coalesce({key} {bound[0]} {scope.add(bound[1])}, 0)"
