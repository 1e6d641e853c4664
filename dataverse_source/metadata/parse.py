"""Parses tables, columns, choices and relationships from Dataverse's JSON.

EntityDefinitions and RetrieveMetadataChanges answer with the same members (docs: EntityMetadata,
AttributeMetadata, OptionSetMetadata, RelationshipMetadataBase). `bulk` and `per_table` return
them in one form, so both are parsed here, and so is what `cache` has kept.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from dataverse_source.errors import ProtocolError
from dataverse_source.metadata.model import (
    LOOKUP_TYPES,
    Choice,
    Column,
    Description,
    Option,
    Relationship,
    Table,
)

TABLE_PROPERTIES = (
    "LogicalName",
    "EntitySetName",
    "PrimaryIdAttribute",
    "PrimaryNameAttribute",
    "TableType",
    "ChangeTrackingEnabled",
    "IsIntersect",
    "IsActivity",
    "IsPrivate",
    "DataProviderId",
)

COLUMN_PROPERTIES = (
    "LogicalName",
    "AttributeType",
    "AttributeTypeName",
    "AttributeOf",
    "IsValidForRead",
    "IsLogical",
    "IsPrimaryId",
    "SourceType",
    "IsValidODataAttribute",
    "IsSecured",
)

PRECISION_TYPES = frozenset({"DecimalType", "DoubleType", "MoneyType"})

LENGTH_TYPES = frozenset({"StringType", "MemoType"})

CHOICE_TYPES = frozenset(
    {"PicklistType", "StateType", "StatusType", "BooleanType", "MultiSelectPicklistType"}
)
"""Column types whose values have labels."""

TYPED_PROPERTIES = ("Precision", "DateTimeBehavior", "Targets", "MaxLength")
"""Properties that only some column types have; RetrieveMetadataChanges needs no cast for them."""

DESCRIBED_PROPERTIES = ("LogicalName", "DisplayName", "AttributeType", "AttributeTypeName")
"""Properties of a column that its description needs; choices have ``OptionSet`` too."""

RELATIONSHIPS = ("ManyToOneRelationships", "ManyToManyRelationships")

MANY_TO_ONE_PROPERTIES = (
    "SchemaName",
    "ReferencingEntity",
    "ReferencingAttribute",
    "ReferencedEntity",
    "ReferencedAttribute",
)

MANY_TO_MANY_PROPERTIES = (
    "SchemaName",
    "IntersectEntityName",
    "Entity1LogicalName",
    "Entity1IntersectAttribute",
    "Entity2LogicalName",
    "Entity2IntersectAttribute",
)


FORM = json.dumps(
    (
        TABLE_PROPERTIES,
        COLUMN_PROPERTIES,
        TYPED_PROPERTIES,
        DESCRIBED_PROPERTIES,
        RELATIONSHIPS,
        MANY_TO_ONE_PROPERTIES,
        MANY_TO_MANY_PROPERTIES,
    )
)
"""All that is asked for; answers kept by a version that asked for something else are not used."""


class MetadataClient(Protocol):
    """What metadata needs of `dataverse_source.client.client.DataverseClient`."""

    def get_json(
        self, path: str, query: Mapping[str, str] | None = None, prefer: Sequence[str] = ()
    ) -> dict[str, Any]:
        """The JSON object at ``path``, relative to the Web API's root."""
        ...


def table_from(answer: Mapping[str, Any]) -> Table:
    """A table without its columns."""
    return Table(
        logical_name=text(answer, "LogicalName"),
        entity_set_name=answer.get("EntitySetName") or None,
        primary_id=answer.get("PrimaryIdAttribute") or "",
        primary_name=answer.get("PrimaryNameAttribute") or None,
        table_type=answer.get("TableType") or "Standard",
        change_tracking=bool(answer.get("ChangeTrackingEnabled")),
        is_intersect=bool(answer.get("IsIntersect")),
        is_activity=bool(answer.get("IsActivity")),
        is_private=bool(answer.get("IsPrivate")),
        data_provider_id=answer.get("DataProviderId") or None,
        metadata_id=answer.get("MetadataId") or None,
    )


def columns_from(answer: Mapping[str, Any]) -> tuple[Column, ...]:
    """The columns of a table, sorted by name, as the order of the answer is not documented.

    Args:
        answer: of the table, with ``Attributes``, each with the members of its own type.
    """
    columns = map(_column, items(answer, "Attributes"))
    return tuple(sorted(columns, key=lambda column: column.name))


def _column(answer: Mapping[str, Any]) -> Column:
    kind = type_of(answer)
    return Column(
        name=text(answer, "LogicalName"),
        type=kind,
        attribute_of=answer.get("AttributeOf") or None,
        readable=answer.get("IsValidForRead") is not False,
        is_logical=bool(answer.get("IsLogical")),
        is_primary_id=bool(answer.get("IsPrimaryId")),
        source_type=answer.get("SourceType"),
        valid_odata=answer.get("IsValidODataAttribute") is not False,
        precision=answer.get("Precision") if kind in PRECISION_TYPES else None,
        date_behavior=_value(answer.get("DateTimeBehavior")) if kind == "DateTimeType" else None,
        targets=tuple(answer.get("Targets") or ()) if kind in LOOKUP_TYPES else (),
        max_length=answer.get("MaxLength") if kind in LENGTH_TYPES else None,
        metadata_id=answer.get("MetadataId") or None,
        secured=bool(answer.get("IsSecured")),
    )


