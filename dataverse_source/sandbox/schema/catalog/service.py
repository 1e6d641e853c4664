"""What customer service works with: incident, and the small tables that others point at."""

from dataverse_source.sandbox.schema.catalog.columns import (
    any_of,
    choice,
    float_,
    image,
    key,
    lookup,
    memo,
    moment,
    one,
    state,
    status,
    text,
    whole,
    yes_no,
    yes_nos,
)
from dataverse_source.sandbox.schema.catalog.groups import (
    Draft,
    created_and_modified,
    imported,
    in_currency,
    in_process,
    owned,
    table,
)

SLA_STATUS = "1=In Progress;2=Nearing Noncompliance;3=Succeeded;4=Noncompliant"

INCIDENT = table(
    "Incident",
    "incidents",
    112,
    key("IncidentId", "Case"),
    text("Title", 200, "Case Title", required="ApplicationRequired"),
    text("TicketNumber", 100, "Case Number"),
    text("EmailAddress", 100, "Email Address", "Email"),
    text("ProductSerialNumber", 100, "Serial Number"),
    memo("Description"),
    one("CaseOriginCode", "Picklist", "Origin", option_set="incident_caseorigincode"),
    choice("CaseTypeCode", "1=Question;2=Problem;3=Request"),
    choice("ContractServiceLevelCode", "1=Gold;2=Silver;3=Bronze", display_name="Service Level"),
    choice(
        "CustomerSatisfactionCode",
        "5=Very Satisfied;4=Satisfied;3=Neutral;2=Dissatisfied;1=Very Dissatisfied",
        display_name="Satisfaction",
    ),
    choice("FirstResponseSLAStatus", SLA_STATUS),
    choice("IncidentStageCode"),
    choice("MessageTypeCode", "0=Public Message;1=Private Message"),
    choice("PriorityCode", "1=High;2=Normal;3=Low"),
    choice("ResolveBySLAStatus", SLA_STATUS),
    choice("ServiceStage", "0=Identify;1=Research;2=Resolve"),
    choice("SeverityCode"),
    state("0=Active;1=Resolved;2=Cancelled"),
    status(
        "1:0=In Progress;2:0=On Hold;3:0=Waiting for Details;4:0=Researching;"
        "5:1=Problem Solved;1000:1=Information Provided;6:2=Cancelled;2000:2=Merged"
    ),
    whole("ActualServiceUnits", 0.0, 1_000_000_000.0),
    whole("BilledServiceUnits", 0.0, 1_000_000_000.0),
    whole("NumberOfChildIncidents", writable=False),
    whole("OnHoldTime", display_name="On Hold Time (Minutes)").with_(writable=False),
    float_("InfluenceScore", 2),
    float_("SentimentValue", 2),
    moment("EscalatedOn").with_(writable=False),
    moment("FollowupBy", format_="DateOnly"),
    moment("LastOnHoldTime"),
    moment("ResolveBy"),
    moment("ResponseBy"),
    yes_nos(
        "ActivitiesComplete BlockedProfile CheckEmail CustomerContacted "
        "DecrementEntitlementTerm FirstResponseSent FollowUpTaskCreated "
        "IsDecrementing IsEscalated Merged RouteCase"
    ),
    image("EntityImage", "Entity Image"),
    any_of(
        "CustomerId",
        {"account": "incident_customer_accounts", "contact": "incident_customer_contacts"},
        type_="Customer",
        required="SystemRequired",
        cascade="Cascade",
    ),
    one("AccountId", "Lookup", targets=("account",), writable=False),
    one("ContactId", "Lookup", targets=("contact",), writable=False),
    lookup("MasterId", "incident", "incident_master_incident"),
    lookup("ParentCaseId", "incident", "incident_parent_incident"),
    lookup("ExistingCase", "incident", "incident_existingcase"),
    lookup("PrimaryContactId", "contact", "contact_as_primary_contact", yomi=True),
    lookup("ProductId", "product", "product_incidents"),
    lookup("SubjectId", "subject", "subject_incidents"),
    lookup("SLAId", "sla", "manualsla_cases", navigation="slaid_sla"),
    lookup("SLAInvokedId", "sla", "sla_cases", navigation="slainvokedid_sla"),
    created_and_modified("incidentbase"),
    imported(),
    in_currency("TransactionCurrency_Incident"),
    in_process(),
    owned("incidents"),
    primary_name="title",
    display_name="Case",
)

SUBJECT = table(
    "Subject",
    "subjects",
    129,
    key("SubjectId", "Subject"),
    text("Title", 500, required="ApplicationRequired"),
    memo("Description"),
    whole("FeatureMask"),
    lookup("ParentSubject", "subject", "subject_parent_subject"),
    created_and_modified("subjectbase"),
    imported()[:2],
    primary_name="title",
    ownership="OrganizationOwned",
)

ANNOTATION = table(
    "Annotation",
    "annotations",
    5,
    key("AnnotationId", "Note"),
    text("Subject", 500, "Title"),
    text("FileName", 255),
    text("MimeType", 256),
    text("LangId", 2, "Language ID"),
    text("StepId", 32),
    memo("DocumentBody", 1_073_741_823, "Document"),
    memo("NoteText", 100_000, "Description"),
    whole("FileSize", 0.0, 1_000_000_000.0, display_name="File Size (Bytes)", writable=False),
    yes_no("IsDocument"),
    any_of(
        "ObjectId",
        {
            "account": "Account_Annotation",
            "contact": "Contact_Annotation",
            "incident": "Incident_Annotation",
            "lead": "Lead_Annotation",
            "opportunity": "Opportunity_Annotation",
            "product": "Product_Annotation",
        },
        display_name="Regarding",
        cascade="Cascade",
    ),
    one("ObjectTypeCode", "EntityName", "Object Type", source_type=None),
    created_and_modified("annotationbase"),
    imported()[:2],
    owned("annotations"),
    primary_name="subject",
    display_name="Note",
)


def small(schema_name: str, plural: str, code: int, ownership: str, shown: str = "") -> Draft:
    """A table that is here so that lookups have a target: name, description, state."""
    prefix = f"{schema_name.lower()}base"
    owner = owned(plural) if ownership == "UserOwned" else ()
    return table(
        schema_name,
        plural,
        code,
        key(f"{schema_name}Id", shown),
        text("Name", 160, required="ApplicationRequired"),
        memo("Description"),
        created_and_modified(prefix),
        imported(),
        owner,
        display_name=shown,
        ownership=ownership,
    )


SMALL_TABLES = (
    small("Territory", "territories", 2013, "OrganizationOwned"),
    small("Equipment", "equipments", 4000, "BusinessOwned", "Facility/Equipment"),
    small("Service", "services", 4001, "OrganizationOwned"),
    small("Site", "sites", 4009, "OrganizationOwned"),
    small("SLA", "slas", 9750, "UserOwned"),
    small("Position", "positions", 50, "OrganizationOwned"),
    small("Queue", "queues", 2020, "UserOwned"),
    small("Calendar", "calendars", 4003, "BusinessOwned"),
    small("Mailbox", "mailboxes", 9606, "UserOwned"),
    small("Role", "roles", 1036, "BusinessOwned", "Security Role"),
)

GLOBAL_CHOICES = {
    "incident_caseorigincode": "1=Phone;2=Email;3=Web;2483=Facebook;3986=Twitter;700610000=IoT",
    "budgetstatus": "0=No Committed Budget;1=May Buy;2=Can Buy;3=Will Buy",
    "need": "0=Must have;1=Should have;2=Good to have;3=No need",
    "new_region": "100000000=North;100000001=South;100000002=East;100000003=West",
}
