"""Reads AttributeMetadata, a column's definition, into a column."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from dataverse_source.sandbox.schema.labels import (
    label_text,
    options,
    options_of,
    plain,
    readable_name,
)
from dataverse_source.sandbox.schema.tables import Column

INTEGER_RANGE = {"min_value": -2_147_483_648.0, "max_value": 2_147_483_647.0}
# Docs page "Money columns": -922,337,203,685,477.0000 to 922,337,203,685,477.0000.
MONEY_RANGE = {"min_value": -922_337_203_685_477.0, "max_value": 922_337_203_685_477.0}
# Docs page "Types of columns": decimal and float hold -100,000,000,000 to 100,000,000,000.
NUMBER_RANGE = {"min_value": -100_000_000_000.0, "max_value": 100_000_000_000.0}
SIMPLE = {"source_type": 0}
NO_SOURCE = {"source_type": None}

DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "BigInt": NO_SOURCE,
    "Boolean": {**SIMPLE, "options": options("0=No;1=Yes")},
    "CalendarRules": NO_SOURCE,
    "Customer": {**SIMPLE, "targets": ()},
    "DateTime": {**SIMPLE, "date_behavior": "UserLocal", "format": "DateAndTime"},
    "Decimal": {**SIMPLE, **NUMBER_RANGE, "precision": 2},
    "Double": {**NO_SOURCE, **NUMBER_RANGE, "precision": 5},
    "EntityName": NO_SOURCE,
    "File": {**NO_SOURCE, "max_size_kb": 32_768},
    "Image": {**NO_SOURCE, "max_size_kb": 10_240},
    "Integer": {**SIMPLE, **INTEGER_RANGE, "format": "None"},
    "Lookup": {**SIMPLE, "targets": ()},
    "ManagedProperty": NO_SOURCE,
    "Memo": {**NO_SOURCE, "max_length": 2000, "format": "TextArea"},
    "Money": {
        **SIMPLE, **MONEY_RANGE, "precision": 2, "precision_source": 2, "calculation_of": None,
    },
    "MultiSelectPicklist": {**SIMPLE, "options": options("1=Default Value")},
    "Owner": {**NO_SOURCE, "targets": ("systemuser", "team")},
    "PartyList": {**SIMPLE, "targets": ()},
    "Picklist": {**SIMPLE, "options": options("1=Default Value")},
    "State": {**NO_SOURCE, "options": options("0=Active;1=Inactive")},
    "Status": {**NO_SOURCE, "options": options("1:0=Active;2:1=Inactive")},
    "String": {**SIMPLE, "max_length": 100, "format": "Text"},
    "Uniqueidentifier": NO_SOURCE,
    "Virtual": NO_SOURCE,
}  # fmt: skip
"""What a column of each type is like when its definition does not say."""

COMPANION = {"is_valid_odata": False, "writable": False, "source_type": None}
"""What a column that accompanies another is like when its definition does not say."""

_READERS: Mapping[str, tuple[str, Callable[[Any], Any]]] = {
    "AttributeOf": ("attribute_of", str),
    "CalculationOf": ("calculation_of", str),
    "DateTimeBehavior": ("date_behavior", plain),
    "DisplayName": ("display_name", label_text),
    "Format": ("format", str),
    "IsCustomAttribute": ("is_custom", bool),
    "IsLogical": ("is_logical", bool),
    "IsSecured": ("secured", bool),
    "IsValidForCreate": ("writable", bool),
    "IsValidForRead": ("readable", bool),
    "IsValidODataAttribute": ("is_valid_odata", bool),
    "MaxLength": ("max_length", int),
    "MaxSizeInKB": ("max_size_kb", int),
    "MaxValue": ("max_value", float),
    "MinValue": ("min_value", float),
    "Precision": ("precision", int),
    "PrecisionSource": ("precision_source", int),
    "RequiredLevel": ("required", plain),
    "SourceType": ("source_type", int),
    "Targets": ("targets", tuple),
}
"""By member: the column's field, and how the value is read."""

_OF_SOME_TYPES = frozenset(
    field for defaults in DEFAULTS.values() for field in defaults if field != "source_type"
)
_BY_KIND = {type_.lower(): type_ for type_ in DEFAULTS}
MEMBERS = frozenset(_READERS) | {
    "AttributeType", "AttributeTypeName", "FormatName", "GlobalOptionSet", "IsValidForUpdate",
    "LogicalName", "OptionSet", "SchemaName",
}  # fmt: skip
"""The members that are read; all others are passed over."""

