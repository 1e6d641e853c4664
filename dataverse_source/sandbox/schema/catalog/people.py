"""Who works in an organization: systemuser, team, businessunit and the owner above both."""

from dataverse_source.sandbox.schema.catalog.columns import (
    any_of,
    big,
    choice,
    float_,
    guid,
    image,
    key,
    lookup,
    memo,
    text,
    texts,
    whole,
    yes_no,
)
from dataverse_source.sandbox.schema.catalog.groups import (
    address,
    created_and_modified,
    imported,
    in_currency,
    in_process,
    table,
)

EMAIL_DELIVERY_IN = (
    "0=None;1=Microsoft Dynamics 365 for Outlook;2=Server-Side Synchronization or Email Router;"
    "3=Forward Mailbox"
)
EMAIL_DELIVERY_OUT = (
    "0=None;1=Microsoft Dynamics 365 for Outlook;2=Server-Side Synchronization or Email Router"
)
ACCESS_MODES = (
    "0=Read-Write;1=Administrative;2=Read;3=Support User;4=Non-interactive;5=Delegated Admin"
)
LICENCES = (
    "0=Professional;1=Administrative;2=Basic;3=Device Professional;4=Device Basic;5=Essential;"
    "6=Device Essential;7=Enterprise;8=Device Enterprise;9=Sales;10=Service;"
    "11=Field Service;12=Project Service"
)

OWNER = table(
    "Owner",
    None,
    7,
    key("OwnerId", "Owner"),
    text("Name", 160),
    text("YomiName", 160),
    big("VersionNumber"),
    ownership="None",
    is_logical_entity=True,
    change_tracking=False,
    can_change_tracking=False,
)

SYSTEMUSER = table(
    "SystemUser",
    "systemusers",
    8,
    key("SystemUserId", "User"),
    text("FullName", 200, writable=False),
    text("FirstName", 256, required="ApplicationRequired"),
    text("MiddleName", 50),
    text("LastName", 256, required="ApplicationRequired"),
    texts(64, "YomiFirstName YomiLastName YomiMiddleName"),
    text("YomiFullName", 200, writable=False),
    text("NickName", 50, "Nickname"),
    text("Salutation", 20),
    text("Title", 128),
    text("JobTitle", 100),
    text("DomainName", 1024, "User Name", required="SystemRequired"),
    text("InternalEMailAddress", 100, "Primary Email", "Email"),
    text("PersonalEMailAddress", 100, "Email 2", "Email"),
    text("MobileAlertEMail", 100, "Mobile Alert Email", "Email"),
    text("SharePointEmailAddress", 1024, "SharePoint Email Address"),
    text("WindowsLiveID", 1024, "Windows Live ID"),
    text("YammerEmailAddress", 200, "Yammer Email", "Email"),
    text("YammerUserId", 128),
    text("EmployeeId", 100, "Employee"),
    text("GovernmentId", 100, "Government"),
    texts(50, "HomePhone MobilePhone"),
    text("Skills", 100),
    text("PhotoUrl", 200, "Photo URL", "Url"),
    text("DisabledReason", 500, writable=False),
    text("DefaultOdbFolderName", 200, "Default OneDrive for Business Folder Name"),
    text("ApplicationIdUri", 1024),
    guid("ApplicationId", display_name="Application ID"),
    guid("AzureActiveDirectoryObjectId", display_name="Azure AD Object ID"),
    guid("OrganizationId"),
    choice("AccessMode", ACCESS_MODES),
    choice("CALType", LICENCES, display_name="License Type"),
    choice("EmailRouterAccessApproval", "0=Empty;1=Approved;2=Pending Approval;3=Rejected"),
    choice("IncomingEmailDeliveryMethod", EMAIL_DELIVERY_IN),
    choice("OutgoingEmailDeliveryMethod", EMAIL_DELIVERY_OUT),
    choice(
        "InviteStatusCode",
        "0=Invitation Not Sent;1=Invited;2=Invitation Near Expired;3=Invitation Expired;"
        "4=Invitation Accepted;5=Invitation Rejected;6=Invitation Revoked",
    ),
    choice("PreferredAddressCode", "1=Mailing Address;2=Other Address"),
    choice("PreferredEmailCode"),
    choice("PreferredPhoneCode", "1=Main Phone;2=Other Phone;3=Home Phone;4=Mobile Phone"),
    whole("IdentityId"),
    whole("PassportHi", 0.0, 1_000_000_000.0),
    whole("PassportLo", 0.0, 1_000_000_000.0),
    whole("UserLicenseType"),
    yes_no("DefaultFiltersPopulated"),
    yes_no("DisplayInServiceViews"),
    yes_no("IsDisabled", "0=Enabled;1=Disabled", display_name="Status"),
    yes_no("IsEmailAddressApprovedByO365Admin"),
    yes_no("IsIntegrationUser", display_name="Integration user mode"),
    yes_no("IsLicensed", display_name="User Licensed"),
    yes_no("IsSyncWithDirectory", display_name="User Synced"),
    yes_no("SetupUser", display_name="Restricted Access Mode"),
    image(),
    address(1),
    address(2),
    lookup("BusinessUnitId", "businessunit", "business_unit_system_users", cascade="Restrict"),
    lookup("ParentSystemUserId", "systemuser", "user_parent_user", yomi=True),
    lookup("TerritoryId", "territory", "territory_system_users"),
    lookup("SiteId", "site", "site_system_users"),
    lookup("PositionId", "position", "position_users"),
    lookup("QueueId", "queue", "queue_system_user"),
    lookup("CalendarId", "calendar", "calendar_system_users").alone(),
    lookup("DefaultMailbox", "mailbox", "systemuser_defaultmailbox_mailbox"),
    created_and_modified("systemuserbase"),
    imported(),
    in_currency("TransactionCurrency_SystemUser"),
    in_process(),
    primary_name="fullname",
    display_name="User",
    ownership="BusinessOwned",
)

