"""What is to be known of single exchanges: rows that print leaves out, and where print is wrong."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tests.conformance import setting_up as up
from tests.conformance.corner import Corner
from tests.conformance.corpus import Exchange

Prepare = Callable[[Corner, Exchange], None]


@dataclass(frozen=True)
class Case:
    """How an exchange is asked again, and what is to be expected.

    Attributes:
        not_applicable: why it can't be asked of a sandbox.
        lacking: what the sandbox does not do: it answers 501.
        reason: why the answer differs from print.
        places: where it differs, as regular expressions of places that ``comparing`` names.
        prepare: sets up what the printed rows do not show.
        replaced: text in print and what stands for it here: placeholders, slips of the pen.
        path: the request where none is printed.
        switches: settings under which Dataverse answered as printed.
        cut: print shows only the first rows or options.
        attribute: the column of accounts whose MetadataId the path has.
        bytes_removed: print shows no content; headers alone are compared.
        headers: of the request, which print leaves out although its answer heeds them.
        body: members of the request's JSON body where print has placeholders, made anew.
    """

    not_applicable: str = ""
    lacking: str = ""
    reason: str = ""
    places: tuple[str, ...] = ()
    prepare: Prepare | None = None
    replaced: Mapping[str, str] = field(default_factory=dict)
    path: str = ""
    switches: Mapping[str, str] = field(default_factory=dict)
    cut: bool = False
    attribute: str = "accountcategorycode"
    bytes_removed: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Callable[[Corner], Mapping[str, str]] | None = None

    def allows(self, difference: str) -> bool:
        """Whether a difference is one of those that are known."""
        place = difference.partition(":")[0]
        return any(re.fullmatch(known, place) for known in self.places)


def not_applicable(reason: str) -> Case:
    """An exchange that can't be asked of a sandbox."""
    return Case(not_applicable=reason)


def lacking(what: str) -> Case:
    """An exchange that the sandbox refuses with 501, as all that it does not do."""
    return Case(lacking=what)


def differs(reason: str, *places: str, **more: object) -> Case:
    """An exchange that is answered otherwise than printed, for a reason."""
    return Case(reason=reason, places=places, **more)  # type: ignore[arg-type]


ID = "00000000-0000-0000-0000-000000000001"
OTHER_ID = "00000000-0000-0000-0000-000000000003"
WRITE = "it writes"
NO_EXCHANGE = "no exchange, but a form or a table of figures"
ELSEWHERE = "asks another service"
SIGN_IN = (
    "sign-in, at another scope and of another app; tests/sandbox/identity/test_identity.py has it"
)
BOOKMARK = "the printed bookmark is not that of the printed rows"
NEXT_LINK = "/@odata.nextLink"
OLDER_OPTIONS = "print is older than two members of options, which recorded answers have"
NOT_A_KEY = {"<accountid>": ID, "<file id>": OTHER_ID, "<user id>": ID, "(id)": f"({ID})"}

A_DELTA = differs(
    "print drops a column between request and answer, the path's /api, and shows a version "
    "older than the token",
    "/@odata.context",
    "/@odata.deltaLink",
    "/value/0/@odata.etag",
    "/value/0/accountnumber",
    prepare=up.one_deleted,
)

