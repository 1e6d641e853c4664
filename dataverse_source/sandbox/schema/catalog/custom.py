"""Tables that makers add, one for each kind that a client has to treat differently."""

from dataverse_source.sandbox.schema.catalog.columns import (
    big,
    choice,
    decimal,
    guid,
    key,
    lookup,
    memo,
    moment,
    money,
    one,
    state,
    status,
    text,
    whole,
)
from dataverse_source.sandbox.schema.catalog.groups import (
    created_and_modified,
    imported,
    in_currency,
    owned,
    table,
)
from dataverse_source.sandbox.schema.tables import AlternateKey

# DataProviderId of a virtual table: the id of the data provider that answers for it.
ODATA_V4_PROVIDER = "b2112a7e-b26c-42f7-9b63-9a809a9d716f"
# Elastic tables have the id that stands for "no provider of its own".
NO_PROVIDER = "7015a531-cc0d-4537-b5f2-c882a1eb65ad"

PROJECT = table(
    "new_Project",
    "new_projects",
    10_201,
    key("new_ProjectId", "Project"),
    text("new_Name", 100, "Name", required="ApplicationRequired"),
    text("new_Code", 40, "Project Code"),
    memo("new_Notes", 4000),
    one("new_Region", "Picklist", "Region", option_set="new_region"),
    choice("new_Stage", "100000000=Planned;100000001=Running;100000002=Done"),
    moment("new_StartsOn", "DateOnly", "DateOnly", display_name="Starts On"),
    whole("new_EffortMinutes", 0.0, format_="Duration", display_name="Effort"),
    decimal("new_Progress", 4, (0.0, 1.0)),
    money("new_Budget", precision_source=1),
    lookup("new_AccountId", "account", "new_account_new_project_AccountId"),
    lookup("new_ManagerId", "systemuser", "new_systemuser_new_project_ManagerId"),
    state(),
    status(),
    created_and_modified("new_project"),
    imported(),
    in_currency("TransactionCurrency_new_Project"),
    owned("new_project"),
    primary_name="new_name",
    keys=(AlternateKey("new_ProjectCode", ("new_code",)),),
    is_custom=True,
)

LEDGER_ENTRY = table(
    "new_LedgerEntry",
    "new_ledgerentries",
    10_202,
    key("new_LedgerEntryId", "Ledger Entry"),
    text("new_Name", 100, "Name"),
    money("new_Amount").alone(),
    moment("new_BookedOn", "TimeZoneIndependent", display_name="Booked On"),
    big("VersionNumber").with_(writable=False),
    primary_name="new_name",
    collection_name="Ledger Entries",
    ownership="OrganizationOwned",
    change_tracking=False,
    is_custom=True,
)

SETTING = table(
    "new_Setting",
    "new_settings",
    10_203,
    key("new_SettingId", "Setting"),
    text("new_Name", 100, "Name"),
    memo("new_Value", 10_000),
    state(),
    status(),
    created_and_modified("new_setting"),
    imported(),
    primary_name="new_name",
    ownership="OrganizationOwned",
    change_tracking=False,
    is_custom=True,
)

ARCHIVE = table(
    "new_Archive",
    "new_archiveset",
    10_204,
    key("new_ArchiveId", "Archive"),
    text("new_Name", 100, "Name"),
    created_and_modified("new_archive"),
    imported(),
    owned("new_archive"),
    primary_name="new_name",
    is_custom=True,
)

SENSOR_READING = table(
    "new_SensorReading",
    "new_sensorreadings",
    10_205,
    key("new_SensorReadingId", "Sensor Reading"),
    text("new_Name", 100, "Name"),
    text("new_DeviceId", 100, "Device"),
    text("PartitionId", 100, "Partition Id"),
    whole("TTLInSeconds", 0.0, display_name="Time to live"),
    memo("new_Payload", 1_048_576).with_(format="Json"),
    decimal("new_Value", 4),
    moment("new_MeasuredOn", display_name="Measured On"),
    created_and_modified("new_sensorreading"),
    imported(),
    owned("new_sensorreading"),
    primary_name="new_name",
    table_type="Elastic",
    data_provider_id=NO_PROVIDER,
    change_tracking=False,
    keys=(AlternateKey("KeyForNoSqlEntityWithPKPartitionId",
                       ("new_sensorreadingid", "partitionid")),),
    is_custom=True,
)  # fmt: skip

EXTERNAL_PRODUCT = table(
    "new_ExternalProduct",
    "new_externalproducts",
    10_206,
    key("new_ExternalProductId", "External Product"),
    text("new_Name", 100, "Name"),
    text("new_Sku", 40, "SKU"),
    decimal("new_Price", 2),
    guid("new_CatalogId", display_name="Catalog"),
    primary_name="new_name",
    table_type="Virtual",
    data_provider_id=ODATA_V4_PROVIDER,
    ownership="OrganizationOwned",
    change_tracking=False,
    can_change_tracking=False,
    optimistic_concurrency=False,
    is_custom=True,
)

ACCESS = table(
    "PrincipalObjectAccess",
    "principalobjectaccessset",
    11,
    key("PrincipalObjectAccessId"),
    whole("AccessRightsMask"),
    whole("InheritedAccessRightsMask"),
    guid("ObjectId"),
    guid("PrincipalId"),
    moment("ChangedOn"),
    big("VersionNumber"),
    primary_name=None,
    ownership="None",
    change_tracking=False,
    can_change_tracking=False,
    is_private=True,
)
