"""Activities: activitypointer, what derives from it, and the parties of an activity."""

from typing import Any

from dataverse_source.sandbox.schema.catalog.columns import (
    Part,
    any_of,
    choice,
    float_,
    guid,
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

STATES = "0=Open;1=Completed;2=Canceled"
# Docs page "Regarding" of each activity: the collections' names differ by table and activity.
REGARDING = {
    "account": "Account",
    "contact": "Contact",
    "incident": "Incident",
    "lead": "Lead",
    "opportunity": "Opportunity",
}
PARTICIPATION = (
    "1=Sender;2=To Recipient;3=CC Recipient;4=BCC Recipient;5=Required attendee;"
    "6=Optional attendee;7=Organizer;8=Regarding;9=Owner;10=Resource;11=Customer;"
    "12=Chat Participant;13=Related"
)
PRIORITIES = "0=Low;1=Normal;2=High"


def activity(
    schema_name: str, plural: str, code: int, collection: str, *parts: Part, **more: Any
) -> Draft:
    """An activity table: what all activities share, and its own parts.

    The navigation properties of all but activitypointer itself end in the table's name.
    """
    name = schema_name.lower()
    ending = "" if name == "activitypointer" else f"_{name}"
    vias = {target: f"{start}_{collection}" for target, start in REGARDING.items()}
    shared: list[Part] = [
        any_of(
            "RegardingObjectId",
            vias,
            navigation="{attribute}_{target}" + ending,
            display_name="Regarding",
            cascade="Cascade",
        ),
        lookup("SLAId", "sla", f"manualsla_{name}", navigation=f"sla_{name}_sla"),
        lookup("SLAInvokedId", "sla", f"sla_{name}", navigation=f"slainvokedid_{name}_sla"),
    ]
    common = (*created_and_modified(name), *in_currency(f"TransactionCurrency_{schema_name}"))
    suffixed = (*common, *owned(plural), lookup("ServiceId", "service", f"service_{plural}"))
    columns = [part.navigated_by(ending) for part in suffixed]
    return table(
        schema_name,
        plural,
        code,
        key("ActivityId", schema_name),
        text("Subject", 200, required="ApplicationRequired"),
        memo("Description"),
        memo("ActivityAdditionalParams", 8192, "Additional Parameters"),
        one("ActivityTypeCode", "EntityName", "Activity Type", writable=False, source_type=None),
        choice("PriorityCode", PRIORITIES),
        whole("ActualDurationMinutes", 0.0, display_name="Actual Duration"),
        whole("ScheduledDurationMinutes", 0.0, display_name="Scheduled Duration", writable=False),
        whole("OnHoldTime", display_name="On Hold Time (Minutes)").with_(writable=False),
        moment("ActualStart"),
        moment("ActualEnd"),
        moment("ScheduledStart", display_name="Start Date"),
        moment("ScheduledEnd", display_name="Due Date"),
        moment("LastOnHoldTime"),
        moment("SortDate"),
        moment("SentOn").with_(writable=False),
        moment("DeliveryLastAttemptedOn").with_(writable=False),
        moment("PostponeActivityProcessingUntil").with_(writable=False),
        choice("Community", "0=Other;1=Facebook;2=Twitter;3=Line;4=Wechat;5=Cortana"),
        choice("DeliveryPriorityCode", PRIORITIES),
        choice("InstanceTypeCode", "0=Not Recurring;1=Recurring Master;2=Recurring Instance"),
        guid("SeriesId").with_(writable=False),
        text("ExchangeItemId", 200),
        text("ExchangeWebLink", 1250, format_="Url"),
        yes_no("IsMapiPrivate"),
        yes_no("LeftVoiceMail"),
        yes_no("IsBilled"),
        yes_no("IsRegularActivity", writable=False),
        yes_no("IsWorkflowCreated"),
        *shared,
        *columns,
        imported()[2:],
        in_process(),
        *parts,
        primary_name="subject",
        is_activity=True,
        **more,
    )


ACTIVITYPOINTER = activity(
    "ActivityPointer",
    "activitypointers",
    4200,
    "ActivityPointers",
    state("0=Open;1=Completed;2=Canceled;3=Scheduled"),
    status("1:0=Open;2:1=Completed;3:2=Canceled;4:3=Scheduled"),
    display_name="Activity",
    collection_name="Activities",
)

TASK = activity(
    "Task",
    "tasks",
    4212,
    "Tasks",
    state(STATES),
    status(
        "2:0=Not Started;3:0=In Progress;4:0=Waiting on someone else;7:0=Deferred;"
        "5:1=Completed;6:2=Canceled"
    ),
    text("Category", 250),
    text("Subcategory", 250, "Sub-Category"),
    guid("CrmTaskAssignedUniqueId"),
    guid("SubscriptionId"),
    whole("PercentComplete", 0.0, 100.0),
    *imported()[:2],
)

PHONECALL = activity(
    "PhoneCall",
    "phonecalls",
    4210,
    "Phonecalls",
    state(STATES),
    status("1:0=Open;2:1=Made;4:1=Received;3:2=Canceled"),
    text("Category", 250),
    text("Subcategory", 250, "Sub-Category"),
    text("PhoneNumber", 200, format_="Phone"),
    guid("SubscriptionId"),
    yes_no("DirectionCode", "0=Incoming;1=Outgoing", display_name="Direction"),
    one("From", "PartyList", "Call From", targets=("systemuser",), is_valid_odata=False),
    one("To", "PartyList", "Call To", targets=("contact",), is_valid_odata=False),
    *imported()[:2],
    display_name="Phone Call",
)

EMAIL = activity(
    "Email",
    "emails",
    4202,
    "Emails",
    state(STATES),
    status(
        "1:0=Draft;8:0=Failed;2:1=Completed;3:1=Sent;4:1=Received;6:1=Pending Send;"
        "7:1=Sending;5:2=Canceled"
    ),
    text("Category", 250),
    text("MessageId", 320, "Message ID"),
    text("MimeType", 256),
    text("Sender", 250, "From"),
    text("SubmittedBy", 250),
    text("ToRecipients", 500),
    text("TrackingToken", 50),
    guid("ConversationTrackingId"),
    choice("Notifications", "0=None;1=The message was saved as a Microsoft Dynamics 365 email"),
    whole("AttachmentCount", 0.0, writable=False),
    whole("DeliveryAttempts", 0.0, 1_000_000_000.0),
    whole("OpenCount", 0.0, writable=False),
    moment("DelayedEmailSendTime"),
    yes_no("Compressed"),
    yes_no("DeliveryReceiptRequested"),
    yes_no("DirectionCode", "0=Incoming;1=Outgoing", display_name="Direction"),
    yes_no("FollowEmailUserPreference"),
    yes_no("ReadReceiptRequested"),
    any_of(
        "EmailSender",
        {
            "account": "Account_Email_EmailSender",
            "contact": "Contact_Email_EmailSender",
            "lead": "Lead_Email_EmailSender",
            "queue": "Queue_Email_EmailSender",
            "systemuser": "SystemUser_Email_EmailSender",
        },
        writable=False,
    ),
    lookup("SendersAccount", "account", "Account_Email_SendersAccount").with_(writable=False),
    lookup("ParentActivityId", "email", "email_email_parentactivityid"),
    one("From", "PartyList", "From", targets=("systemuser",), is_valid_odata=False),
    one("To", "PartyList", "To", targets=("contact",), is_valid_odata=False),
    *imported()[:2],
    collection_name="Email Messages",
)

APPOINTMENT = activity(
    "Appointment",
    "appointments",
    4201,
    "Appointments",
    state("0=Open;1=Completed;2=Canceled;3=Scheduled"),
    status("1:0=Free;2:0=Tentative;3:1=Completed;4:2=Canceled;5:3=Busy;6:3=Out of Office"),
    text("Category", 250),
    text("Location", 200),
    text("GlobalObjectId", 300, "Outlook Appointment"),
    yes_no("IsAllDayEvent", display_name="All Day Event"),
    *imported()[:2],
)

ACTIVITYPARTY = table(
    "ActivityParty",
    "activityparties",
    135,
    key("ActivityPartyId", "Activity Party"),
    text("AddressUsed", 850, "Address ", "Email"),
    text("ExchangeEntryId", 1024),
    whole("AddressUsedEmailColumnNumber", writable=False),
    float_("Effort", 2, (0.0, 1_000_000_000.0)),
    choice("InstanceTypeCode", "0=Not Recurring;1=Recurring Master;2=Recurring Instance"),
    choice("ParticipationTypeMask", PARTICIPATION, display_name="Participation Type"),
    moment("ScheduledStart", writable=False),
    moment("ScheduledEnd", writable=False),
    yes_no("DoNotEMail"),
    yes_no("DoNotFax"),
    yes_no("DoNotPhone"),
    yes_no("DoNotPostalMail"),
    yes_no("IsPartyDeleted", writable=False),
    any_of(
        "ActivityId",
        {
            "activitypointer": "activitypointer_activity_parties",
            "appointment": "appointment_activity_parties",
            "email": "email_activity_parties",
            "phonecall": "phonecall_activity_parties",
            "task": "task_activity_parties",
        },
        cascade="Cascade",
    ),
    any_of(
        "PartyId",
        {
            "account": "account_activity_parties",
            "contact": "contact_activity_parties",
            "lead": "lead_activity_parties",
            "queue": "queue_activity_parties",
            "systemuser": "system_user_activity_parties",
        },
    ),
    one("OwnerId", "Owner", targets=("systemuser", "team"), writable=False, source_type=None),
    one("VersionNumber", "BigInt", writable=False, source_type=None),
    primary_name="partyidname",
    display_name="Activity Party",
    collection_name="Activity Parties",
    ownership="None",
    change_tracking=False,
)
