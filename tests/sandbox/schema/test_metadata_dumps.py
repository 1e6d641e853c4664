"""Tables as projects and people save them: answers of the Web API, XML of the SDK."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import ANY
from urllib.parse import quote

import pytest

from dataverse_source.sandbox.metadata.column_definitions import SIMPLE, WITH_OPTION_SET, kind_of
from dataverse_source.sandbox.schema.catalog import default_schema
from dataverse_source.sandbox.schema.schema_files import read_schema
from dataverse_source.sandbox.schema.tables import AlternateKey, Column, OneToMany, Option
from tests.support.places import SHARED
from tests.support.sandbox.metadata_requests import Asking, recording

TABLES = "EntityDefinitions"
RELATIONSHIPS = "Keys,OneToManyRelationships,ManyToOneRelationships,ManyToManyRelationships"


def test_tables_survive_the_answers_of_entity_definitions(tmp_path: Path) -> None:
    schema = default_schema()
    tables = [schema.by_logical_name[name] for name in ("account", "contact", "incident")]
    with Asking(schema) as asking:
        asked = ["GlobalOptionSetDefinitions"]
        for table in tables:
            address = f"{TABLES}(LogicalName='{table.logical_name}')"
            asked += [f"{address}?$expand={RELATIONSHIPS}", f"{address}/Attributes"]
            for kind in {kind_of(column) for column in table.columns} - {SIMPLE}:
                sets = "?$expand=OptionSet,GlobalOptionSet" if kind in WITH_OPTION_SET else ""
                asked.append(f"{address}/Attributes/Microsoft.Dynamics.CRM.{kind}{sets}")
        for number, address in enumerate(asked):
            answer = json.dumps(asking.json(address))
            (tmp_path / f"{number:03}.json").write_text(answer, encoding="utf-8")
    again = read_schema(tmp_path)
    assert again.tables == tuple(replace(table, columns=ANY) for table in tables)
    for table in tables:
        assert again.by_logical_name[table.logical_name].by_name == table.by_name
    inner = [
        link
        for link in schema.one_to_many
        if {link.referenced, link.referencing} <= {table.logical_name for table in tables}
    ]
    assert inner
    assert set(again.one_to_many) == set(inner)
    assert again.global_choices == schema.global_choices


def test_a_schema_survives_retrieve_metadata_changes(tmp_path: Path) -> None:
    schema = default_schema()
    whole = {"Properties": {"AllProperties": True}}
    parts = {f"{part}Query": whole for part in ("Attribute", "Relationship", "Key")}
    query = quote(json.dumps({**whole, **parts}))
    with Asking(schema) as asking:
        answer = asking.text(f"RetrieveMetadataChanges(Query=@p1)?@p1={query}")
    path = tmp_path / "metadata.json"
    path.write_text(answer, encoding="utf-8")
    again = read_schema(path)
    assert list(again.by_logical_name) == list(schema.by_logical_name)
    for table in schema.tables:
        assert again.by_logical_name[table.logical_name].by_name == table.by_name
    assert set(again.one_to_many) == set(schema.one_to_many)
    assert set(again.many_to_many) == set(schema.many_to_many)


CONTRACTS = "http://schemas.microsoft.com/xrm/2011/Contracts"
METADATA = "http://schemas.microsoft.com/xrm/2011/Metadata"


def label(name: str, **texts: str) -> str:
    codes = {"english": 1033, "danish": 1030}
    localized = [
        f"<c:LocalizedLabel><HasChanged i:nil='true'/><c:IsManaged>true</c:IsManaged>"
        f"<c:Label>{text}</c:Label><c:LanguageCode>{codes[language]}</c:LanguageCode>"
        "</c:LocalizedLabel>"
        for language, text in texts.items()
    ]
    return (
        f"<{name} xmlns:c='{CONTRACTS}'><c:LocalizedLabels>{''.join(localized)}"
        f"</c:LocalizedLabels><c:UserLocalizedLabel i:nil='true'/></{name}>"
    )


def managed(name: str, value: str) -> str:
    return (
        f"<{name} xmlns:c='{CONTRACTS}'><c:CanBeChanged>false</c:CanBeChanged>"
        f"<c:ManagedPropertyLogicalName>x</c:ManagedPropertyLogicalName>"
        f"<c:Value>{value}</c:Value></{name}>"
    )


TICKET = f"""
  <MetadataId>dc6574cb-92ce-446c-a5d6-885a75107d52</MetadataId>
  <HasChanged i:nil="true"/>
  <Attributes>
    <AttributeMetadata>
      <AttributeOf i:nil="true"/><AttributeType>Uniqueidentifier</AttributeType>
      {label("DisplayName", english="Ticket")}
      <IsValidForCreate>true</IsValidForCreate><IsValidForUpdate>false</IsValidForUpdate>
      <LogicalName>new_ticketid</LogicalName>
      {managed("RequiredLevel", "SystemRequired")}
      <SchemaName>new_TicketId</SchemaName><SourceType i:nil="true"/>
    </AttributeMetadata>
    <AttributeMetadata i:type="b:StringAttributeMetadata" xmlns:b="{METADATA}">
      <AttributeType>String</AttributeType>
      {label("DisplayName", danish="Navn", english="true")}
      <IsValidODataAttribute>true</IsValidODataAttribute>
      <LogicalName>new_name</LogicalName><SchemaName>new_Name</SchemaName>
      <Format>Text</Format><FormatName><Value>Email</Value></FormatName>
      <MaxLength>850</MaxLength>
    </AttributeMetadata>
    <AttributeMetadata i:type="StatusAttributeMetadata">
      <AttributeType>Status</AttributeType>
      {label("DisplayName", english="Status Reason")}
      <LogicalName>statuscode</LogicalName><SchemaName>StatusCode</SchemaName>
      <OptionSet>
        <IsGlobal>false</IsGlobal><Name>new_ticket_statuscode</Name>
        <OptionSetType>Status</OptionSetType>
        <Options>
          <OptionMetadata i:type="StatusOptionMetadata">
            {label("Label", danish="Aaben", english="Open")}<Value>1</Value><State>0</State>
          </OptionMetadata>
          <OptionMetadata i:type="StatusOptionMetadata">
            {label("Label", english="Closed")}<Value>2</Value><State>1</State>
          </OptionMetadata>
        </Options>
      </OptionSet>
    </AttributeMetadata>
    <AttributeMetadata i:type="LookupAttributeMetadata">
      <AttributeType>Lookup</AttributeType>
      {label("DisplayName", english="Parent")}
      <LogicalName>new_parentid</LogicalName><SchemaName>new_ParentId</SchemaName>
      <Targets xmlns:a="http://schemas.microsoft.com/2003/10/Serialization/Arrays">
        <a:string>new_ticket</a:string>
      </Targets>
    </AttributeMetadata>
    <AttributeMetadata i:type="ImageAttributeMetadata">
      <AttributeType>Virtual</AttributeType>
      <AttributeTypeName><Value>ImageType</Value></AttributeTypeName>
      <LogicalName>new_photo</LogicalName><SchemaName>new_Photo</SchemaName>
      <MaxSizeInKB>30720</MaxSizeInKB>
    </AttributeMetadata>
  </Attributes>
  <ChangeTrackingEnabled>false</ChangeTrackingEnabled>
  {label("DisplayName", english="Ticket")}
  <EntitySetName>new_tickets</EntitySetName>
  <IsIntersect>false</IsIntersect>
  <Keys>
    <EntityKeyMetadata>
      <KeyAttributes xmlns:a="http://schemas.microsoft.com/2003/10/Serialization/Arrays">
        <a:string>new_name</a:string>
      </KeyAttributes>
      <LogicalName>new_bytext</LogicalName><SchemaName>new_ByText</SchemaName>
    </EntityKeyMetadata>
  </Keys>
  <LogicalName>new_ticket</LogicalName>
  <ManyToOneRelationships>
    <OneToManyRelationshipMetadata>
      <SchemaName>new_ticket_parent</SchemaName>
      <CascadeConfiguration><Assign>NoCascade</Assign><Delete>Restrict</Delete>
      </CascadeConfiguration>
      <ReferencedAttribute>new_ticketid</ReferencedAttribute>
      <ReferencedEntity>new_ticket</ReferencedEntity>
      <ReferencingAttribute>new_parentid</ReferencingAttribute>
      <ReferencingEntity>new_ticket</ReferencingEntity>
      <ReferencingEntityNavigationPropertyName
        >new_ParentId</ReferencingEntityNavigationPropertyName>
    </OneToManyRelationshipMetadata>
  </ManyToOneRelationships>
  <ObjectTypeCode>10042</ObjectTypeCode>
  <OwnershipType>OrganizationOwned</OwnershipType>
  <PrimaryIdAttribute>new_ticketid</PrimaryIdAttribute>
  <PrimaryNameAttribute>new_name</PrimaryNameAttribute>
  <SchemaName>new_Ticket</SchemaName>
