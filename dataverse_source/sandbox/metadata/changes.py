"""RetrieveMetadataChanges: any part of the metadata, or its changes since a stamp."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

from dataverse_source.sandbox.http.messages import DataverseFault
from dataverse_source.sandbox.metadata.column_definitions import OWN_MEMBERS, SIMPLE
from dataverse_source.sandbox.metadata.definitions import Definitions
from dataverse_source.sandbox.metadata.expression import (
    RELATIONSHIP_SETS,
    Expression,
    Selection,
    parse_expression,
)
from dataverse_source.sandbox.metadata.history import (
    ALL_DELETED,
    DELETED_FILTERS,
    Difference,
    History,
)
from dataverse_source.sandbox.metadata.query import split
from dataverse_source.sandbox.metadata.relationship_definitions import (
    KEY,
    MANY_TO_MANY,
    ONE_TO_MANY,
)
from dataverse_source.sandbox.metadata.shapes import Item
from dataverse_source.sandbox.metadata.types import KINDS, NAMESPACE, TABLE

PARAMETERS = ("Query", "ClientVersionStamp", "DeletedMetadataFilters")
STAMP = re.compile(r"(?P<version>\d+)!(?P<time>\d\d/\d\d/\d{4} \d\d:\d\d:\d\d)")
STAMP_TIME = "%m/%d/%Y %H:%M:%S"
# Docs page "Cache schema data": Organization.ExpireSubscriptionsInDays, 90 by default.
STAMP_LIFE = timedelta(days=90)
# The complex types of this function: choices of all kinds share one.
ENUMS = ("EntityName", "MultiSelectPicklist", "Picklist", "State", "Status")

_COLUMNS = frozenset({"OptionSet", *KINDS[SIMPLE].members}).union(*OWN_MEMBERS.values())
KNOWN = {
    "tables": KINDS[TABLE].members | frozenset(KINDS[TABLE].navigation),
    "columns": _COLUMNS,
    "relationships": KINDS[ONE_TO_MANY].members | KINDS[MANY_TO_MANY].members,
    "keys": KINDS[KEY].members,
}


class MetadataChanges:
    """Answers the function, and remembers the metadata that it gave stamps for."""

    def __init__(self) -> None:
        self._history = History()

    def answer(
        self,
        definitions: Definitions,
        version: int,
        now: datetime,
        call: str,
        options: Mapping[str, str],
    ) -> dict[str, Any]:
        """The members of the function's answer.

        Args:
            definitions: the metadata as it is.
            version: its version.
            now: the time of the answer, for the stamp.
            call: the function's segment of the path, decoded.
            options: the query options, for parameter aliases.

        Raises:
            DataverseFault: 400 for parameters that can't be read; 0x80044352 for a stamp that
                has expired; 501 for parameters that the sandbox does not know.
        """
        given = _parameters(call, options)
        expression = parse_expression(given.get("Query"), KNOWN)
        self._history.remember(version, definitions)
        difference = None
        if "ClientVersionStamp" in given:
            before = self._version_of(_text(given["ClientVersionStamp"]), now)
            difference = self._history.since(before, version)
        wanted = _deleted_filters(given.get("DeletedMetadataFilters"))
        return {
            "ServerVersionStamp": f"{version}!{now.strftime(STAMP_TIME)}",
            "DeletedMetadata": _deleted(difference, wanted),
            "EntityMetadata": _tables(definitions, expression, difference),
        }

    def _version_of(self, stamp: str, now: datetime) -> int:
        match = STAMP.fullmatch(stamp)
        if match is None:
            message = f"The client version stamp '{stamp}' can't be read."
            raise DataverseFault(400, "0x80040203", message)
        given = datetime.strptime(match["time"], STAMP_TIME).replace(tzinfo=timezone.utc)
        version = int(match["version"])
        if now - given > STAMP_LIFE or not self._history.knows(version):
            message = (
                "Version stamp associated with the client has expired. Please perform a full sync."
            )
            raise DataverseFault(400, "0x80044352", message)
        return version


def _parameters(call: str, options: Mapping[str, str]) -> dict[str, str]:
    """The function's parameters by name, aliases resolved; a null parameter is left out."""
    _, bracket, rest = call.partition("(")
    if bracket and not rest.endswith(")"):
        raise DataverseFault(400, "0x80060888", f"Bad Request - Error in query syntax: '{call}'.")
    given = {}
    for part in filter(None, split(rest[:-1], ",")):
        name, _, value = (piece.strip() for piece in part.partition("="))
        if name not in PARAMETERS:
            message = f"The sandbox has no parameter '{name}' of RetrieveMetadataChanges."
            raise DataverseFault(501, "0x8006088a", message)
        value = options.get(value, "null") if value.startswith("@") else value
        if value != "null":
            given[name] = value
    return given