def type_of(answer: Mapping[str, Any]) -> str:
    """The type of a column, such as ``MoneyType``."""
    kind = _value(answer.get("AttributeTypeName"))
    return str(kind or f"{answer.get('AttributeType') or 'Virtual'}Type")


def description_from(answer: Mapping[str, Any]) -> Description:
    """Display names, choices and relationships of a table.

    Args:
        answer: of the table, with ``Attributes`` (those with a choice have ``OptionSet``) and
            its relationships.
    """
    many_to_one, many_to_many = (items(answer, kind) for kind in RELATIONSHIPS)
    ordered = sorted(items(answer, "Attributes"), key=lambda one: text(one, "LogicalName"))
    shown = ((text(one, "LogicalName"), _user_label(one.get("DisplayName"))) for one in ordered)
    choices = (_choice(one) for one in ordered if type_of(one) in CHOICE_TYPES)
    links = [_many_to_one(one) for one in many_to_one]
    links += [side for one in many_to_many for side in _many_to_many(one)]
    return Description(
        table=text(answer, "LogicalName"),
        display_name=_user_label(answer.get("DisplayName")),
        columns=tuple((name, label) for name, label in shown if label),
        choices=tuple(choice for choice in choices if choice.options),
        relationships=tuple(sorted(links, key=lambda link: (link.name, link.column))),
    )


def _choice(column: Mapping[str, Any]) -> Choice:
    choice = column.get("OptionSet") or {}
    options = choice.get("Options") or [
        choice[member] for member in ("FalseOption", "TrueOption") if choice.get(member)
    ]
    return Choice(
        column=text(column, "LogicalName"),
        type=type_of(column),
        name=choice.get("Name") or "",
        is_global=bool(choice.get("IsGlobal")),
        options=tuple(_option(option) for option in options),
    )


def _option(answer: Mapping[str, Any]) -> Option:
    label = answer.get("Label") or {}
    labels = {
        one["LanguageCode"]: one["Label"]
        for one in label.get("LocalizedLabels") or ()
        if one.get("Label")
    }
    return Option(
        value=int(answer["Value"]),
        label=_user_label(label),
        labels=tuple(sorted(labels.items())),
        state=answer.get("State"),
    )


def _many_to_one(answer: Mapping[str, Any]) -> Relationship:
    return Relationship(
        name=text(answer, "SchemaName"),
        type="OneToMany",
        table=text(answer, "ReferencingEntity"),
        column=text(answer, "ReferencingAttribute"),
        referenced_table=text(answer, "ReferencedEntity"),
        referenced_column=text(answer, "ReferencedAttribute"),
    )


def _many_to_many(answer: Mapping[str, Any]) -> list[Relationship]:
    """One relationship per side: the intersect table points at both."""
    sides = []
    for side in ("Entity1", "Entity2"):
        table = text(answer, f"{side}LogicalName")
        column = text(answer, f"{side}IntersectAttribute")
        intersect = text(answer, "IntersectEntityName")
        name = text(answer, "SchemaName")
        sides.append(Relationship(name, "ManyToMany", intersect, column, table, ""))
    return sides


def _user_label(label: Any) -> str | None:
    """The label in the user's language, else in the first language that has one."""
    if not isinstance(label, Mapping):
        return None
    found = [label.get("UserLocalizedLabel"), *(label.get("LocalizedLabels") or ())]
    return next((one["Label"] for one in found if one and one.get("Label")), None)


def _value(answer: Any) -> Any:
    return answer.get("Value") if isinstance(answer, Mapping) else None


def text(answer: Mapping[str, Any], member: str) -> str:
    """A name that must be present.

    Raises:
        ProtocolError: it is missing.
    """
    value = answer.get(member)
    if not isinstance(value, str) or not value:
        raise ProtocolError(f"A table or column in a metadata answer has no {member}")
    return value


def items(answer: Mapping[str, Any], member: str, where: str | None = None) -> list[dict[str, Any]]:
    """A list of objects that must be present and complete.

    Raises:
        ProtocolError: it is missing or not complete.
    """
    found = answer.get(member)
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise ProtocolError("The answer to a metadata request contains no list", where=where)
    if (
        f"{member}@odata.nextLink" in answer
        or "@odata.nextLink" in answer
        or str(answer.get("@Microsoft.Dynamics.CRM.morerecords")).lower() == "true"
    ):
        # Docs: "Query table definitions": there is no paging, all are returned. A part of the
        # columns must never be taken for all of them.
        raise ProtocolError("The answer to a metadata request is not complete", where=where)
    return found
