"""The fixed part of ``$metadata``: functions that are answered, their types, and terms."""

TERMS = """\
<Term Name="associatednavigationproperty" Type="Edm.String" AppliesTo="PropertyValue" />
<Term Name="lookuplogicalname" Type="Edm.String" AppliesTo="PropertyValue" />"""

ENUM_TYPES = """\
<EnumType Name="EndpointAccessType">
<Member Name="Default" Value="0" />
<Member Name="Internet" Value="1" />
<Member Name="Intranet" Value="2" />
</EnumType>
<EnumType Name="OrganizationState">
<Member Name="Enabled" Value="0" />
<Member Name="Disabled" Value="1" />
</EnumType>"""

COMPLEX_TYPES = """\
<ComplexType Name="BooleanManagedProperty">
<Property Name="Value" Type="Edm.Boolean" Nullable="false" />
<Property Name="CanBeChanged" Type="Edm.Boolean" Nullable="false" />
<Property Name="ManagedPropertyLogicalName" Type="Edm.String" Unicode="false" />
</ComplexType>
<ComplexType Name="WhoAmIResponse">
<Property Name="BusinessUnitId" Type="Edm.Guid" />
<Property Name="UserId" Type="Edm.Guid" />
<Property Name="OrganizationId" Type="Edm.Guid" />
</ComplexType>
<ComplexType Name="RetrieveVersionResponse">
<Property Name="Version" Type="Edm.String" Unicode="false" />
</ComplexType>
<ComplexType Name="EntityRecordCountCollection">
<Property Name="Count" Type="Edm.Int32" />
<Property Name="IsReadOnly" Type="Edm.Boolean" />
<Property Name="Keys" Type="Collection(Edm.String)" Nullable="false" Unicode="false" />
<Property Name="Values" Type="Collection(Edm.Int64)" Nullable="false" />
</ComplexType>
<ComplexType Name="RetrieveTotalRecordCountResponse">
<Property Name="EntityRecordCountCollection" Type="mscrm.EntityRecordCountCollection" />
</ComplexType>
<ComplexType Name="OrganizationDetail" OpenType="true">
<Property Name="OrganizationId" Type="Edm.Guid" />
<Property Name="FriendlyName" Type="Edm.String" Unicode="false" />
<Property Name="OrganizationVersion" Type="Edm.String" Unicode="false" />
<Property Name="UrlName" Type="Edm.String" Unicode="false" />
<Property Name="UniqueName" Type="Edm.String" Unicode="false" />
<Property Name="State" Type="mscrm.OrganizationState" />
</ComplexType>
<ComplexType Name="RetrieveCurrentOrganizationResponse">
<Property Name="Detail" Type="mscrm.OrganizationDetail" />
</ComplexType>
<ComplexType Name="EntityQueryExpression" OpenType="true" />
<ComplexType Name="RetrieveMetadataChangesResponse" OpenType="true">
<Property Name="ServerVersionStamp" Type="Edm.String" Unicode="false" />
</ComplexType>"""

FUNCTIONS = """\
<Function Name="WhoAmI">
<ReturnType Type="mscrm.WhoAmIResponse" Nullable="false" />
</Function>
<Function Name="RetrieveVersion">
<ReturnType Type="mscrm.RetrieveVersionResponse" Nullable="false" />
</Function>
<Function Name="RetrieveTotalRecordCount">
<Parameter Name="EntityNames" Type="Collection(Edm.String)" Nullable="false" Unicode="false" />
<ReturnType Type="mscrm.RetrieveTotalRecordCountResponse" Nullable="false" />
</Function>
<Function Name="RetrieveCurrentOrganization">
<Parameter Name="AccessType" Type="mscrm.EndpointAccessType" Nullable="false" />
<ReturnType Type="mscrm.RetrieveCurrentOrganizationResponse" Nullable="false" />
</Function>
<Function Name="RetrieveMetadataChanges">
<Parameter Name="Query" Type="mscrm.EntityQueryExpression" />
<Parameter Name="DeletedMetadataFilters" Type="Edm.String" />
<Parameter Name="ClientVersionStamp" Type="Edm.String" Unicode="false" />
<ReturnType Type="mscrm.RetrieveMetadataChangesResponse" Nullable="false" />
</Function>"""
