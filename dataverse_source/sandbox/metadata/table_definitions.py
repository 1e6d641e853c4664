"""EntityMetadata: a table as EntityDefinitions answers it."""

from __future__ import annotations

from typing import Any

from dataverse_source.sandbox.metadata.shapes import (
    FIRST_MODIFIED,
    PLATFORM_CREATED,
    label,
    managed,
    metadata_id,
)
from dataverse_source.sandbox.schema.tables import Table

# Bits of ActivityTypeMask; 1 marks a table as an activity.
ACTIVITY = 1
OWNER_IS_USER = 8
PRIVILEGES = ("Create", "Read", "Write", "Delete", "Assign", "Share", "Append", "AppendTo")


def table_members(table: Table) -> dict[str, Any]:
    """Everything about a table but its columns, keys and relationships."""
    return {
        **_features(table),
        **_flags(table),
        **_names(table),
        **_texts(table),
        **_managed_properties(table),
        "Privileges": _privileges(table),
        "Settings": [],
    }


def _is_standard(table: Table) -> bool:
    return table.table_type == "Standard" and not table.is_intersect


def _features(table: Table) -> dict[str, Any]:
    return {
        "MetadataId": table_id(table),
        "HasChanged": None,
        "ActivityTypeMask": ACTIVITY if table.is_activity else 0,
        "AutoRouteToOwnerQueue": False,
        "CanTriggerWorkflow": _is_standard(table),
        "EntityHelpUrlEnabled": False,
        "EntityHelpUrl": None,
        "IsDocumentManagementEnabled": False,
        "IsOneNoteIntegrationEnabled": False,
        "IsInteractionCentricEnabled": False,
        "IsKnowledgeManagementEnabled": False,
        "IsSLAEnabled": "slaid" in table.by_name,
        "IsBPFEntity": False,
        "IsDocumentRecommendationsEnabled": False,
        "IsMSTeamsIntegrationEnabled": False,
        "SettingOf": None,
        "DataProviderId": table.data_provider_id,
        "DataSourceId": None,
        "AutoCreateAccessTeams": False,
        "IsActivity": table.is_activity,
        "IsActivityParty": table.logical_name in ("account", "contact", "lead", "systemuser"),
        "IsRetrieveAuditEnabled": False,
        "IsRetrieveMultipleAuditEnabled": False,
        "IsArchivalEnabled": False,
        "IsRetentionEnabled": False,
        "ClusterMode": "Local",
    }


def _flags(table: Table) -> dict[str, Any]:
    standard = _is_standard(table)
    return {
        "IsAvailableOffline": standard,
        "IsChildEntity": False,
        "IsAIRUpdated": standard,
        "IconLargeName": None,
        "IconMediumName": None,
        "IconSmallName": None,
        "IconVectorName": None,
        "IsCustomEntity": table.is_custom,
        "IsBusinessProcessEnabled": "processid" in table.by_name,
        "SyncToExternalSearchIndex": False,
        "IsOptimisticConcurrencyEnabled": table.optimistic_concurrency,
        "ChangeTrackingEnabled": table.change_tracking,
        "IsImportable": standard,
        "IsIntersect": table.is_intersect,
        "IsManaged": not table.is_custom,
        "IsEnabledForCharts": standard,
        "IsEnabledForTrace": False,
        "IsValidForAdvancedFind": not table.is_private and table.entity_set_name is not None,
        "DaysSinceRecordLastModified": 0,
        "MobileOfflineFilters": None,
        "IsReadingPaneEnabled": True,
        "IsQuickCreateEnabled": False,
    }