"""
INSTANCE = 'xmlns:i="http://www.w3.org/2001/XMLSchema-instance"'
ALONE = f'<EntityMetadata xmlns="{METADATA}" {INSTANCE}>{TICKET}</EntityMetadata>'
LIST = f'<ArrayOfEntityMetadata xmlns="{METADATA}" {INSTANCE}><EntityMetadata>{TICKET}' \
    "</EntityMetadata></ArrayOfEntityMetadata>"  # fmt: skip
# A project's own document: rows, a dictionary of tables, choices.
WITHIN = f"""<?xml version="1.0"?>
<Skeleton xmlns="urn:x" {INSTANCE} xmlns:c="{CONTRACTS}" xmlns:m="{METADATA}">
  <Rows><c:Entity><c:Attributes/><c:LogicalName>team</c:LogicalName></c:Entity></Rows>
  <Tables><Pair><Key>new_ticket</Key><Value xmlns="{METADATA}">{TICKET}</Value></Pair></Tables>
  <Choices><m:OptionSetMetadataBase i:type="m:OptionSetMetadata">
    <m:IsGlobal>true</m:IsGlobal><m:Name>new_size</m:Name>
    <m:OptionSetType>Picklist</m:OptionSetType>
    <m:Options><m:OptionMetadata><m:Value>3</m:Value></m:OptionMetadata></m:Options>
  </m:OptionSetMetadataBase></Choices>
