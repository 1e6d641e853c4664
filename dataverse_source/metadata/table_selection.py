"""Finds the tables that names and patterns stand for, and tells which of them can be read."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator, Sequence
from dataclasses import replace

from dataverse_source.config.log import logger
from dataverse_source.config.values import is_pattern
from dataverse_source.errors import UnknownNameError, did_you_mean
from dataverse_source.metadata.model import Table

_WHICH_NAMES = (
    "Use the entity set name (accounts) or the logical name (account). Power Apps "
    "(make.powerapps.com) shows both under Tables, Properties, Advanced. If the table exists, "
    "give the application user a role that may read it: without one, it is hidden."
)


def why_unreadable(table: Table) -> str | None:
    """Why the Web API returns no rows of a table; None if it may return some."""
    if not table.entity_set_name:
        return "it has no entity set name"
    if not table.primary_id:
        return "it has no primary key"
    return None


def why_left_out(table: Table) -> str | None:
    """Why patterns leave a table out, None if they do not; it can still be set by its name."""
    if table.is_private:
        return "it is private: for Dataverse's internal use"
    if table.kind == "virtual":
        return "it is virtual: its rows are in another system, which every query is sent to"
    return why_unreadable(table)


def find_table(name: str, tables: Sequence[Table]) -> Table:
    """The table with this entity set name or logical name.

    An exact match wins over one in another case, an entity set name over a logical name.

    Raises:
        UnknownNameError: there is no such table, or it cannot be queried.
    """
    found = _find(name, tables) or _find(name.lower(), [_lowered(one) for one in tables])
    if found is None:
        raise UnknownNameError(
            f"The environment has no table {name!r}, or the application user cannot see it",
            remedy=did_you_mean(name, _names(tables)) or _WHICH_NAMES,
        )
    table = next(one for one in tables if one.logical_name.lower() == found.lower())
    reason = why_unreadable(table)
    if reason:
        raise UnknownNameError(
            f"Table {table.logical_name!r} cannot be queried: {reason}",
            remedy="Remove it from tables.",
        )
    return table


def select_tables(
    names: Sequence[str], tables: Sequence[Table], exclude: Sequence[str] = ()
) -> tuple[Table, ...]:
    """The tables that names and patterns stand for, each once.

    They are in the order of ``names``; those of one pattern are sorted by entity set name.

    Args:
        names: entity set names, logical names, or patterns of either with ``*``, ``?`` and
            ``[...]`` (see `fnmatch`), in any case.
        tables: all tables of the environment.
        exclude: names and patterns of tables that patterns do not stand for.

    Raises:
        UnknownNameError: a name that `find_table` refuses, or a pattern that matches no table
            that can be read.
    """
    chosen: dict[str, Table] = {}
    named = {find_table(one, tables).logical_name for one in names if not is_pattern(one)}
    for name in names:
        if is_pattern(name):
            found = _matching(name, tables, named, exclude)
        else:
            found = [find_table(name, tables)]
        for table in found:
            chosen.setdefault(table.logical_name, table)
    return tuple(chosen.values())


def _matching(
    pattern: str, tables: Sequence[Table], named: set[str], exclude: Sequence[str]
) -> list[Table]:
    """The tables that a pattern stands for; logs which it leaves out, and why."""
    matches = [table for table in tables if matches_pattern(table, pattern)]
    reasons = {
        table.logical_name: _excluded(table, exclude) or why_left_out(table) for table in matches
    }
    chosen = [table for table in matches if not reasons[table.logical_name]]
    for name, reason in reasons.items():
        if reason and name not in named:
            logger.info("The pattern %r leaves out %r: %s", pattern, name, reason)
    if chosen:
        return sorted(chosen, key=lambda table: str(table.entity_set_name))
    if matches:
        left_out = "; ".join(f"{name}: {reason}" for name, reason in sorted(reasons.items()))
        raise UnknownNameError(
            f"The pattern {pattern!r} matches no table that can be read",
            why=left_out,
            remedy="Write the name of a private or virtual table into tables to have it read.",
        )
    raise UnknownNameError(
        f"The environment has no table like {pattern!r}, or the application user cannot see it",
        remedy=_nearest(pattern, tables) or _WHICH_NAMES,
    )


def _excluded(table: Table, exclude: Sequence[str]) -> str | None:
    found = next((one for one in exclude if matches_pattern(table, one)), None)
    return f"exclude names it ({found})" if found else None


def unknown_exclusions(exclude: Sequence[str], tables: Sequence[Table]) -> dict[str, str]:
    """The entries of ``exclude`` that match no table, each with a hint (or an empty string)."""
    unused = (one for one in exclude if not any(matches_pattern(table, one) for table in tables))
    return {name: did_you_mean(name, _names(tables)) for name in unused}


def matches_pattern(table: Table, pattern: str) -> bool:
    """Whether one of the table's names matches the pattern (see `fnmatch`), in any case."""
    names = filter(None, (table.entity_set_name, table.logical_name))
    return any(fnmatch.fnmatchcase(name.lower(), pattern.lower()) for name in names)


def _nearest(pattern: str, tables: Sequence[Table]) -> str:
    """Suggests names that are like the pattern without its wildcards."""
    bare = pattern.translate({ord(sign): None for sign in "*?[]!"})
    by_prefix = sorted({f"{one.logical_name.partition('_')[0]}_*" for one in tables
                        if "_" in one.logical_name})  # fmt: skip
    return did_you_mean(pattern, by_prefix) or did_you_mean(bare, _names(tables))


def _find(name: str, tables: Sequence[Table]) -> str | None:
    """Logical name of the table called ``name``; entity set names are compared first."""
    by_set = (one.logical_name for one in tables if one.entity_set_name == name)
    by_logical = (one.logical_name for one in tables if one.logical_name == name)
    return next(by_set, None) or next(by_logical, None)


def _lowered(table: Table) -> Table:
    set_name = table.entity_set_name.lower() if table.entity_set_name else None
    return replace(table, logical_name=table.logical_name.lower(), entity_set_name=set_name)


def _names(tables: Sequence[Table]) -> list[str]:
    def every() -> Iterator[str | None]:
        for one in tables:
            yield one.entity_set_name
            yield one.logical_name

    return sorted(set(filter(None, every())))
