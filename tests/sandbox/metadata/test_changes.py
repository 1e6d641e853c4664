"""RetrieveMetadataChanges: queries as the docs print them, and changes since a stamp."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import pytest

from dataverse_source.sandbox.schema.catalog import default_schema
from dataverse_source.sandbox.schema.tables import Column, Option, Schema, Table
from tests.support.sandbox.metadata_requests import ROOT, Asking

DAY = 86_400


@pytest.fixture(scope="module")
def asking() -> Iterator[Asking]:
    with Asking(default_schema()) as opened:
        yield opened


def where(name: str, value: str, kind: str = "System.String", operator: str = "Equals") -> Any:
    return {
        "ConditionOperator": operator,
        "PropertyName": name,
        "Value": {"Type": kind, "Value": value},
    }


def only(*conditions: Any, join: str = "And", filters: Any = ()) -> Any:
    return {"FilterOperator": join, "Conditions": list(conditions), "Filters": list(filters)}


def props(*names: str) -> Any:
    return {"AllProperties": False, "PropertyNames": list(names)}


def path(query: Any, **parameters: str) -> str:
    given = "".join(f",{name}={value}" for name, value in parameters.items())
    text = quote(json.dumps(query), safe="")
    return f"RetrieveMetadataChanges(Query=@p1{given})?@p1={text}"


def since(query: Any, stamp: str, deleted: str = "All") -> str:
    call = path(query, ClientVersionStamp="@p2", DeletedMetadataFilters="@p3")
    literal = f"Microsoft.Dynamics.CRM.DeletedMetadataFilters'{deleted}'"
    return f"{call}&@p2={quote(repr(stamp))}&@p3={quote(literal)}"


DOCUMENTED = {
    "Properties": props("SchemaName", "Attributes"),
    "Criteria": only(where("LogicalName", "account"), where("LogicalName", "contact"), join="Or"),
    "AttributeQuery": {
        "Properties": props("LogicalName"),
        "Criteria": only(where("IsValidForCreate", "True", "System.Boolean")),
    },
    "LabelQuery": {"FilterLanguages": [1033], "MissingLabelBehavior": 0},
}


def shown(item: Any) -> dict[str, Any]:
    return {name: value for name, value in item.items() if value is not None}


def test_documented_query_gets_the_documented_answer(asking: Asking) -> None:
    answer = asking.json(path(DOCUMENTED))
    assert list(answer) == [
        "@odata.context", "ServerVersionStamp", "DeletedMetadata", "EntityMetadata",
    ]  # fmt: skip
    assert answer["@odata.context"] == (
        f"{ROOT}$metadata#Microsoft.Dynamics.CRM.RetrieveMetadataChangesResponse"
    )
    assert answer["DeletedMetadata"] == {
        "Count": 0, "IsReadOnly": False, "Keys": [], "Values": [],
    }  # fmt: skip
    version, _, time = answer["ServerVersionStamp"].partition("!")
    assert version.isdigit()
    assert len(time) == len("10/09/2022 22:10:22")
    account, contact = answer["EntityMetadata"]
    assert set(shown(account)) == {"MetadataId", "LogicalName", "SchemaName", "Attributes"}
    assert account["SchemaName"] == "Account"
    assert contact["HasChanged"] is None
    columns = {column["LogicalName"]: column for column in account["Attributes"]}
    assert shown(columns["emailaddress3"]) == {
        "@odata.type": "#Microsoft.Dynamics.CRM.ComplexStringAttributeMetadata",
        "LogicalName": "emailaddress3",
        "MetadataId": columns["emailaddress3"]["MetadataId"],
    }
    assert "@odata.type" not in columns["accountid"]
    assert "createdon" not in columns
    assert columns["revenue"]["Precision"] is None


def test_derived_properties_of_many_tables_come_in_one_answer(asking: Asking) -> None:
    names = ("Precision", "DateTimeBehavior", "Targets", "OptionSet", "AttributeTypeName")
    answer = asking.json(
        path(
            {
                "Properties": props("EntitySetName", "Attributes"),
                "Criteria": only(
                    where("LogicalName", "['account', 'lead']", "System.String[]", "In")
                ),
                "AttributeQuery": {"Properties": props(*names)},
            }
        )
    )
    account, lead = answer["EntityMetadata"]
    assert lead["EntitySetName"] == "leads"
    columns = {column["LogicalName"]: column for column in account["Attributes"]}
    assert columns["exchangerate"]["Precision"] == 12
    assert columns["new_foundedon"]["DateTimeBehavior"] == {"Value": "DateOnly"}
    assert columns["ownerid"]["Targets"] == ["systemuser", "team"]
    options = columns["accountcategorycode"]["OptionSet"]["Options"]
    assert [option["Value"] for option in options] == [1, 2]
    assert columns["accountcategorycode"]["@odata.type"].endswith("ComplexEnumAttributeMetadata")
    assert columns["donotemail"]["OptionSet"]["TrueOption"]["Value"] == 1


@pytest.mark.parametrize(
    ("criteria", "expected"),
    [
        (only(where("IsLogicalEntity", "true", "System.Boolean")), {"owner"}),
        (only(where("ObjectTypeCode", "2", "System.Int32", "LessThan")), {"account"}),
        (
            only(
                where("TableType", "Virtual"),
                join="Or",
                filters=[
                    only(
                        where("TableType", "Elastic"),
                        where("IsCustomEntity", "true", "System.Boolean"),
                    )
                ],
            ),
            {"new_externalproduct", "new_sensorreading"},
        ),
        (
            only(
                where("CanChangeTrackingBeEnabled", "False", "System.Boolean"),
                where("IsIntersect", "False", "System.Boolean"),
                where(
                    "LogicalName",
                    '["owner","principalobjectaccess"]',
                    "System.String[]",
                    "NotIn",
                ),
            ),
            {"asyncoperation", "connectionreference", "new_externalproduct"},
        ),
        (
            only(
                where("OwnershipType", "UserOwned", "Microsoft.Xrm.Sdk.Metadata.OwnershipTypes"),
                where("IsPrivate", "false", "System.Boolean"),
                where("ObjectTypeCode", "5", "System.Int32", "LessThan"),
            ),
            {"account", "contact", "lead", "opportunity"},
        ),
    ],
)
def test_criteria(asking: Asking, criteria: Any, expected: set[str]) -> None:
    answer = asking.json(path({"Properties": props("LogicalName"), "Criteria": criteria}))
    assert {table["LogicalName"] for table in answer["EntityMetadata"]} == expected


def test_relationships_and_keys(asking: Asking) -> None:
    answer = asking.json(
        path(
            {
                "Properties": props("Keys", "ManyToOneRelationships", "ManyToManyRelationships"),
                "Criteria": only(where("LogicalName", "new_project")),
                "RelationshipQuery": {
                    "Properties": props("SchemaName", "ReferencedEntity"),
                    "Criteria": only(where("ReferencedEntity", "account")),
                },
                "KeyQuery": {"Properties": props("KeyAttributes")},
            }
        )
    )
    (project,) = answer["EntityMetadata"]
    assert project["Attributes"] is None
    assert project["OneToManyRelationships"] is None
    assert project["ManyToManyRelationships"] == []
    (link,) = project["ManyToOneRelationships"]
    assert link["SchemaName"] == "new_account_new_project_AccountId"
    (key,) = project["Keys"]
    assert key["KeyAttributes"] == ["new_code"]


@pytest.mark.parametrize(("behavior", "missing"), [(0, True), (1, False)])
def test_labels_of_other_languages(asking: Asking, behavior: int, missing: bool) -> None:
    answer = asking.json(
        path(
            {
                "Properties": props("DisplayName"),
                "Criteria": only(where("LogicalName", "account")),
                "LabelQuery": {"FilterLanguages": [1031], "MissingLabelBehavior": behavior},
            }
        )
    )
    found = answer["EntityMetadata"][0]["DisplayName"]
    assert found["LocalizedLabels"] == []
    assert (found["UserLocalizedLabel"] is None) is missing


def test_without_a_query_everything_comes(asking: Asking) -> None:
    answer = asking.json("RetrieveMetadataChanges()")
    assert len(answer["EntityMetadata"]) == len(default_schema().tables)
    assert all(table["Attributes"] for table in answer["EntityMetadata"])


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"Properties": props("Nope")}, "0x80040203"),
        ({"Propertys": props()}, "0x80060888"),
        ({"Properties": props(), "Criteria": only(where("Nope", "x"))}, "0x80040203"),
        ({"Properties": props(), "AttributeQuery": {"Properties": props()}}, "0x80040203"),
        (
            {"Properties": props(), "Criteria": only(where("IsPrivate", "x", "System.Boolean"))},
            "0x80040203",
        ),
        ({"Properties": props(), "Criteria": only(where("DisplayName", "x"))}, "0x80040203"),
        ({"Properties": props(), "Criteria": only(join="Xor")}, "0x80040203"),
    ],
)
def test_queries_that_make_no_sense_are_refused(asking: Asking, query: Any, code: str) -> None:
    assert asking.fault(path(query))[:2] == (400, code)


def test_text_that_is_no_json_is_refused(asking: Asking) -> None:
    assert asking.fault("RetrieveMetadataChanges(Query=@p1)?@p1={")[0] == 400


def test_unknown_parameters_are_not_ignored(asking: Asking) -> None:
    assert asking.fault("RetrieveMetadataChanges(AppModuleId=@p1)?@p1=null")[0] == 501


def changed(schema: Schema, *tables: Table) -> Schema:
    by_name = {table.logical_name: table for table in tables}
    kept = tuple(by_name.pop(t.logical_name, t) for t in schema.tables)
    return replace(schema, tables=(*kept, *by_name.values()))


WATCH = {"Properties": props("Attributes"), "AttributeQuery": {"Properties": props("MaxLength")}}


def test_changes_since_a_stamp() -> None:
    schema = default_schema()
    with Asking(schema) as asking:
        stamp = asking.json(path(WATCH))["ServerVersionStamp"]
        nothing = asking.json(since(WATCH, stamp))
        assert nothing["EntityMetadata"] == []
        account = schema.by_logical_name["account"]
        columns = (
            *(c for c in account.columns if c.name != "new_externalid"),
            Column("new_color", "String", "new_Color", max_length=10, is_custom=True),
        )
        contact = schema.by_logical_name["contact"]
        choice = replace(contact.by_name["gendercode"], options=(Option(1, "Male"),))
        others = tuple(choice if c.name == "gendercode" else c for c in contact.columns)
        asking.store.change_schema(
            changed(schema, replace(account, columns=columns), replace(contact, columns=others))
        )
        answer = asking.json(since(WATCH, stamp))
        tables = {table["LogicalName"]: table for table in answer["EntityMetadata"]}
        assert tables.keys() == {"account", "contact"}
        assert tables["account"]["HasChanged"] is False
        names = [column["LogicalName"] for column in tables["account"]["Attributes"]]
        assert "new_color" in names
        assert "name" not in names
        assert [c["LogicalName"] for c in tables["contact"]["Attributes"]] == ["gendercode"]
        assert tables["contact"]["Attributes"][0]["HasChanged"] is True
        assert answer["DeletedMetadata"]["Keys"] == ["Attribute"]
        assert len(answer["DeletedMetadata"]["Values"][0]["Items"]) == 1
        assert answer["ServerVersionStamp"] != stamp
        without = asking.json(since(WATCH, stamp, deleted="Relationship"))
        assert without["DeletedMetadata"]["Count"] == 0


def test_a_table_that_is_gone() -> None:
    schema = default_schema()
    with Asking(schema) as asking:
        stamp = asking.json(path(WATCH))["ServerVersionStamp"]
        setting = asking.json("EntityDefinitions(LogicalName='new_setting')?$select=LogicalName")
        kept = tuple(t for t in schema.tables if t.logical_name != "new_setting")
        links = tuple(x for x in schema.one_to_many if x.referencing != "new_setting")
        asking.store.change_schema(replace(schema, tables=kept, one_to_many=links))
        answer = asking.json(since(WATCH, stamp))
        deleted = dict(
            zip(
                answer["DeletedMetadata"]["Keys"],
                [value["Items"] for value in answer["DeletedMetadata"]["Values"]],
                strict=True,
            )
        )
        assert deleted["Default"] == [setting["MetadataId"]]
        assert deleted["Attribute"]


@pytest.mark.parametrize(
    ("stamp", "code"),
    [("1!01/01/2024 00:00:00", "0x80044352"), ("nonsense", "0x80040203")],
)
def test_stamps_that_were_never_given_out(asking: Asking, stamp: str, code: str) -> None:
    assert asking.fault(since(WATCH, stamp))[:2] == (400, code)


def test_a_stamp_expires_after_90_days() -> None:
    with Asking(default_schema()) as asking:
        clock = asking.environment.clock
        stamp = asking.json(path(WATCH))["ServerVersionStamp"]
        clock.advance(89 * DAY)
        assert asking.json(since(WATCH, stamp))["EntityMetadata"] == []
        clock.advance(2 * DAY)
        status, code, message = asking.fault(since(WATCH, stamp))
        assert (status, code) == (400, "0x80044352")
        assert "full sync" in message