</Skeleton>"""


@pytest.mark.parametrize("document", [ALONE, LIST, WITHIN], ids=["alone", "list", "within"])
def test_a_table_is_read_from_the_sdks_xml(document: str, tmp_path: Path) -> None:
    path = tmp_path / "ticket.xml"
    path.write_text(document, encoding="utf-8")
    schema = read_schema(path)
    (table,) = schema.tables
    assert (table.logical_name, table.schema_name) == ("new_ticket", "new_Ticket")
    assert (table.entity_set_name, table.object_type_code) == ("new_tickets", 10_042)
    assert (table.change_tracking, table.ownership) == (False, "OrganizationOwned")
    assert table.keys == (AlternateKey("new_ByText", ("new_name",)),)
    columns = table.by_name
    assert columns["new_ticketid"] == Column(
        "new_ticketid", "Uniqueidentifier", "new_TicketId", "Ticket", source_type=None,
        is_primary_id=True, required="SystemRequired", is_custom=True,
    )  # fmt: skip
    assert columns["new_name"] == Column(
        "new_name", "String", "new_Name", "true", max_length=850, format="Email",
        is_primary_name=True, is_custom=True,
    )  # fmt: skip
    assert columns["statuscode"].options == (Option(1, "Open", 0), Option(2, "Closed", 1))
    assert columns["new_parentid"].targets == ("new_ticket",)
    assert (columns["new_photo"].type, columns["new_photo"].max_size_kb) == ("Image", 30_720)
    assert schema.one_to_many == (
        OneToMany(
            "new_ticket_parent", "new_ticket", "new_ticketid", "new_ticket", "new_parentid",
            "new_ParentId", "new_ticket_parent", "Restrict",
        ),
    )  # fmt: skip
    if document is WITHIN:
        assert schema.global_choices == {"new_size": (Option(3, ""),)}


def test_answers_about_one_table_are_put_together(tmp_path: Path) -> None:
    context = "https://x/api/data/v9.2/$metadata#EntityDefinitions('new_ticket')/Attributes"
    stage = {"LogicalName": "new_stage", "SchemaName": "new_Stage", "AttributeType": "Picklist"}
    options = {"Options": [{"Value": 7, "Label": {"UserLocalizedLabel": {"Label": "Seven"}}}]}
    key = {"SchemaName": "new_TicketId", "AttributeType": "Uniqueidentifier"}
    answers: list[Any] = [
        {"EntityMetadata": [{"LogicalName": "new_ticket", "Attributes": [key, stage]}]},
        {"@odata.context": f"{context}(LogicalName)/Microsoft.Dynamics.CRM.Picklist",
         "value": [{"LogicalName": "new_stage", "OptionSet": options}]},
        {"LogicalName": "new_ticket", "EntitySetName": "new_tickets", "ObjectTypeCode": 10_042},
        [{"EntityLogicalName": "new_ticket", "KeyAttributes": ["new_stage"],
          "SchemaName": "new_Key", "LogicalName": "new_key"}],
    ]  # fmt: skip
    for number, answer in enumerate(answers):
        (tmp_path / f"{number}.json").write_text(json.dumps(answer))
    (table,) = read_schema(tmp_path).tables
    assert (table.entity_set_name, table.object_type_code) == ("new_tickets", 10_042)
    assert table.keys == (AlternateKey("new_Key", ("new_stage",)),)
    assert [column.name for column in table.columns] == ["new_ticketid", "new_stage"]
    assert table.by_name["new_stage"].options == (Option(7, "Seven"),)


def test_recorded_definitions_of_an_organization_are_read(tmp_path: Path) -> None:
    real = recording("resource__Validate_Create__get_entitydefinition_account")
    shared = SHARED / "corpus" / "json" / "defra-rod-option-set-data.json"
    (tmp_path / "account.json").write_text(json.dumps(real))
    (tmp_path / "choices.json").write_bytes(shared.read_bytes())
    with Asking(default_schema()) as asking:
        for name in ("account", "contact"):
            columns = asking.json(f"{TABLES}(LogicalName='{name}')/Attributes")
            (tmp_path / f"{name}_columns.json").write_text(json.dumps(columns))
    schema = read_schema(tmp_path)
    account = schema.by_logical_name["account"]
    assert (account.object_type_code, account.entity_set_name) == (1, "accounts")
    assert account.change_tracking is real["ChangeTrackingEnabled"]
    links = {link.schema_name: link for link in schema.one_to_many}
    assert links["account_primary_contact"].referenced_attribute == "contactid"
    assert links["contact_customer_accounts"].referencing_navigation == "parentcustomerid_account"
    assert (len(schema.global_choices), sum(map(len, schema.global_choices.values()))) == (29, 359)


def test_a_sandbox_serves_a_dump(tmp_path: Path) -> None:
    path = tmp_path / "ticket.xml"
    path.write_text(ALONE, encoding="utf-8")
    with Asking(read_schema(path)) as asking:
        answer = asking.json(
            f"{TABLES}(LogicalName='new_ticket')/Attributes/"
            "Microsoft.Dynamics.CRM.StringAttributeMetadata?$select=MaxLength,FormatName"
        )
    assert [(column["MaxLength"], column["FormatName"]) for column in answer["value"]] == [
        (850, {"Value": "Email"})
    ]