TEAM = table(
    "Team",
    "teams",
    9,
    key("TeamId", "Team"),
    text("Name", 160, "Team Name", required="SystemRequired"),
    text("YomiName", 160, format_="PhoneticGuide"),
    text("EMailAddress", 100, "Email", "Email"),
    memo("Description"),
    guid("OrganizationId"),
    guid("AzureActiveDirectoryObjectId", display_name="Object Id for a group"),
    choice("TeamType", "0=Owner;1=Access;2=Security Group;3=Office Group"),
    choice(
        "MembershipType",
        "0=Members and guests;1=Members;2=Owners;3=Guests",
        display_name="Membership Type",
    ),
    yes_no("IsDefault", display_name="Is Default"),
    yes_no("SystemManaged", display_name="Is System Managed"),
    lookup("BusinessUnitId", "businessunit", "business_unit_teams", cascade="Restrict"),
    lookup("AdministratorId", "systemuser", "lk_teambase_administratorid", yomi=True),
    lookup("QueueId", "queue", "queue_team"),
    any_of(
        "RegardingObjectId",
        {"opportunity": "opportunity_Teams"},
        display_name="Regarding Object Id",
    ),
    created_and_modified("teambase"),
    imported()[:2],
    in_currency("TransactionCurrency_Team"),
    in_process(),
    ownership="BusinessOwned",
)

BUSINESSUNIT = table(
    "BusinessUnit",
    "businessunits",
    10,
    key("BusinessUnitId", "Business Unit"),
    text("Name", 160, required="SystemRequired"),
    memo("Description"),
    texts(100, "CostCenter DivisionName FileAsName"),
    text("DisabledReason", 500, writable=False),
    text("EMailAddress", 100, "Email", "Email"),
    text("FtpSiteUrl", 200, "FTP Site", "Url"),
    text("WebSiteUrl", 200, "Website", "Url"),
    text("StockExchange", 20),
    text("TickerSymbol", 10),
    memo("Picture", 1_073_741_823),
    float_("CreditLimit", 2, (0.0, 1_000_000_000.0)),
    guid("UserGroupId", is_valid_odata=False),
    whole("InheritanceMask", 0.0, 1_000_000_000.0),
    whole("UTCOffset", format_="TimeZone"),
    yes_no("IsDisabled", "0=Enabled;1=Disabled", display_name="Is Disabled"),
    yes_no("WorkflowSuspended"),
    tuple(
        part
        for number in (1, 2)
        for part in address(number)
        if not part.columns[0].name.endswith(("composite", "freighttermscode", "contactname"))
    ),
    lookup("ParentBusinessUnitId", "businessunit", "business_unit_parent_business_unit"),
    lookup("OrganizationId", "organization", "organization_business_units"),
    lookup("CalendarId", "calendar", "BusinessUnit_Calendar").alone(),
    created_and_modified("businessunitbase"),
    imported()[:2],
    in_currency("TransactionCurrency_BusinessUnit"),
    display_name="Business Unit",
    ownership="BusinessOwned",
)