def _text(literal: str) -> str:
    if len(literal) < 2 or not (literal[0] == literal[-1] == "'"):
        message = f"The client version stamp needs single quotes: {literal}"
        raise DataverseFault(400, "0x80060888", message)
    return literal[1:-1].replace("''", "'")


def _deleted_filters(literal: str | None) -> int:
    """The bits of a DeletedMetadataFilters literal; several names are separated by commas."""
    if literal is None:
        return 0
    text = literal.removeprefix(f"{NAMESPACE}.DeletedMetadataFilters").strip("'")
    bits = 0
    for name in text.split(","):
        known = {**DELETED_FILTERS, "Default": 1, "All": ALL_DELETED}
        if name.strip() not in known and not name.strip().isdigit():
            message = f"'{name}' is no member of DeletedMetadataFilters."
            raise DataverseFault(400, "0x80060888", message)
        bits |= int(name) if name.strip().isdigit() else known[name.strip()]
    return bits


def _deleted(difference: Difference | None, wanted: int) -> dict[str, Any]:
    """Ids of deleted items; only with both a stamp and filters."""
    found = {
        kind: difference.deleted[kind]
        for kind, bit in DELETED_FILTERS.items()
        if difference is not None and wanted & bit and kind in difference.deleted
    }
    # The enumeration's members Entity and Default are one value; answers name it Default.
    keys = ["Default" if kind == "Entity" else kind for kind in found]
    values = [{"Items": list(ids)} for ids in found.values()]
    return {"Count": len(keys), "IsReadOnly": False, "Keys": keys, "Values": values}


def _tables(
    definitions: Definitions, expression: Expression, difference: Difference | None
) -> list[dict[str, Any]]:
    answer = []
    for table in definitions.tables:
        if not expression.tables.condition(table.members):
            continue
        shown = _table(table, expression, difference)
        if difference is None or _has_changes(shown):
            answer.append(shown)
    return answer


def _has_changes(shown: Mapping[str, Any]) -> bool:
    sets = ("Attributes", "Keys", *RELATIONSHIP_SETS)
    return shown["HasChanged"] is True or any(shown[name] for name in sets)


def _table(table: Item, expression: Expression, difference: Difference | None) -> dict[str, Any]:
    shown = _members(table, expression.tables, expression, difference)
    parts = {"Attributes": expression.columns, "Keys": expression.keys}
    parts.update((name, expression.relationships) for name in RELATIONSHIP_SETS)
    for name, selection in parts.items():
        shown[name] = None
        if not expression.tables.wants(name):
            continue
        found = table.related[name]()
        items = found if isinstance(found, list) else []
        shown[name] = [
            _child(item, selection, expression, difference)
            for item in items
            if selection.condition(item.members)
            and (difference is None or item.metadata_id in difference.changed)
        ]
    return shown


def _child(
    item: Item, selection: Selection, expression: Expression, difference: Difference | None
) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    if item.typed:
        shown["@odata.type"] = f"#{NAMESPACE}.{_complex_type(item.kind)}"
    shown.update(_members(item, selection, expression, difference))
    follow = item.related.get("OptionSet")
    if follow is not None:
        choice = follow() if selection.wants("OptionSet") else None
        members = choice.members if isinstance(choice, Item) else None
        shown["OptionSet"] = _with_labels(members, expression)
    return shown


def _complex_type(kind: str) -> str:
    name = kind.removesuffix("AttributeMetadata")
    return f"Complex{'Enum' if name in ENUMS else name}AttributeMetadata"


def _members(
    item: Item, selection: Selection, expression: Expression, difference: Difference | None
) -> dict[str, Any]:
    """All members of an item; those that were not asked for are null."""
    shown = {
        name: _with_labels(value, expression) if selection.wants(name) else None
        for name, value in item.members.items()
    }
    if difference is not None:
        shown["HasChanged"] = item.metadata_id in difference.changed
    return shown


def _with_labels(value: Any, expression: Expression) -> Any:
    """The value with the labels of the languages that were asked for."""
    if expression.shows_labels():
        return value
    if isinstance(value, list):
        return [_with_labels(item, expression) for item in value]
    if not isinstance(value, Mapping):
        return value
    if "UserLocalizedLabel" in value:
        base = value["UserLocalizedLabel"] if expression.base_language_for_missing else None
        return {"LocalizedLabels": [], "UserLocalizedLabel": base}
    return {name: _with_labels(item, expression) for name, item in value.items()}