CUSTOM = re.compile(r"[a-z0-9]+_")
"""How the schema name of a maker's table or column begins."""


def names_of(definition: Mapping[str, Any]) -> tuple[str, str]:
    """Schema name and logical name of a table or column; either follows from the other.

    Raises:
        ValueError: it has neither.
    """
    schema_name = definition.get("SchemaName") or definition.get("LogicalName")
    if not schema_name:
        raise ValueError("a definition has neither SchemaName nor LogicalName")
    return schema_name, definition.get("LogicalName") or schema_name.lower()


def read_column(
    attribute: Mapping[str, Any],
    primary_id: str,
    primary_name: str | None,
    targets: Mapping[str, tuple[str, ...]],
) -> Column:
    """The column that an AttributeMetadata describes.

    Args:
        attribute: its members; what is absent or null is as most columns of its type have it.
        primary_id: name of the table's primary key.
        primary_name: name of the column that names a row.
        targets: by lookup, the tables that the relationships of its table let it point at.

    Raises:
        ValueError: it has no name, or its type is missing or unknown.
    """
    name = names_of(attribute)[1]
    place = (name == primary_id, name == primary_name, targets.get(name, ()))
    if any(isinstance(value, (dict, list)) for value in attribute.values()):
        return _read(attribute, *place)
    # Most lines of the default tables stand in several of them.
    return _read_short(tuple(attribute.items()), *place)


@lru_cache(maxsize=4096)
def _read_short(members: tuple[tuple[str, Any], ...], *place: Any) -> Column:
    return _read(dict(members), *place)


def _read(
    attribute: Mapping[str, Any], is_id: bool, is_name: bool, targets: tuple[str, ...]
) -> Column:
    schema_name, name = names_of(attribute)
    type_ = _type_of(attribute, name)
    is_companion = attribute.get("AttributeOf") is not None
    defaults = DEFAULTS[type_]
    values = {**defaults, **COMPANION} if is_companion else dict(defaults)
    values["is_custom"] = CUSTOM.match(schema_name) is not None
    values["display_name"] = "" if is_companion else readable_name(schema_name)
    for member, value in attribute.items():
        known = _READERS.get(member)
        if known is not None and value is not None:
            field, read = known
            if field in defaults or field not in _OF_SOME_TYPES:
                values[field] = read(value)
    if "format" in defaults and attribute.get("FormatName"):
        values["format"] = plain(attribute["FormatName"])
    if attribute.get("IsValidForUpdate"):
        values["writable"] = True
    if "options" in values:
        values.update(_choice(attribute))
    if values.get("targets") == ():
        values["targets"] = targets
    return Column(name, type_, schema_name, is_primary_id=is_id, is_primary_name=is_name, **values)


def _type_of(attribute: Mapping[str, Any], name: str) -> str:
    """``AttributeTypeName`` says more than ``AttributeType``: Virtual may be File or Image."""
    type_name = plain(attribute.get("AttributeTypeName"))
    type_ = type_name.removesuffix("Type") if type_name else attribute.get("AttributeType")
    if type_ in (None, "Virtual"):
        kind = str(attribute.get("@odata.type", "")).rpartition(".")[2]
        kind = kind.removeprefix("Complex").removesuffix("AttributeMetadata")
        type_ = _BY_KIND.get(kind.lower(), type_)
    if type_ not in DEFAULTS:
        raise ValueError(f"column {name!r} has no AttributeType that is known: {type_!r}")
    return str(type_)


def _choice(attribute: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a choice, or the name of the global choice that has them."""
    shared = global_choice_of(attribute)
    if shared is not None:
        return {"option_set": shared, "options": ()}
    own = attribute.get("OptionSet")
    found = options_of(own) if own else ()
    return {"options": found} if found else {}


def global_choice_of(attribute: Mapping[str, Any]) -> str | None:
    """Name of the global choice of a column, None when it has one of its own."""
    shared, own = attribute.get("GlobalOptionSet"), attribute.get("OptionSet")
    if shared is own is None:
        return None
    if isinstance(shared, str):
        return shared
    if shared and shared.get("Name") and shared.get("IsGlobal", True):
        return str(shared["Name"])
    return str(own["Name"]) if isinstance(own, dict) and own.get("IsGlobal") else None
