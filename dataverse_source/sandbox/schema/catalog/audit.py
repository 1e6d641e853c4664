"""Auditing: which row was created, changed or deleted by whom (docs page "Audit table")."""

from dataverse_source.sandbox.schema.catalog.columns import (
    any_of,
    choice,
    guid,
    key,
    lookup,
    memo,
    moment,
    one,
    text,
)
from dataverse_source.sandbox.schema.catalog.groups import table

AUDITED = ("account", "contact", "lead", "opportunity", "incident", "new_project", "systemuser")

AUDIT = table(
    "Audit",
    "audits",
    4567,
    key("AuditId", "Record Id"),
    moment("CreatedOn", display_name="Changed Date", writable=False),
    choice("Action", "0=Unknown;1=Create;2=Update;3=Delete;4=Activate;5=Deactivate;11=Cascade"),
    choice("Operation", "1=Create;2=Update;3=Delete;4=Access"),
    any_of(
        "ObjectId",
        {name: f"{name}_Audit_ObjectId" for name in AUDITED},
        display_name="Record",
        # The audit of a deleted row goes on naming it.
        cascade="NoCascade",
    ),
    one("ObjectTypeCode", "EntityName", "Entity", writable=False, source_type=None),
    memo("AttributeMask", 10_000, "Changed Field"),
    guid("TransactionId"),
    text("UserAdditionalInfo", 350, "User Info"),
    lookup("UserId", "systemuser", "lk_audit_userid", cascade="NoCascade"),
    lookup("CallingUserId", "systemuser", "lk_audit_callinguserid", cascade="NoCascade"),
    primary_name=None,
    display_name="Auditing",
    collection_name="Auditing",
    ownership="None",
    change_tracking=False,
    optimistic_concurrency=False,
)
