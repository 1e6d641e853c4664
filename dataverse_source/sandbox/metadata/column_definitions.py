"""AttributeMetadata and its derived types: a column as EntityDefinitions answers it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dataverse_source.sandbox.metadata.shapes import (
    FIRST_MODIFIED,
    PLATFORM_CREATED,
    label,
    managed,
    metadata_id,
)
from dataverse_source.sandbox.schema.tables import Column, Table

# AttributeTypeCode has no member for these: only AttributeTypeName tells them apart.
WITHOUT_TYPE_CODE = frozenset({"File", "Image", "MultiSelectPicklist"})
SIMPLE = "AttributeMetadata"
KINDS = {
    "BigInt": "BigIntAttributeMetadata",
    "Boolean": "BooleanAttributeMetadata",
    "CalendarRules": "LookupAttributeMetadata",
    "Customer": "LookupAttributeMetadata",
    "DateTime": "DateTimeAttributeMetadata",
    "Decimal": "DecimalAttributeMetadata",
    "Double": "DoubleAttributeMetadata",
    "EntityName": "EntityNameAttributeMetadata",
    "File": "FileAttributeMetadata",
    "Image": "ImageAttributeMetadata",
    "Integer": "IntegerAttributeMetadata",
    "Lookup": "LookupAttributeMetadata",
    "ManagedProperty": "ManagedPropertyAttributeMetadata",
    "Memo": "MemoAttributeMetadata",
    "Money": "MoneyAttributeMetadata",
    "MultiSelectPicklist": "MultiSelectPicklistAttributeMetadata",
    "Owner": "LookupAttributeMetadata",
    "PartyList": "LookupAttributeMetadata",
    "Picklist": "PicklistAttributeMetadata",
    "State": "StateAttributeMetadata",
    "Status": "StatusAttributeMetadata",
    "String": "StringAttributeMetadata",
}
"""Derived type by column type; a type that is missing here is plain AttributeMetadata."""

# Members that the derived types add to AttributeMetadata.
OWN_MEMBERS: dict[str, tuple[str, ...]] = {
    "BigIntAttributeMetadata": ("MaxValue", "MinValue"),
    "BooleanAttributeMetadata": ("DefaultValue", "FormulaDefinition", "SourceTypeMask"),
    "DateTimeAttributeMetadata": (
        "Format", "ImeMode", "MinSupportedValue", "MaxSupportedValue", "FormulaDefinition",
        "SourceTypeMask", "DateTimeBehavior", "CanChangeDateTimeBehavior",
    ),
    "DecimalAttributeMetadata": (
        "MaxValue", "MinValue", "Precision", "ImeMode", "FormulaDefinition", "SourceTypeMask",
    ),
    "DoubleAttributeMetadata": ("ImeMode", "MaxValue", "MinValue", "Precision"),
    "EntityNameAttributeMetadata": (),
    "FileAttributeMetadata": ("MaxSizeInKB",),
    "ImageAttributeMetadata": (
        "IsPrimaryImage", "MaxHeight", "MaxWidth", "MaxSizeInKB", "CanStoreFullImage",
    ),
    "IntegerAttributeMetadata": (
        "Format", "MaxValue", "MinValue", "FormulaDefinition", "SourceTypeMask",
    ),
    "LookupAttributeMetadata": ("Targets", "Format"),
    "ManagedPropertyAttributeMetadata": (),
    "MemoAttributeMetadata": ("Format", "FormatName", "ImeMode", "MaxLength", "IsLocalizable"),
    "MoneyAttributeMetadata": (
        "CalculationOf", "ImeMode", "MaxValue", "MinValue", "Precision", "PrecisionSource",
        "IsBaseCurrency", "FormulaDefinition", "SourceTypeMask",
    ),
    "MultiSelectPicklistAttributeMetadata": (
        "DefaultFormValue", "FormulaDefinition", "SourceTypeMask", "ParentPicklistLogicalName",
        "ChildPicklistLogicalNames",
    ),
    "PicklistAttributeMetadata": (
        "DefaultFormValue", "FormulaDefinition", "SourceTypeMask", "ParentPicklistLogicalName",
        "ChildPicklistLogicalNames",
    ),
    "StateAttributeMetadata": ("DefaultFormValue",),
    "StatusAttributeMetadata": ("DefaultFormValue",),
    "StringAttributeMetadata": (
        "DatabaseLength", "Format", "FormatName", "ImeMode", "MaxLength", "YomiOf",
        "IsLocalizable", "FormulaDefinition", "SourceTypeMask",
    ),
    "UniqueIdentifierAttributeMetadata": (),
}  # fmt: skip
WITH_OPTION_SET = frozenset(
    {
        "BooleanAttributeMetadata",
        "EntityNameAttributeMetadata",
        "MultiSelectPicklistAttributeMetadata",
        "PicklistAttributeMetadata",
        "StateAttributeMetadata",
        "StatusAttributeMetadata",
    }
)

# Docs page "DateTimeAttributeMetadata": earliest and latest values that can be stored.
EARLIEST, LATEST = "1753-01-01T00:00:00Z", "9999-12-30T23:59:59Z"
BIGINT_RANGE = (-9_223_372_036_854_775_808, 9_223_372_036_854_775_807)
# Docs page "Image column data": thumbnails are 144 by 144 pixels.
THUMBNAIL_SIDE = 144


def kind_of(column: Column) -> str:
    """The derived type of a column, ``AttributeMetadata`` when it has none."""
    return KINDS.get(column.type, SIMPLE)


def column_id(table: Table, column: Column) -> str:
    """The MetadataId of a column."""
    made = (str(column.made),) if column.made else ()
    return metadata_id("column", table.logical_name, column.name, *made)


def column_members(table: Table, column: Column, number: int) -> dict[str, Any]:
    """What all columns have: the members of AttributeMetadata itself."""
    names = ("column", table.logical_name, column.name)
    return {
        **_identity(table, column, number),
        **_flags(column),
        "CreatedOn": FIRST_MODIFIED if column.is_custom else PLATFORM_CREATED,
        "ModifiedOn": FIRST_MODIFIED,
        "SourceType": column.source_type,
        "AutoNumberFormat": "" if column.type == "String" else None,
        "Description": label("", *names, "description"),
        "DisplayName": label(column.display_name, *names, "name"),
        "AttributeTypeName": {"Value": f"{column.type}Type"},
        **_managed_properties(column),
        "Settings": [],
    }


def _is_writable(column: Column) -> bool:
    return column.writable and column.attribute_of is None


def _identity(table: Table, column: Column, number: int) -> dict[str, Any]:
    return {
        "MetadataId": column_id(table, column),
        "HasChanged": None,
        "AttributeOf": column.attribute_of,
        "AttributeType": "Virtual" if column.type in WITHOUT_TYPE_CODE else column.type,
        "ColumnNumber": number,
        "DeprecatedVersion": None,
        "IntroducedVersion": "1.0.0.0" if column.is_custom else "5.0.0.0",
        "EntityLogicalName": table.logical_name,
    }


def _flags(column: Column) -> dict[str, Any]:
    writable = _is_writable(column)
    return {
        "IsCustomAttribute": column.is_custom,
        "IsPrimaryId": column.is_primary_id,
        "IsValidODataAttribute": column.is_valid_odata,
        "IsPrimaryName": column.is_primary_name,
        "IsValidForCreate": writable,
        "IsValidForRead": column.readable,
        "IsValidForUpdate": writable and not column.is_primary_id,
        "CanBeSecuredForRead": column.is_custom,
        "CanBeSecuredForCreate": column.is_custom,
        "CanBeSecuredForUpdate": column.is_custom,
        "IsSecured": column.secured,
        "IsRetrievable": column.readable,
        "IsFilterable": False,
        "IsSearchable": False,
        "IsManaged": not column.is_custom,
        "LinkedAttributeId": None,
        "LogicalName": column.name,
        "IsValidForForm": writable,
        "IsRequiredForForm": False,
        "IsValidForGrid": column.attribute_of is None,
        "SchemaName": column.schema_name or column.name,
        "ExternalName": None,
        "IsLogical": column.is_logical,
        "IsDataSourceSecret": False,
        "InheritsFrom": None,
    }


def _managed_properties(column: Column) -> dict[str, Any]:
    return {
        "IsAuditEnabled": managed(_is_writable(column), "canmodifyauditsettings"),
        "IsGlobalFilterEnabled": managed(False, "canmodifyglobalfiltersettings"),
        "IsSortableEnabled": managed(False, "canmodifyissortablesettings"),
        "IsCustomizable": managed(True, "iscustomizable", False),
        "IsRenameable": managed(True, "isrenameable", False),
        "IsValidForAdvancedFind": managed(
            column.attribute_of is None, "canmodifysearchsettings", False
        ),
        "RequiredLevel": managed(
            column.required,
            "canmodifyrequirementlevelsettings",
            column.required != "SystemRequired",
        ),
        "CanModifyAdditionalSettings": managed(True, "canmodifyadditionalsettings"),
    }


COLUMN_MEMBERS = tuple(
    column_members(Table("", "", None, "", None, 0, ()), Column("", "Virtual"), 0)
)
"""Names of the members that all columns have."""


def own_members(column: Column) -> dict[str, Any]:
    """What the column's derived type adds."""
    return {name: _own(column, name) for name in OWN_MEMBERS.get(kind_of(column), ())}


