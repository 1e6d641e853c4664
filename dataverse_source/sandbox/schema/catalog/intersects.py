"""N:N relationships with their intersect tables."""

from dataverse_source.sandbox.schema.catalog.columns import (
    Part,
    big,
    guid,
    key,
    moment,
    text,
    whole,
)
from dataverse_source.sandbox.schema.catalog.groups import Draft, table
from dataverse_source.sandbox.schema.tables import ManyToMany


def intersect(
    schema_name: str,
    entity_set_name: str,
    code: int,
    key_name: str,
    first: tuple[str, str],
    second: tuple[str, str],
    association: str,
    *,
    tracked: bool = False,
    parts: tuple[Part, ...] = (),
) -> tuple[Draft, ManyToMany]:
    """An intersect table and its relationship.

    ``first`` and ``second`` are a table and its column here, a plain GUID rather than a lookup.
    """
    draft = table(
        schema_name,
        entity_set_name,
        code,
        key(key_name),
        guid(first[1]),
        guid(second[1]),
        *parts,
        big("VersionNumber").with_(writable=False),
        primary_name=None,
        ownership="None",
        is_intersect=True,
        change_tracking=tracked,
        optimistic_concurrency=False,
        is_custom=schema_name.startswith("new_"),
    )
    relationship = ManyToMany(
        schema_name=association,
        table1=first[0],
        table2=second[0],
        intersect=draft.table.logical_name,
        intersect_attribute1=first[1].lower(),
        intersect_attribute2=second[1].lower(),
        navigation1=association,
        navigation2=association,
    )
    return draft, relationship


# accountleads and contactleads are older than the others: they carry what imports leave.
OLD = (
    text("Name", 100),
    whole("ImportSequenceNumber"),
    whole("TimeZoneRuleVersionNumber", -1.0),
    whole("UTCConversionTimeZoneCode", -1.0),
    moment("OverriddenCreatedOn", format_="DateOnly"),
)

INTERSECTS = (
    intersect(
        "AccountLeads", "accountleadscollection", 16, "AccountLeadId",
        ("account", "AccountId"), ("lead", "LeadId"), "accountleads_association",
        tracked=True, parts=OLD,
    ),
    intersect(
        "ContactLeads", "contactleadscollection", 22, "ContactLeadId",
        ("contact", "ContactId"), ("lead", "LeadId"), "contactleads_association",
        parts=OLD,
    ),
    intersect(
        "OpportunityCompetitors", "opportunitycompetitorscollection", 25,
        "OpportunityCompetitorId", ("opportunity", "OpportunityId"),
        ("competitor", "CompetitorId"), "opportunitycompetitors_association",
    ),
    intersect(
        "LeadCompetitors", "leadcompetitorscollection", 24, "LeadCompetitorId",
        ("lead", "LeadId"), ("competitor", "CompetitorId"), "leadcompetitors_association",
    ),
    intersect(
        "TeamMembership", "teammemberships", 23, "TeamMembershipId",
        ("team", "TeamId"), ("systemuser", "SystemUserId"), "teammembership_association",
    ),
    intersect(
        "SystemUserRoles", "systemuserrolescollection", 15, "SystemUserRoleId",
        ("systemuser", "SystemUserId"), ("role", "RoleId"), "systemuserroles_association",
    ),
    intersect(
        "new_Project_Contact", "new_project_contactset", 10_207, "new_Project_ContactId",
        ("new_project", "new_ProjectId"), ("contact", "ContactId"), "new_Project_Contact",
        tracked=True,
    ),
)  # fmt: skip