CASES: dict[int, Case] = {
    1: not_applicable("the tables of one organization, cut off in print"),
    2: Case(replaced={"<systemuserid value>": ID}),
    7: differs(
        "the printed context lacks columns, other prints have all that were asked for",
        "/@odata.context",
        prepare=up.in_seattle(),
    ),
    9: differs(BOOKMARK, NEXT_LINK, prepare=up.one_more),
    10: differs(BOOKMARK, NEXT_LINK, prepare=up.one_more),
    22: Case(prepare=up.more(8), cut=True),
    23: differs(
        "print counts 10 rows and 5,000 beside it, leaves the metadata version out that it asked "
        "for, and $count of the link",
        "/@Microsoft.Dynamics.CRM.totalrecordcount(limitexceeded)?",
        "/@Microsoft.Dynamics.CRM.globalmetadataversion",
        NEXT_LINK,
        prepare=up.more(7, name="sample"),
        replaced={"name%3F": "name", "name?": "name"},
    ),
    24: Case(prepare=up.more(10)),
    25: Case(prepare=up.accounts_by_status),
    26: Case(prepare=up.accounts_by_status),
    27: Case(prepare=up.accounts_by_status),
    28: Case(prepare=up.accounts_by_status),
    29: Case(prepare=up.accounts_by_status),
    30: Case(prepare=up.revenue_by_contact, cut=True),
    31: Case(prepare=up.contacts_in_washington),
    32: Case(prepare=up.in_seattle(up.created_on)),
    33: Case(prepare=up.in_seattle(up.created_on)),
    34: differs(
        "print lacks the formatted values that it asked for, and that other prints of $apply have",
        "/value/./.*FormattedValue",
        prepare=up.groups,
    ),
    35: lacking("queries in SQL"),
    36: Case(prepare=up.one_more),
    37: Case(prepare=up.one_more),
    38: Case(headers={"prefer": "odata.maxpagesize=2"}, prepare=up.one_more),
    39: Case(path="/api/data/v9.2/accounts?$expand=Account_Tasks/$ref"),
    40: Case(prepare=up.one_more),
    41: differs(BOOKMARK, NEXT_LINK, prepare=up.one_more),
    42: Case(
        path="/api/data/v9.2/tasks?$expand=regardingobjectid_contact_task("
        "$orderby=fullname;$expand=parentcustomerid_account)"
    ),
    43: differs(
        "print links to columns that it did not ask for",
        "/value/0/Account_Tasks@odata.nextLink",
        NEXT_LINK,
        prepare=up.one_more,
    ),
    44: Case(
        path="/api/data/v9.2/systemusers?$expand=teammembership_association("
        "$expand=businessunitid)",
        replaced={"<NAME>": "teammembership_association"},
    ),
    45: differs(
        "print asked for the count, which docs page \"Count rows using FetchXml\" then promises",
        "/@odata.count",
        prepare=up.contacts_before("A"),
    ),
    46: differs(
        "print tells page 2 to ask for page 2 again, its first page goes on by one",
        "/@Microsoft.Dynamics.CRM.fetchxmlpagingcookie",
        prepare=up.contacts_before("A"),
    ),
    54: A_DELTA,
    55: Case(prepare=up.in_2017),
    56: Case(prepare=up.unchanged),
    57: Case(replaced={"<Entity Logical Name>": "account"}),
    58: not_applicable(WRITE),
    59: Case(replaced=NOT_A_KEY),
    60: Case(
        replaced=NOT_A_KEY,
        prepare=up.row("account", accountid=ID, sample_filecolumn=OTHER_ID),
    ),
    62: Case(replaced=NOT_A_KEY, prepare=up.file_of(65)),
    63: Case(prepare=up.file_of(65), body=up.token_of_download),
    64: Case(replaced=NOT_A_KEY, prepare=up.file_of(64), bytes_removed=True),
    65: Case(replaced=NOT_A_KEY, prepare=up.file_of(65), bytes_removed=True),
    67: Case(prepare=up.changed("attributeimageconfig", canstorefullimage=True)),
    69: Case(replaced=NOT_A_KEY),
    70: differs(
        "print lacks the key and the metadata version, which other prints have",
        "/@Microsoft.Dynamics.CRM.globalmetadataversion",
        "/value/./auditid",
        replaced={"<user id>": "4026be43-6b69-e111-8f65-78e7d1620f5e"},
        prepare=up.in_seattle(up.audits_of_user),
    ),
    71: not_applicable("the answer is no JSON, its dates are none"),
    72: not_applicable("names of tables that do not fit, dates that are none"),
    73: not_applicable(SIGN_IN),
    74: not_applicable(SIGN_IN),
    75: not_applicable(SIGN_IN),
    76: not_applicable(WRITE),
    77: not_applicable(WRITE),
    78: not_applicable(WRITE),
    79: differs(
        "print has no code, docs page \"Web service error codes\" has one for this message",
        "/error/code",
        path=f"/api/data/v9.2/accounts({ID})",
    ),
    80: not_applicable(WRITE),
    81: not_applicable(NO_EXCHANGE),
    82: not_applicable(NO_EXCHANGE),
    83: not_applicable(NO_EXCHANGE),
    84: Case(replaced={**NOT_A_KEY, "myfileattribute": "sample_filecolumn"}),
    85: Case(replaced={"myentityimage": "sample_imagecolumn"}),
    86: Case(replaced={"myentityimage": "sample_imagecolumn"}),
    87: Case(replaced={"myentityimage": "sample_imagecolumn"}),
    92: A_DELTA,
    93: Case(prepare=up.in_2017),
    94: not_applicable(NO_EXCHANGE),
    95: not_applicable(NO_EXCHANGE),
    **{number: not_applicable(ELSEWHERE) for number in range(96, 102)},
    # What the answer has of users was asked for: its context lists it.
    102: Case(
        replaced={
            "00000000-0000-0000-000000000003": OTHER_ID,
            "($select=fullname)": "($select=fullname,azureactivedirectoryobjectid)",
        },
    ),
    105: differs("print is older than istracking of links, which all later ones have",
                 NEXT_LINK, prepare=up.one_more),
    112: Case(replaced={"{0}": "Inc."}),
    113: Case(replaced={"{0}": "Inc."}),
    114: Case(prepare=up.pointing("primarycontactid", "contact")),
    115: Case(prepare=up.pointing("parentaccountid", "account")),
    119: differs(
        "print leaves $count out of the link, docs page \"Web API Query Data Sample\" has it there",
        NEXT_LINK,
        prepare=up.more(7, name="sample"),
    ),
    120: Case(prepare=up.more(10)),
    121: differs("print lacks an underscore that other prints of the same column have",
                 "/value/0/_?transactioncurrencyid_value"),
    122: differs("print lacks a column that it asked for", "/title"),
    125: differs("print shows a list where a single table is asked for", ".*"),
    132: differs(
        f"{OLDER_OPTIONS}, and than two of choices; it names the table by its id, other prints as "
        "the path does; the sandbox's columns have no descriptions",
        "/@odata.context",
        "/OptionSet@odata.context",
        "/OptionSet/Options/0/(ExternalValue|ParentValues|Tag|IsHidden)",
        "/OptionSet/(ExternalTypeName|ParentOptionSetName|IntroducedVersion)",
        "/OptionSet/Description/.*",
        prepare=up.metadata_ids,
        attribute="preferredappointmentdaycode",
        cut=True,
    ),
    133: differs(
        OLDER_OPTIONS,
        "/Options/0/(ExternalValue|ParentValues|Tag|IsHidden)",
        prepare=up.metadata_ids,
        attribute="preferredappointmentdaycode",
        cut=True,
    ),
    139: Case(prepare=up.view("savedquery", "account")),
    140: Case(prepare=up.view("userquery", "account")),
    141: Case(prepare=up.view("savedquery", "opportunity")),
    143: Case(prepare=up.rows_of_batch),
    146: Case(prepare=up.row("contact", firstname="Joe", emailaddress1="abc@example.com")),
    147: Case(prepare=up.account_of_contact),
    148: Case(prepare=up.property_of("account", "name")),
    149: Case(prepare=up.related_row("account", "primarycontactid")),
    150: Case(prepare=up.tasks_of_account, replaced={"AccountTasks": "Account_Tasks"}),
    151: Case(prepare=up.two_tasks),
    155: Case(replaced={"99390c24-9c72-e511-80d4-00155d2a68d1":
                        "915e89f5-29fc-e511-80d2-00155db07c77"}),
    159: differs(
        OLDER_OPTIONS,
        r"/(Global)?OptionSet/Options/\d/(ExternalValue|ParentValues|Tag|IsHidden)",
        switches={"local_global_option_set": "null"},
    ),
    161: Case(prepare=up.metadata_ids),
    162: differs(
        OLDER_OPTIONS,
        r"/(Global)?OptionSet/Options/\d/(ExternalValue|ParentValues|Tag|IsHidden)",
        switches={"local_global_option_set": "null"},
        prepare=up.metadata_ids,
    ),
    169: Case(prepare=up.target_row),
    170: Case(prepare=up.minutes_of_case),
    171: Case(prepare=up.same_organization),
    178: Case(prepare=up.property_of("contact", "telephone1")),
    182: Case(prepare=up.children("account", "contact_customer_accounts")),
    184: Case(prepare=up.unchanged),
    188: Case(prepare=up.same_organization),
    190: Case(prepare=up.minutes_of_case),
    192: Case(replaced={"b848fdee-c143-e611-80d5-00155da84802":
                        "15c364b2-bf43-e611-80d5-00155da84802"}),
    199: Case(switches={"top_with_page_size": "page_size_ignored"}, prepare=up.one_more),
    201: Case(prepare=up.more(6, fullname="(sample)")),
    202: Case(prepare=up.around(4, 2, fullname="(sample)")),
    208: Case(prepare=up.rows_of(207)),
    210: Case(prepare=up.view("savedquery", "account", "name", "primarycontactid")),
    212: Case(prepare=up.view("userquery", "contact", "fullname", "contactid", "jobtitle",
                              "annualincome", order="fullname")),
    216: lacking("queries in Cosmos DB's SQL"),
    217: lacking("queries in Cosmos DB's SQL"),
}  # fmt: skip
