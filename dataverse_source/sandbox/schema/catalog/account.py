"""The table account: companies that are customers, as Dynamics 365 Sales has it."""

from dataverse_source.sandbox.schema.catalog.columns import (
    any_of,
    choice,
    choices,
    decimal,
    file,
    guid,
    image,
    key,
    lookup,
    memo,
    moment,
    money,
    rollup,
    state,
    status,
    text,
    texts,
    whole,
    yes_no,
)
from dataverse_source.sandbox.schema.catalog.groups import (
    ADDRESS_TYPES,
    FREIGHT_TERMS,
    SHIPPING_METHODS,
    address,
    created_and_modified,
    imported,
    in_currency,
    in_process,
    owned,
    table,
)

ALLOW = "0=Allow;1=Do Not Allow"
INDUSTRIES = (
    "1=Accounting;2=Agriculture and Non-petrol Natural Resource Extraction;"
    "3=Broadcasting Printing and Publishing;4=Brokers;5=Building Supply Retail;"
    "6=Business Services;7=Consulting;8=Consumer Services;"
    "9=Design, Direction and Creative Management;10=Distributors, Dispatchers and Processors;"
    "11=Doctor's Offices and Clinics;12=Durable Manufacturing;13=Eating and Drinking Places;"
    "14=Entertainment Retail;15=Equipment Rental and Leasing;16=Financial;"
    "17=Food and Tobacco Processing;18=Inbound Capital Intensive Processing;"
    "19=Inbound Repair and Services;20=Insurance;21=Legal Services;"
    "22=Non-Durable Merchandise Retail;23=Outbound Consumer Service;"
    "24=Petrochemical Extraction and Distribution;25=Service Retail;26=SIG Affiliations;"
    "27=Social Services;28=Special Outbound Trade Contractors;29=Specialty Realty;"
    "30=Transportation;31=Utility Creation and Distribution;32=Vehicle Retail;33=Wholesale"
)
CUSTOMER_TYPES = (
    "1=Competitor;2=Consultant;3=Customer;4=Investor;5=Partner;6=Influencer;7=Press;"
    "8=Prospect;9=Reseller;10=Supplier;11=Vendor;12=Other"
)
PAYMENT_TERMS = "1=Net 30;2=2% 10, Net 30;3=Net 45;4=Net 60"
WEEKDAYS = "0=Sunday;1=Monday;2=Tuesday;3=Wednesday;4=Thursday;5=Friday;6=Saturday"
TIMES_OF_DAY = "1=Morning;2=Afternoon;3=Evening"
CONTACT_METHODS = "1=Any;2=Email;3=Phone;4=Fax;5=Mail"

