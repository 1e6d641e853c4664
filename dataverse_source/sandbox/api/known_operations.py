"""Names of Dataverse's functions and actions: those that the sandbox lacks answer 501.

Sources: docs pages "Web API Function Reference" and "Web API Action Reference".
"""

from __future__ import annotations

from dataverse_source.sandbox.http.messages import DataverseFault
from dataverse_source.sandbox.query.collection.function_calls import NAMESPACE
from dataverse_source.sandbox.query.syntax.addresses import Segment

FUNCTIONS = frozenset(
    name
    for line in """
    CalculateRollupField CalculateTotalTimeIncident CheckIncomingEmail CheckPromoteEmail
    DownloadReportDefinition ExecuteCosmosSqlQuery ExpandCalendar ExportFieldTranslation
    FetchXmlToQueryExpression FindParentResourceGroup FormatAddress
    GetAllTimeZonesWithDisplayName GetAutoNumberSeed GetDefaultPriceLevel
    GetDistinctValuesImportFile GetFileSasUrl GetHeaderColumnsImportFile GetJobStatus
    GetNextAutoNumberValue GetQuantityDecimal GetReportHistoryLimit
    GetTimeZoneCodeByLocalizedName GetValidManyToMany GetValidReferencedEntities
    GetValidReferencingEntities IncrementKnowledgeArticleViewCount InitializeFrom
    IsComponentCustomizable IsDataEncryptionActive IsValidStateTransition LocalTimeFromUtcTime
    QueryExpressionToFetchXml QueryMultipleSchedules QuerySchedule
    RetrieveAbsoluteAndSiteCollectionUrl RetrieveActivePath RetrieveAllChildUsersSystemUser
    RetrieveAllEntities RetrieveAnalyticsStoreDetails RetrieveAppComponents RetrieveAppSetting
    RetrieveAppSettingList RetrieveApplicationRibbon RetrieveAttributeChangeHistory
    RetrieveAuditDetails RetrieveAuditPartitionList RetrieveAvailableLanguages
    RetrieveBusinessHierarchyBusinessUnit RetrieveByGroupResource
    RetrieveByResourceResourceGroup RetrieveByResourcesService
    RetrieveByTopIncidentProductKbArticle RetrieveByTopIncidentSubjectKbArticle
    RetrieveChannelAccessProfilePrivileges RetrieveCurrentOrganization
    RetrieveDataEncryptionKey RetrieveDependenciesForDelete RetrieveDependenciesForUninstall
    RetrieveDependentComponents RetrieveDeploymentLicenseType RetrieveDeprovisionedLanguages
    RetrieveDuplicates RetrieveEntity RetrieveEntityRibbon RetrieveExchangeAppointments
    RetrieveExchangeRate RetrieveFilteredForms RetrieveFormattedImportJobResults
    RetrieveInstalledLanguagePackVersion RetrieveInstalledLanguagePacks RetrieveLicenseInfo
    RetrieveLocLabels RetrieveMailboxTrackingFolders RetrieveMembersBulkOperation
    RetrieveMetadataChanges RetrieveMissingComponents RetrieveMissingDependencies
    RetrieveOrganizationInfo RetrieveOrganizationResources RetrieveParentGroupsResourceGroup
    RetrieveParsedDataImportFile RetrievePersonalWall RetrievePrincipalAccess
    RetrievePrincipalAccessInfo RetrievePrincipalAttributePrivileges
    RetrievePrincipalSyncAttributeMappings RetrievePrivilegeSet RetrieveProcessInstances
    RetrieveProductProperties RetrieveProvisionedLanguagePackVersion
    RetrieveProvisionedLanguages RetrieveRecordChangeHistory RetrieveRecordWall
    RetrieveRequiredComponents RetrieveRolePrivilegesRole RetrieveSharedPrincipalsAndAccess
    RetrieveSubGroupsResourceGroup RetrieveTeamPrivileges RetrieveTimelineWallRecords
    RetrieveTimestamp RetrieveTotalRecordCount RetrieveUnpublished RetrieveUnpublishedMultiple
    RetrieveUserLicenseInfo RetrieveUserPrivilegeByPrivilegeId
    RetrieveUserPrivilegeByPrivilegeName RetrieveUserPrivileges RetrieveUserQueues
    RetrieveUsersPrivilegesThroughTeams RetrieveVersion Rollup Search SearchByBodyKbArticle
    SearchByKeywordsKbArticle SearchByTitleKbArticle UtcTimeFromLocalTime ValidateApp
    ValidateFetchXmlExpression ValidateRecurrenceRule WhoAmI
    """.splitlines()
    for name in line.split()
)

