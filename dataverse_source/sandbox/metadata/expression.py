"""EntityQueryExpression: which metadata RetrieveMetadataChanges is asked for.

Names and rules are those of the docs page "Query schema definitions".
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from dataverse_source.sandbox.http.messages import DataverseFault
from dataverse_source.sandbox.metadata.shapes import ENGLISH

Condition = Callable[[Mapping[str, Any]], bool]

OPERATORS = ("Equals", "NotEquals", "In", "NotIn", "GreaterThan", "LessThan")
JOINS = ("And", "Or")
ALWAYS = frozenset({"MetadataId", "LogicalName", "HasChanged"})
ENUM_TYPES = {
    "AttributeTypeCode": "AttributeType",
    "AttributeTypeDisplayName": "AttributeTypeName",
    "AttributeRequiredLevel": "RequiredLevel",
    "OwnershipTypes": "OwnershipType",
    "RelationshipType": "RelationshipType",
}
"""Enumerations that conditions may name, by .NET type, with the property that has them."""
RELATIONSHIP_SETS = ("OneToManyRelationships", "ManyToOneRelationships", "ManyToManyRelationships")


@dataclass(frozen=True)
class Selection:
    """Which items of one type are wanted, and which of their properties.

    Attributes:
        properties: names of the properties; None for all.
        condition: the test that an item has to pass.
    """

    properties: frozenset[str] | None = None
    condition: Condition = field(default=lambda members: True)  # noqa: ARG005

    def wants(self, name: str) -> bool:
        """Whether a property was asked for, or comes always."""
        return self.properties is None or name in self.properties or name in ALWAYS


@dataclass(frozen=True)
class Expression:
    """A whole query: tables, and what of them.

    Attributes:
        languages: LCIDs of the labels that are wanted; empty for all.
        base_language_for_missing: a label that is missing in them comes in the base language.
    """

    tables: Selection = Selection()
    columns: Selection = Selection()
    relationships: Selection = Selection()
    keys: Selection = Selection()
    languages: frozenset[int] = frozenset()
    base_language_for_missing: bool = False

    def shows_labels(self) -> bool:
        """Whether the labels of the only language, English, are among those asked for."""
        return not self.languages or ENGLISH in self.languages


def parse_expression(text: str | None, known: Mapping[str, frozenset[str]]) -> Expression:
    """The query that a JSON text states; no text asks for everything.

    Args:
        text: JSON of the EntityQueryExpression.
        known: names of all properties, for ``tables``, ``columns``, ``relationships``, ``keys``.

    Raises:
        DataverseFault: 400 when the text is no such query.
    """
    if text is None:
        return Expression()
    try:
        query = json.loads(text)
    except ValueError:
        raise _invalid(f"The Query parameter is not valid JSON: {text[:80]}") from None
    _check_names(query, {*_PARTS, "Properties", "Criteria", "LabelQuery"}, "EntityQueryExpression")
    labels = query.get("LabelQuery") or {}
    expression = Expression(
        tables=_selection(query, known["tables"]),
        languages=frozenset(labels.get("FilterLanguages") or ()),
        base_language_for_missing=labels.get("MissingLabelBehavior") == 1,
        **{part: _selection(query.get(name) or {}, known[part]) for name, part in _PARTS.items()},
    )
    for name, needed in _NEEDED.items():
        if query.get(name) is not None and not any(expression.tables.wants(n) for n in needed):
            message = f"{name} needs {' or '.join(needed)} among the Properties of the query."
            raise _invalid(message)
    return expression


_PARTS = {"AttributeQuery": "columns", "RelationshipQuery": "relationships", "KeyQuery": "keys"}
_NEEDED = {
    "AttributeQuery": ("Attributes",),
    "RelationshipQuery": RELATIONSHIP_SETS,
    "KeyQuery": ("Keys",),
}


def _selection(query: Any, known: frozenset[str]) -> Selection:
    if not isinstance(query, dict):
        raise _invalid("A metadata query is a JSON object with Properties and Criteria.")
    if not query:
        return Selection()
    asked = query.get("Properties") or {}
    properties: frozenset[str] | None = None
    if not _is_true(asked.get("AllProperties")):
        properties = frozenset(asked.get("PropertyNames") or ())
        for name in sorted(properties - known):
            raise _invalid(f"There is no metadata property named '{name}'.")
    criteria = query.get("Criteria")
    if criteria is None:
        return Selection(properties)
    return Selection(properties, _filter(criteria, known))


def _is_true(value: Any) -> bool:
    # The docs' PowerShell samples send AllProperties as the text "False".
    return str(value).lower() == "true"


def _filter(criteria: Any, known: frozenset[str]) -> Condition:
    _check_names(criteria, {"FilterOperator", "Conditions", "Filters"}, "MetadataFilterExpression")
    join = _member(criteria.get("FilterOperator", "And"), JOINS, "FilterOperator")
    tests = [_condition(item, known) for item in criteria.get("Conditions") or ()]
    tests += [_filter(item, known) for item in criteria.get("Filters") or ()]
    if not tests:
        return Selection().condition
    together = all if join == "And" else any
    return lambda members: together(test(members) for test in tests)


def _condition(condition: Any, known: frozenset[str]) -> Condition:
    names = {"ConditionOperator", "PropertyName", "Value"}
    _check_names(condition, names, "MetadataConditionExpression")
    name = condition.get("PropertyName")
    if name not in known:
        raise _invalid(f"There is no metadata property named '{name}'.")
    operator = _member(condition.get("ConditionOperator", "Equals"), OPERATORS, "ConditionOperator")
    many = operator in ("In", "NotIn")
    wanted = _value(condition.get("Value"), name, many)

    def test(members: Mapping[str, Any]) -> bool:
        found = members.get(name)
        if isinstance(found, Mapping) and "Value" in found:
            found = found["Value"]
        if isinstance(found, (Mapping, list)):
            raise _invalid(f"Conditions can't be set on '{name}': it is a label or a collection.")
        return _compare(operator, found, wanted)

    return test


def _compare(operator: str, found: Any, wanted: Any) -> bool:
    if operator in ("In", "NotIn"):
        return (found in wanted) == (operator == "In")
    if operator in ("Equals", "NotEquals"):
        return bool(found == wanted) == (operator == "Equals")
    if found is None or wanted is None or type(found) is not type(wanted):
        return False
    return bool(found > wanted) if operator == "GreaterThan" else bool(found < wanted)


def _value(value: Any, name: str, many: bool) -> Any:
    """The value to compare with, from its .NET type and its text."""
    if value is None:
        return [] if many else None
    _check_names(value, {"Type", "Value"}, "Object")
    kind, text = value.get("Type"), value.get("Value")
    if not isinstance(kind, str) or not isinstance(text, str):
        raise _invalid(f"The value for '{name}' needs a Type and a Value, both texts.")
    if many != kind.endswith("[]"):
        raise _invalid(f"The value for '{name}' is of type {kind}, which its operator can't take.")
    if many:
        return [_scalar(kind[:-2], item, name) for item in _items(text, name)]
    return _scalar(kind, text, name)


def _items(text: str, name: str) -> list[str]:
    """The texts of a list such as ``['account','contact']``, in single or double quotes."""
    if not re.fullmatch(r"\s*\[.*\]\s*", text, re.DOTALL):
        raise _invalid(f"The value for '{name}' is no list: {text[:80]}")
    found = re.findall(r"'([^']*)'|\"([^\"]*)\"|([^\s,\[\]'\"]+)", text)
    return [single or double or plain for single, double, plain in found]


def _scalar(kind: str, text: str, name: str) -> Any:
    bare = kind.rpartition(".")[2]
    if bare in ENUM_TYPES:
        if ENUM_TYPES[bare] != name:
            raise _invalid(f"'{name}' can't be compared with a value of type {kind}.")
        return text
    try:
        return _SCALARS[kind](text)
    except (KeyError, ValueError):
        raise _invalid(f"'{text}' is no value of type {kind}, for '{name}'.") from None


def _boolean(text: str) -> bool:
    return {"true": True, "false": False}[text.lower()]


_SCALARS: Mapping[str, Callable[[str], Any]] = {
    "System.Boolean": _boolean,
    "System.DateTime": str,
    "System.Guid": str.lower,
    "System.Int32": int,
    "System.String": str,
}


def _member(value: Any, names: tuple[str, ...], where: str) -> str:
    """An enumeration's member, by name or by number."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < len(names):
        return names[value]
    if value in names:
        return str(value)
    raise _invalid(f"{where} can't be {value!r}; it is one of {', '.join(names)}.")


def _check_names(value: Any, known: set[str], kind: str) -> None:
    if not isinstance(value, dict):
        raise _invalid(f"A {kind} is a JSON object.")
    for name in value:
        if name not in known and not name.startswith("@odata."):
            raise DataverseFault(
                400,
                "0x80060888",
                f"The property '{name}' does not exist on type 'Microsoft.Dynamics.CRM.{kind}'. "
                "Make sure to only use property names that are defined by the type.",
            )


def _invalid(message: str) -> DataverseFault:
    return DataverseFault(400, "0x80040203", message)
