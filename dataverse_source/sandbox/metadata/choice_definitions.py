"""OptionSetMetadata: choices, a column's own and global ones, as metadata answers them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dataverse_source.sandbox.metadata.shapes import Item, label, managed, metadata_id
from dataverse_source.sandbox.schema.tables import Column, Option, Schema, Table

OPTION_SET_TYPES = {"Boolean": "Boolean", "State": "State", "Status": "Status"}


def column_choice(schema: Schema, table: Table, column: Column) -> Item:
    """The choice of a column, whether its own or a global one."""
    if column.option_set is not None:
        return global_choice(schema, column.option_set, column.type)
    name = f"{table.logical_name}_{column.name}"
    return _choice(name, column.options, column.type, column.display_name, is_global=False)


def global_choice(schema: Schema, name: str, column_type: str = "Picklist") -> Item:
    """A global choice."""
    return _choice(name, schema.global_choices[name], column_type, name, is_global=True)


def _choice(
    name: str, options: Sequence[Option], column_type: str, shown: str, is_global: bool
) -> Item:
    set_type = OPTION_SET_TYPES.get(column_type, "Picklist")
    own = {} if set_type == "Boolean" else {"ParentOptionSetName": None}
    members: dict[str, Any] = {
        **own,
        "MetadataId": metadata_id("choice", name),
        "HasChanged": None,
        "IsCustomOptionSet": is_global,
        "IsGlobal": is_global,
        "IsManaged": not is_global,
        "Name": name,
        "ExternalTypeName": None,
        "OptionSetType": set_type,
        "IntroducedVersion": "5.0.0.0",
        "Description": label("", "choice", name, "description"),
        "DisplayName": label(shown, "choice", name, "name"),
        "IsCustomizable": managed(True, "iscustomizable", False),
    }
    if set_type == "Boolean":
        by_value = {option.value: option for option in options}
        for member, value in (("TrueOption", 1), ("FalseOption", 0)):
            option = by_value.get(value, Option(value, "Yes" if value else "No"))
            members[member] = _option(name, option, set_type)
        return Item("BooleanOptionSetMetadata", members)
    members["Options"] = [_option(name, option, set_type) for option in options]
    return Item("OptionSetMetadata", members)


def _option(choice: str, option: Option, set_type: str) -> dict[str, Any]:
    """An option, its members in the order of recorded answers."""
    names = ("choice", choice, str(option.value))
    kind, own = _own_members(option, set_type)
    return {
        **({"@odata.type": f"#Microsoft.Dynamics.CRM.{kind}"} if kind else {}),
        "Value": option.value,
        "Color": None,
        "IsManaged": True,
        "ExternalValue": "",
        "ParentValues": [],
        "Tag": None,
        "IsHidden": False,
        "MetadataId": None,
        "HasChanged": None,
        **own,
        "Label": label(option.label, *names),
        "Description": label("", *names, "description"),
    }


def _own_members(option: Option, set_type: str) -> tuple[str, dict[str, Any]]:
    """Derived type of an option of a state or a status reason, and what it adds."""
    if set_type == "State":
        added = {"DefaultStatus": option.value + 1, "InvariantName": option.label}
        return "StateOptionMetadata", added
    if set_type == "Status":
        return "StatusOptionMetadata", {"State": option.state, "TransitionData": None}
    return "", {}