def _own(column: Column, member: str) -> Any:
    if member == "ChildPicklistLogicalNames":
        return []
    derive = _DERIVED.get(member)
    return derive(column) if derive else _SAME_FOR_ALL.get(member)


def _bound(column: Column, lowest: bool) -> float | int | None:
    if column.type == "BigInt":
        return BIGINT_RANGE[0 if lowest else 1]
    value = column.min_value if lowest else column.max_value
    return int(value) if column.type == "Integer" and value is not None else value


def _format(column: Column) -> str | None:
    if column.type in ("String", "Memo", "Integer", "DateTime"):
        return column.format
    return "None" if kind_of(column) == "LookupAttributeMetadata" else None


_SAME_FOR_ALL: dict[str, Any] = {
    "ImeMode": "Auto",
    "IsLocalizable": False,
    "SourceTypeMask": 0,
    "MinSupportedValue": EARLIEST,
    "MaxSupportedValue": LATEST,
    "DefaultValue": False,
    "DefaultFormValue": -1,
    "MaxHeight": THUMBNAIL_SIDE,
    "MaxWidth": THUMBNAIL_SIDE,
}

_DERIVED: dict[str, Callable[[Column], Any]] = {
    "MaxValue": lambda column: _bound(column, lowest=False),
    "MinValue": lambda column: _bound(column, lowest=True),
    "Precision": lambda column: column.precision,
    "PrecisionSource": lambda column: column.precision_source,
    "CalculationOf": lambda column: column.calculation_of,
    "IsBaseCurrency": lambda column: column.calculation_of is not None,
    "Format": _format,
    "FormatName": lambda column: {"Value": column.format or "Text"},
    "MaxLength": lambda column: column.max_length,
    # Bytes in the database: two for each character.
    "DatabaseLength": lambda column: None if column.max_length is None else 2 * column.max_length,
    "FormulaDefinition": lambda column: None if column.source_type is None else "",
    "DateTimeBehavior": lambda column: {"Value": column.date_behavior or "UserLocal"},
    "CanChangeDateTimeBehavior": lambda column: managed(
        column.is_custom, "canmodifybehavior", column.is_custom
    ),
    "Targets": lambda column: list(column.targets),
    "MaxSizeInKB": lambda column: column.max_size_kb,
    "IsPrimaryImage": lambda column: column.name == "entityimage",
    "CanStoreFullImage": lambda column: column.is_custom,
}