ACCOUNT = table(
    "Account",
    "accounts",
    1,
    key("AccountId", "Account"),
    text("Name", 160, "Account Name", required="ApplicationRequired"),
    text("YomiName", 160, "Yomi Account Name", "PhoneticGuide"),
    text("AccountNumber", 20),
    choice("AccountCategoryCode", "1=Preferred Customer;2=Standard", display_name="Category"),
    choice("AccountClassificationCode", display_name="Classification"),
    choice("AccountRatingCode"),
    choice("BusinessTypeCode"),
    choice("CustomerSizeCode"),
    choice("CustomerTypeCode", CUSTOMER_TYPES, display_name="Relationship Type"),
    choice("IndustryCode", INDUSTRIES, display_name="Industry"),
    choice("OwnershipCode", "1=Public;2=Private;3=Subsidiary;4=Other"),
    choice("PaymentTermsCode", PAYMENT_TERMS),
    choice("PreferredAppointmentDayCode", WEEKDAYS, display_name="Preferred Day"),
    choice("PreferredAppointmentTimeCode", TIMES_OF_DAY, display_name="Preferred Time"),
    choice("PreferredContactMethodCode", CONTACT_METHODS),
    choice("ShippingMethodCode"),
    choice("TerritoryCode"),
    state(),
    status(),
    memo("Description"),
    text("EMailAddress1", 100, "Email", "Email"),
    text("EMailAddress2", 100, "Email Address 2", "Email"),
    text("EMailAddress3", 100, "Email Address 3", "Email"),
    texts(50, "Fax Telephone1 Telephone2 Telephone3"),
    text("FtpSiteURL", 200, "FTP Site", "Url"),
    text("WebSiteURL", 200, "Website", "Url"),
    text("SIC", 20, "SIC Code"),
    text("StockExchange", 20),
    text("TickerSymbol", 10, "Ticker Symbol", "TickerSymbol"),
    text("PrimarySatoriId", 200, "Primary Satori ID"),
    text("PrimaryTwitterId", 128, "Primary Twitter ID"),
    text("TimeSpentByMeOnEmailAndMeetings", 1250, "Time Spent by me", writable=False),
    whole("NumberOfEmployees", 0.0, 1_000_000_000.0),
    whole("SharesOutstanding", 0.0, 1_000_000_000.0),
    whole("OnHoldTime", display_name="On Hold Time (Minutes)").with_(writable=False),
    moment("LastOnHoldTime"),
    moment("LastUsedInCampaign", format_="DateOnly", display_name="Last Date Included in Campaign"),
    money("Aging30", low=0.0, writable=False),
    money("Aging60", low=0.0, writable=False),
    money("Aging90", low=0.0, writable=False),
    money("CreditLimit"),
    money("MarketCap", display_name="Market Capitalization"),
    money("Revenue", display_name="Annual Revenue"),
    rollup(whole("OpenDeals", display_name="Open Deals")),
    rollup(money("OpenRevenue", display_name="Open Revenue")),
    yes_no("CreditOnHold", display_name="Credit Hold"),
    yes_no("DoNotBulkEMail", ALLOW, display_name="Do not allow Bulk Emails"),
    yes_no("DoNotBulkPostalMail", display_name="Do not allow Bulk Mails"),
    yes_no("DoNotEMail", ALLOW, display_name="Do not allow Emails"),
    yes_no("DoNotFax", ALLOW, display_name="Do not allow Faxes"),
    yes_no("DoNotPhone", ALLOW, display_name="Do not allow Phone Calls"),
    yes_no("DoNotPostalMail", ALLOW, display_name="Do not allow Mails"),
    yes_no("DoNotSendMM", "0=Send;1=Do Not Send", display_name="Send Marketing Materials"),
    yes_no("FollowEmail", "0=Do Not Allow;1=Allow", display_name="Follow Email Activity"),
    yes_no("MarketingOnly"),
    yes_no("Merged", writable=False),
    yes_no("ParticipatesInWorkflow"),
    image(),
    address(1, ADDRESS_TYPES, FREIGHT_TERMS, SHIPPING_METHODS),
    address(2),
    lookup("MasterId", "account", "account_master_account").with_(writable=False),
    lookup("ParentAccountId", "account", "account_parent_account", yomi=True),
    lookup("PrimaryContactId", "contact", "account_primary_contact", yomi=True),
    lookup("PreferredSystemUserId", "systemuser", "system_user_accounts", yomi=True),
    lookup("TerritoryId", "territory", "territory_accounts"),
    lookup("DefaultPriceLevelId", "pricelevel", "price_level_accounts"),
    lookup("PreferredServiceId", "service", "service_accounts"),
    lookup("PreferredEquipmentId", "equipment", "equipment_accounts"),
    lookup("OriginatingLeadId", "lead", "account_originating_lead", yomi=True),
    lookup("SLAId", "sla", "manualsla_account", navigation="sla_account_sla"),
    lookup("SLAInvokedId", "sla", "sla_account", navigation="slainvokedid_account_sla"),
    # What a maker adds: one column of each type that the platform's own columns leave out.
    any_of(
        "new_BillingCustomerId",
        {
            "account": "new_account_billingcustomer_account",
            "contact": "new_account_billingcustomer_contact",
        },
        type_="Customer",
    ),
    choices(
        "new_Interests",
        "100000000=Hardware;100000001=Software;100000002=Training;100000003=Support",
    ),
    moment("new_FoundedOn", "DateOnly", "DateOnly", display_name="Founded On"),
    moment("new_OpeningTime", "TimeZoneIndependent", display_name="Opening Time"),
    decimal("new_DiscountRate", 10),
    money("new_ContractValue", precision_source=0).with_(precision=4),
    text("new_TaxNumber", 40, secured=True),
    decimal("new_RevenuePerEmployee", 2, source_type=1, writable=False),
    text("new_Summary", 4000, source_type=3, writable=False),
    file("new_Contract"),
    guid("new_ExternalId", display_name="External Id"),
    created_and_modified("accountbase"),
    imported(),
    in_currency("transactioncurrency_account"),
    in_process(),
    owned("accounts"),
)
