"""Reads tables, columns, choices and relationships out of Dataverse's JSON.

EntityDefinitions and RetrieveMetadataChanges answer with the same members (docs: EntityMetadata,
AttributeMetadata, OptionSetMetadata, RelationshipMetadataBase), so both ways of asking share
these functions and can't come to different tables.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
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
)

PRECISION_TYPES = frozenset({"DecimalType", "DoubleType", "MoneyType"})

CHOICE_TYPES = frozenset(
    {"PicklistType", "StateType", "StatusType", "BooleanType", "MultiSelectPicklistType"}
)
"""Column types whose values have labels."""

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


class MetadataClient(Protocol):
    """What is needed of `dataverse_source.client.client.DataverseClient`."""

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


def columns_from(
    answers: Iterable[Mapping[str, Any]], details: Mapping[str, Mapping[str, Any]] | None = None
) -> tuple[Column, ...]:
    """The columns of a table, by name: the order of the answers is not documented.

    Args:
        answers: one for each column.
        details: by column, the members that only its own type has; None: they are in ``answers``.
    """
    columns = (
        _column(one, one if details is None else details.get(text(one, "LogicalName"), {}))
        for one in answers
    )
    return tuple(sorted(columns, key=lambda column: column.name))


def _column(answer: Mapping[str, Any], details: Mapping[str, Any]) -> Column:
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
        precision=details.get("Precision") if kind in PRECISION_TYPES else None,
        date_behavior=_value(details.get("DateTimeBehavior")) if kind == "DateTimeType" else None,
        targets=tuple(details.get("Targets") or ()) if kind in LOOKUP_TYPES else (),
        metadata_id=answer.get("MetadataId") or None,
    )


def type_of(answer: Mapping[str, Any]) -> str:
    """The column's type such as ``MoneyType``."""
    kind = _value(answer.get("AttributeTypeName"))
    return str(kind or f"{answer.get('AttributeType') or 'Virtual'}Type")


def description_from(
    answer: Mapping[str, Any],
    columns: Sequence[Mapping[str, Any]],
    many_to_one: Iterable[Mapping[str, Any]],
    many_to_many: Iterable[Mapping[str, Any]],
) -> Description:
    """What is known of a table beyond its columns.

    Args:
        answer: of the table.
        columns: of its columns; those with a choice have ``OptionSet``.
        many_to_one: the relationships in which the table points at others.
        many_to_many: its N:N relationships.
    """
    ordered = sorted(columns, key=lambda one: text(one, "LogicalName"))
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
    """One for each side: the intersect table points at both."""
    sides = []
    for side in ("Entity1", "Entity2"):
        table = text(answer, f"{side}LogicalName")
        column = text(answer, f"{side}IntersectAttribute")
        intersect = text(answer, "IntersectEntityName")
        name = text(answer, "SchemaName")
        sides.append(Relationship(name, "ManyToMany", intersect, column, table, ""))
    return sides


def _user_label(label: Any) -> str | None:
    """A label in the user's language, else in the first that has one."""
    if not isinstance(label, Mapping):
        return None
    found = [label.get("UserLocalizedLabel"), *(label.get("LocalizedLabels") or ())]
    return next((one["Label"] for one in found if one and one.get("Label")), None)


def _value(answer: Any) -> Any:
    return answer.get("Value") if isinstance(answer, Mapping) else None


def text(answer: Mapping[str, Any], member: str) -> str:
    """A name that has to be there.

    Raises:
        ProtocolError: it is not.
    """
    value = answer.get(member)
    if not isinstance(value, str) or not value:
        raise ProtocolError(f"A table or column in a metadata answer has no {member}")
    return value


def items(answer: Mapping[str, Any], member: str, where: str) -> list[dict[str, Any]]:
    """A list of objects that has to be there, and complete.

    Raises:
        ProtocolError: it is not.
    """
    found = answer.get(member)
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise ProtocolError("The answer to a metadata request holds no list", where=where)
    if f"{member}@odata.nextLink" in answer or "@odata.nextLink" in answer:
        # Docs: "Query table definitions": no paging, all are returned. A part of the
        # columns must never pass for all of them.
        raise ProtocolError("The answer to a metadata request is not complete", where=where)
    return found
