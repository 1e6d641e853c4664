"""RelationshipMetadata and alternate keys, as metadata answers them."""

from __future__ import annotations

from typing import Any

from dataverse_source.sandbox.metadata.shapes import NO_ID, Item, label, managed, metadata_id
from dataverse_source.sandbox.schema.tables import AlternateKey, ManyToMany, OneToMany, Table

ONE_TO_MANY = "OneToManyRelationshipMetadata"
MANY_TO_MANY = "ManyToManyRelationshipMetadata"
KEY = "EntityKeyMetadata"


def one_to_many(relationship: OneToMany, *, custom: bool = False, typed: bool = False) -> Item:
    """A 1:N relationship; ``custom`` when its lookup column is."""
    name = relationship.schema_name
    members: dict[str, Any] = {
        "MetadataId": metadata_id("relationship", name),
        "HasChanged": None,
        "IsCustomRelationship": custom,
        "IsValidForAdvancedFind": True,
        "SchemaName": name,
        "SecurityTypes": "Append",
        "IsManaged": not custom,
        "RelationshipType": "OneToManyRelationship",
        "IntroducedVersion": "5.0.0.0",
        "ReferencedAttribute": relationship.referenced_attribute,
        "ReferencedEntity": relationship.referenced,
        "ReferencingAttribute": relationship.referencing_attribute,
        "ReferencingEntity": relationship.referencing,
        "IsHierarchical": False,
        "EntityKey": None,
        "IsRelationshipAttributeDenormalized": False,
        "ReferencedEntityNavigationPropertyName": relationship.referenced_navigation,
        "ReferencingEntityNavigationPropertyName": relationship.referencing_navigation,
        "RelationshipBehavior": 1,
        "IsDenormalizedLookup": None,
        "DenormalizedAttributeName": None,
        "IsCustomizable": managed(True, "iscustomizable", False),
        "AssociatedMenuConfiguration": _menu(),
        "CascadeConfiguration": {
            "Assign": "NoCascade",
            "Delete": relationship.cascade_delete,
            "Archive": "NoCascade",
            "Merge": "NoCascade",
            "Reparent": "NoCascade",
            "Share": "NoCascade",
            "Unshare": "NoCascade",
            "RollupView": "NoCascade",
        },
        "RelationshipAttributes": [],
    }
    return Item(ONE_TO_MANY, members, typed=typed)


def many_to_many(relationship: ManyToMany, *, typed: bool = False) -> Item:
    """An N:N relationship."""
    members: dict[str, Any] = {
        "MetadataId": metadata_id("relationship", relationship.schema_name),
        "HasChanged": None,
        "IsCustomRelationship": False,
        "IsValidForAdvancedFind": True,
        "SchemaName": relationship.schema_name,
        "SecurityTypes": "None",
        "IsManaged": True,
        "RelationshipType": "ManyToManyRelationship",
        "IntroducedVersion": "5.0.0.0",
        "Entity1LogicalName": relationship.table1,
        "Entity2LogicalName": relationship.table2,
        "IntersectEntityName": relationship.intersect,
        "Entity1IntersectAttribute": relationship.intersect_attribute1,
        "Entity2IntersectAttribute": relationship.intersect_attribute2,
        "Entity1NavigationPropertyName": relationship.navigation1,
        "Entity2NavigationPropertyName": relationship.navigation2,
        "IsCustomizable": managed(True, "iscustomizable", False),
        "Entity1AssociatedMenuConfiguration": _menu(),
        "Entity2AssociatedMenuConfiguration": _menu(),
    }
    return Item(MANY_TO_MANY, members, typed=typed)


def alternate_key(table: Table, key: AlternateKey) -> Item:
    """An alternate key."""
    members: dict[str, Any] = {
        "MetadataId": metadata_id("key", table.logical_name, key.name),
        "HasChanged": None,
        "IsManaged": not table.is_custom,
        "IntroducedVersion": "1.0.0.0",
        "EntityLogicalName": table.logical_name,
        "KeyAttributes": list(key.columns),
        "LogicalName": key.name.lower(),
        "SchemaName": key.name,
        "EntityKeyIndexStatus": "Active",
        "IsExportKey": False,
        "IsSynchronous": False,
        "IsSecondaryKey": False,
        "DisplayName": label(key.name, "key", table.logical_name, key.name),
        "IsCustomizable": managed(True, "iscustomizable", False),
    }
    return Item(KEY, members)


def _menu() -> dict[str, Any]:
    return {
        "Behavior": "DoNotDisplay",
        "Group": "Details",
        "Order": None,
        "IsCustomizable": False,
        "Icon": None,
        "ViewId": NO_ID,
        "AvailableOffline": True,
        "MenuId": None,
        "QueryApi": None,
        "Label": {"LocalizedLabels": [], "UserLocalizedLabel": None},
    }
