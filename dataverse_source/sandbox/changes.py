"""Changes to a running sandbox as JSON objects, for the control port and its hooks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timezone
from typing import Any

from dataverse_source.sandbox.controlled import Controlled
from dataverse_source.sandbox.environment import profiles
from dataverse_source.sandbox.schema import schema_changes
from dataverse_source.sandbox.schema.tables import Column, Option, Schema
from dataverse_source.sandbox.writes import upkeep

Change = Mapping[str, Any]


def apply(sandbox: Controlled, changes: Iterable[Change]) -> list[Any]:
    """Applies changes in order.

    Each is an object whose first name says what it does:

    ``{"create": "account", "values": {...}}`` (also ``created_on``, ``modified_on``), the
    result is the new row's key; ``{"update": "account", "key": "...", "values": {...}}`` (also
    ``modified_on``, ``touch``); ``{"delete": "account", "key": "..."}`` (also ``in_bulk``);
    ``{"retain": "account", "key": "..."}``: retention archives the row;
    ``{"reserve": "version"}``, the result is a version number for a later ``create`` or
    ``update`` with ``version``; ``{"merge": "account", "kept": "...", "merged": "..."}``;
    ``{"recalculate": "account", "key": "...", "values": {...}}`` (rollup columns);
    ``{"seed": "account", "count": 10, "number": 2}``;
    ``{"add_column": "account", "column": {"name": "new_x", "type": "Integer"}}`` (also
    ``known_to``: numbers of the web servers that know it at once),
    ``{"spread_columns": true}``: now all know it;
    ``{"change_column": "account", "name": "new_x", "column": {"type": "BigInt"}}``;
    ``{"remove_column": "account", "name": "new_x"}``;
    ``{"change_table": "account", "table": {"change_tracking": false}}``;
    ``{"remove_table": "account"}``; ``{"back_up": "monday"}``; ``{"restore": "monday"}``;
    ``{"copy_over": {"rows": {"account": 80}, "seed": 7}}`` (also ``first_version``,
    ``organization_id``); ``{"reset": true}``; ``{"administration_mode": true}``;
    ``{"advance": 60}`` (seconds, result is the new time);
    ``{"secure": "account", "column": "telephone1"}`` (also ``secured``: false);
    ``{"grant": "account", "column": "telephone1", "user": "<systemuserid>"}`` (also ``unmasked``:
    0, 1 or 3), the result is the key of the row of fieldpermission; ``{"mask": "account",
    "column": "telephone1", "expression": "[0-9]"}`` (also ``character``), the result is the key
    of the row of attributemaskingrule;
    ``{"switch": {"gzip": "never"}}``; ``{"user": "<client id>", "values": {"enabled": false}}``.

    Returns:
        One result for each change; None where there is none.

    Raises:
        ValueError: an unknown change, or one that can't be done.
        LookupError: a row or user that is not there.
    """
    return [_apply_one(sandbox, change) for change in changes]


def check(changes: Iterable[Change]) -> None:
    """Refuses unknown changes.

    Raises:
        ValueError: an unknown change.
    """
    for change in changes:
        _kind(change)


def _kind(change: Change) -> str:
    for name in change:
        if name in _KINDS:
            return name
    raise ValueError(
        f"{dict(change)} is not a known change. Begin with one of: {', '.join(_KINDS)}."
    )


def _apply_one(sandbox: Controlled, change: Change) -> Any:
    kind = _kind(change)
    return _KINDS[kind](sandbox, change[kind], change)


def _create(sandbox: Controlled, table: str, change: Change) -> str:
    return sandbox.store.create(
        table,
        change.get("values", {}),
        created_on=_moment(change.get("created_on")),
        modified_on=_moment(change.get("modified_on")),
        version=change.get("version"),
    )


def _update(sandbox: Controlled, table: str, change: Change) -> None:
    sandbox.store.update(
        table,
        _needed(change, "key"),
        change.get("values", {}),
        modified_on=_moment(change.get("modified_on")),
        touch=change.get("touch", True),
        version=change.get("version"),
    )


def _delete(sandbox: Controlled, table: str, change: Change) -> None:
    in_bulk = bool(change.get("in_bulk", False))
    sandbox.store.delete(table, _needed(change, "key"), in_bulk=in_bulk)


def _retain(sandbox: Controlled, table: str, change: Change) -> None:
    sandbox.store.retain(table, _needed(change, "key"))


def _reserve(sandbox: Controlled, _what: str, _change: Change) -> int:
    return sandbox.store.reserve_version()


def _merge(sandbox: Controlled, table: str, change: Change) -> None:
    upkeep.merge(sandbox.environment, table, _needed(change, "kept"), _needed(change, "merged"))


def _recalculate(sandbox: Controlled, table: str, change: Change) -> None:
    key, values = _needed(change, "key"), _needed(change, "values")
    upkeep.recalculate(sandbox.environment, table, key, values)


def _seed(sandbox: Controlled, table: str, change: Change) -> None:
    sandbox.store.seed(table, int(_needed(change, "count")), int(change.get("number", 2)))


def _add_column(sandbox: Controlled, table: str, change: Change) -> None:
    column = Column(**_column(_needed(change, "column")))
    sandbox.add_column(table, column, known_to=change.get("known_to"))


def _change_column(sandbox: Controlled, table: str, change: Change) -> None:
    name, changed = _needed(change, "name"), _column(_needed(change, "column"))
    _change_schema(
        sandbox,
        lambda schema: schema_changes.with_column_changed(schema, table, name, **changed),
    )


def _remove_column(sandbox: Controlled, table: str, change: Change) -> None:
    name = _needed(change, "name")
    _change_schema(sandbox, lambda schema: schema_changes.without_column(schema, table, name))


def _change_table(sandbox: Controlled, table: str, change: Change) -> None:
    changed = _needed(change, "table")
    _change_schema(
        sandbox, lambda schema: schema_changes.with_table_changed(schema, table, **changed)
    )


def _remove_table(sandbox: Controlled, table: str, _change: Change) -> None:
    _change_schema(sandbox, lambda schema: schema_changes.without_table(schema, table))


def _spread_columns(sandbox: Controlled, _what: Any, _change: Change) -> None:
    sandbox.spread_columns()


def _back_up(sandbox: Controlled, name: str, _change: Change) -> None:
    sandbox.back_up(name)


def _restore(sandbox: Controlled, name: str, _change: Change) -> None:
    sandbox.restore(name)


def _copy_over(sandbox: Controlled, options: Mapping[str, Any], _change: Change) -> None:
    unknown = options.keys() - {"rows", "seed", "first_version", "organization_id"}
    if unknown:
        raise ValueError(f"copy_over takes no {', '.join(sorted(unknown))}.")
    sandbox.copy_over(**options)


def _reset(sandbox: Controlled, _what: Any, _change: Change) -> None:
    sandbox.reset()


def _administration_mode(sandbox: Controlled, is_on: bool, _change: Change) -> None:
    sandbox.administration_mode = bool(is_on)


def _advance(sandbox: Controlled, seconds: float, _change: Change) -> str:
    return sandbox.clock.advance(float(seconds)).isoformat()


def _secure(sandbox: Controlled, table: str, change: Change) -> None:
    profiles.secure_column(
        sandbox.environment, table, _needed(change, "column"), bool(change.get("secured", True))
    )


def _grant(sandbox: Controlled, table: str, change: Change) -> str:
    return profiles.grant_column(
        sandbox.environment,
        _needed(change, "user"),
        table,
        _needed(change, "column"),
        unmasked=int(change.get("unmasked", 0)),
    )


def _mask(sandbox: Controlled, table: str, change: Change) -> str:
    return profiles.mask_column(
        sandbox.environment,
        table,
        _needed(change, "column"),
        _needed(change, "expression"),
        change.get("character", "*"),
    )


def _switch(sandbox: Controlled, settings: Mapping[str, Any], _change: Change) -> None:
    sandbox.switches = sandbox.switches.changed(**settings)


def _user(sandbox: Controlled, client_id: str, change: Change) -> None:
    sandbox.users.change(client_id, **rights_of(_needed(change, "values")))


_KINDS: dict[str, Callable[[Controlled, Any, Change], Any]] = {
    "create": _create,
    "update": _update,
    "delete": _delete,
    "retain": _retain,
    "reserve": _reserve,
    "merge": _merge,
    "recalculate": _recalculate,
    "seed": _seed,
    "add_column": _add_column,
    "change_column": _change_column,
    "remove_column": _remove_column,
    "change_table": _change_table,
    "remove_table": _remove_table,
    "spread_columns": _spread_columns,
    "back_up": _back_up,
    "restore": _restore,
    "copy_over": _copy_over,
    "reset": _reset,
    "administration_mode": _administration_mode,
    "secure": _secure,
    "grant": _grant,
    "mask": _mask,
    "advance": _advance,
    "switch": _switch,
    "user": _user,
}


def _change_schema(sandbox: Controlled, change: Callable[[Schema], Schema]) -> None:
    sandbox.store.change_schema(change(sandbox.store.schema))


def rights_of(values: Mapping[str, Any]) -> dict[str, Any]:
    """Rights as ``users.ApplicationUser`` takes them, from JSON."""
    rights = dict(values)
    for name in ("readable_tables", "readable_columns"):
        if rights.get(name) is not None:
            rights[name] = frozenset(rights[name])
    return rights


def _needed(change: Change, name: str) -> Any:
    if name not in change:
        raise ValueError(f"The change {dict(change)} needs {name!r}.")
    return change[name]


def _column(properties: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(properties)
    if "targets" in found:
        found["targets"] = tuple(found["targets"])
    if "options" in found:
        found["options"] = tuple(Option(**option) for option in found["options"])
    return found


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