def _names(table: Table) -> dict[str, Any]:
    image = next((c.name for c in table.columns if c.type == "Image"), None)
    plural = table.schema_name if table.is_intersect else f"{table.schema_name}s"
    return {
        "LogicalName": table.logical_name,
        "ObjectTypeCode": table.object_type_code,
        "OwnershipType": table.ownership,
        "PrimaryNameAttribute": table.primary_name,
        "PrimaryImageAttribute": image,
        "PrimaryIdAttribute": table.primary_id,
        "RecurrenceBaseEntityLogicalName": None,
        "ReportViewName": None if table.is_intersect else f"Filtered{table.schema_name}",
        "SchemaName": table.schema_name,
        "IntroducedVersion": "1.0.0.0" if table.is_custom else "5.0.0.0",
        "IsStateModelAware": "statecode" in table.by_name,
        "EnforceStateTransitions": False,
        "ExternalName": None,
        "EntityColor": None,
        "LogicalCollectionName": table.entity_set_name,
        "ExternalCollectionName": None,
        "CollectionSchemaName": plural,
        "EntitySetName": table.entity_set_name,
        "IsEnabledForExternalChannels": False,
        "IsPrivate": table.is_private,
        "UsesBusinessDataLabelTable": False,
        "IsLogicalEntity": table.is_logical_entity,
        "HasNotes": table.logical_name in ("account", "contact", "lead", "opportunity", "incident"),
        "HasActivities": table.logical_name
        in ("account", "contact", "lead", "opportunity", "incident"),
        "HasFeedback": False,
        "IsSolutionAware": False,
        "CreatedOn": FIRST_MODIFIED if table.is_custom else PLATFORM_CREATED,
        "ModifiedOn": FIRST_MODIFIED,
        "HasEmailAddresses": any(c.format == "Email" for c in table.columns),
        "OwnerId": None,
        "OwnerIdType": OWNER_IS_USER,
        "OwningBusinessUnit": None,
        "TableType": table.table_type,
    }


def _texts(table: Table) -> dict[str, Any]:
    name = table.logical_name
    shown, plural = table.display_name, table.collection_name
    return {
        "Description": label("", "table", name, "description"),
        "DisplayCollectionName": label(plural, "table", name, "plural"),
        "DisplayName": label(shown, "table", name, "name"),
    }


def _managed_properties(table: Table) -> dict[str, Any]:
    editable = table.table_type != "Virtual" and not table.is_intersect and not table.is_private
    return {
        "IsAuditEnabled": managed(False, "canmodifyauditsettings"),
        "IsValidForQueue": managed(False, "canmodifyqueuesettings"),
        "IsConnectionsEnabled": managed(editable, "canmodifyconnectionsettings"),
        "IsCustomizable": managed(editable, "iscustomizable", False),
        "IsRenameable": managed(editable, "isrenameable", False),
        "IsMappable": managed(editable, "ismappable", False),
        "IsDuplicateDetectionEnabled": managed(False, "canmodifyduplicatedetectionsettings"),
        "CanCreateAttributes": managed(editable, "cancreateattributes", False),
        "CanCreateForms": managed(editable, "cancreateforms", False),
        "CanCreateViews": managed(editable, "cancreateviews", False),
        "CanCreateCharts": managed(editable, "cancreatecharts", False),
        "CanBeRelatedEntityInRelationship": managed(
            editable, "canberelatedentityinrelationship", False
        ),
        "CanBePrimaryEntityInRelationship": managed(
            editable, "canbeprimaryentityinrelationship", False
        ),
        "CanBeInManyToMany": managed(editable, "canbeinmanytomany", False),
        "CanBeInCustomEntityAssociation": managed(
            editable, "canbeincustomentityassociation", False
        ),
        "CanEnableSyncToExternalSearchIndex": managed(
            editable, "canenablesynctoexternalsearchindex"
        ),
        "CanModifyAdditionalSettings": managed(editable, "canmodifyadditionalsettings"),
        "CanChangeHierarchicalRelationship": managed(
            False, "canchangehierarchicalrelationship", False
        ),
        "CanChangeTrackingBeEnabled": managed(
            table.can_change_tracking, "canchangetrackingbeenabled"
        ),
        "IsMailMergeEnabled": managed(editable, "canmodifymailmergesettings"),
        "IsVisibleInMobile": managed(editable, "canmodifymobilevisibility"),
        "IsVisibleInMobileClient": managed(editable, "canmodifymobileclientvisibility"),
        "IsReadOnlyInMobileClient": managed(False, "canmodifymobileclientreadonly"),
        "IsOfflineInMobileClient": managed(editable, "canmodifymobileclientoffline"),
    }


def _privileges(table: Table) -> list[dict[str, Any]]:
    if table.is_intersect or table.is_logical_entity:
        return []
    by_owner = table.ownership in ("UserOwned", "BusinessOwned")
    return [
        {
            "CanBeBasic": by_owner,
            "CanBeDeep": by_owner,
            "CanBeGlobal": True,
            "CanBeLocal": by_owner,
            "CanBeEntityReference": False,
            "CanBeParentEntityReference": False,
            "CanBeRecordFilter": False,
            "Name": f"prv{verb}{table.schema_name}",
            "PrivilegeId": metadata_id("privilege", verb, table.logical_name),
            "PrivilegeType": verb,
        }
        for verb in PRIVILEGES
    ]


def table_id(table: Table) -> str:
    """The MetadataId of a table."""
    return metadata_id("table", table.logical_name)