ACTIONS = frozenset(
    name
    for line in """
    AddAppComponents AddChannelAccessProfilePrivileges AddItemCampaign AddItemCampaignActivity
    AddListMembersList AddMemberList AddMembersTeam AddPrincipalToQueue AddPrivilegesRole
    AddRecurrence AddSolutionComponent AddToQueue AddUserToRecordTeam
    ApplyRecordCreationAndUpdateRule ApplyRoutingRule AutoMapEntity BackgroundSendEmail Book
    BulkDelete BulkDetectDuplicates BulkRetain CalculateActualValueOpportunity CalculatePrice
    CanBeReferenced CanBeReferencing CanManyToMany CancelContract CancelSalesOrder
    CloneAsPatch CloneAsSolution CloneContract CloneMobileOfflineProfile CloneProduct
    CloseIncident CloseQuote CommitAnnotationBlocksUpload CommitAttachmentBlocksUpload
    CommitFileBlocksUpload CompoundUpdateDuplicateDetectionRule ConvertOwnerTeamToAccessTeam
    ConvertProductToKit ConvertQuoteToSalesOrder ConvertSalesOrderToInvoice CopyCampaign
    CopyCampaignResponse CopyDynamicListToStatic CopyMembersList CopySystemForm
    CreateActivitiesList CreateCustomerRelationships CreateException CreateInstance
    CreateKnowledgeArticleTranslation CreateKnowledgeArticleVersion CreateMultiple
    CreateWorkflowFromTemplate DeleteAndPromote DeleteAuditData DeleteFile DeleteMultiple
    DeleteOpenInstances DeleteOptionValue DeleteRecordChangeHistory
    DeliverImmediatePromoteEmail DeliverIncomingEmail DeliverPromoteEmail DeprovisionLanguage
    DistributeCampaignActivity DownloadBlock DownloadSolutionExportData ExecuteWorkflow
    ExportMappingsImportMap ExportSolution ExportSolutionAsync ExportTranslation
    FulfillSalesOrder FullTextSearchKnowledgeArticle GenerateInvoiceFromOpportunity
    GenerateQuoteFromOpportunity GenerateSalesOrderFromOpportunity GenerateSocialProfile
    GetInvoiceProductsFromOpportunity GetQuoteProductsFromOpportunity
    GetSalesOrderProductsFromOpportunity GetTrackingTokenEmail GrantAccess
    ImportFieldTranslation ImportMappingsImportMap ImportRecordsImport ImportSolution
    ImportSolutionAsync ImportTranslation InitializeAnnotationBlocksDownload
    InitializeAnnotationBlocksUpload InitializeAttachmentBlocksDownload
    InitializeAttachmentBlocksUpload InitializeFileBlocksDownload InitializeFileBlocksUpload
    InsertOptionValue InsertStatusValue InstallSampleData InstantiateFilters
    InstantiateTemplate LockInvoicePricing LockSalesOrderPricing LoseOpportunity Merge
    ModifyAccess OrderOption ParseImport PickFromQueue ProcessInboundEmail
    PropagateByExpression ProvisionLanguage ProvisionLanguageAsync PublishAllXml
    PublishDuplicateRule PublishProductHierarchy PublishTheme PublishXml QualifyLead
    QualifyMemberList ReactivateEntityKey ReassignObjectsOwner ReassignObjectsSystemUser
    Recalculate RecalculatePrice ReleaseToQueue RemoveActiveCustomizations RemoveAppComponents
    RemoveFromQueue RemoveItemCampaign RemoveItemCampaignActivity RemoveMemberList
    RemoveMembersTeam RemoveParent RemovePrivilegeRole RemoveSolutionComponent
    RemoveUserFromRecordTeam RenewContract RenewEntitlement ReplacePrivilegesRole Reschedule
    ResetUserFilters RevertProduct ReviseQuote RevokeAccess RouteTo SaveAppSetting
    SendBulkMail SendEmail SendEmailFromTemplate SendFax SendTemplate SetAutoNumberSeed
    SetBusinessEquipment SetBusinessSystemUser SetDataEncryptionKey SetFeatureStatus
    SetLocLabels SetParentSystemUser SetProcess SetReportRelated StageAndUpgrade StageSolution
    SyncBulkOperation TransformImport TriggerServiceEndpointCheck UninstallSampleData
    UninstallSolutionAsync UnlockInvoicePricing UnlockSalesOrderPricing UnpublishDuplicateRule
    UpdateFeatureConfig UpdateMultiple UpdateOptionValue UpdateProductProperties
    UpdateSolutionComponent UpdateStateValue UploadBlock UpsertMultiple Validate ValidateApp
    ValidateSavedQuery WinOpportunity WinQuote
    """.splitlines()
    for name in line.split()
)


def refuse_lacking(segments: list[Segment]) -> None:
    """Refuses a function or action that the sandbox does not have.

    Raises:
        DataverseFault: 501. A name that is no function or action passes.
    """
    for segment in segments:
        name = segment.name.removeprefix(NAMESPACE)
        if name in FUNCTIONS:
            raise DataverseFault(501, "0x8006088a", f"The sandbox has no function {name} yet.")
        if name in ACTIONS:
            raise DataverseFault(501, "0x8006088a", f"The sandbox has no action {name} yet.")
