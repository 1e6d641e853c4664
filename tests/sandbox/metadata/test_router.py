"""EntityDefinitions and its relatives, as a client reads them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from dataverse_source.sandbox.schema.catalog import default_schema
from dataverse_source.sandbox.switches import Switches
from tests.support.places import SHARED
from tests.support.sandbox.metadata_requests import ROOT, Asking, recording

ACCOUNT = "EntityDefinitions(LogicalName='account')"
NS = "Microsoft.Dynamics.CRM"


@pytest.fixture(scope="module")
def asking() -> Iterator[Asking]:
    with Asking(default_schema()) as opened:
        yield opened


def test_service_document_lists_entity_sets(asking: Asking) -> None:
    answer = asking.json("")
    assert answer["@odata.context"] == f"{ROOT}$metadata"
    assert {"name": "accounts", "kind": "EntitySet", "url": "accounts"} in answer["value"]
    assert not any(entry["name"] is None for entry in answer["value"])


def test_selected_members_come_with_metadata_id(asking: Asking) -> None:
    answer = asking.json(
        "EntityDefinitions?$select=LogicalName,EntitySetName"
        "&$filter=ChangeTrackingEnabled eq true and LogicalName eq 'account'"
    )
    assert answer["@odata.context"] == (
        f"{ROOT}$metadata#EntityDefinitions(LogicalName,EntitySetName)"
    )
    (account,) = answer["value"]
    assert list(account) == ["LogicalName", "EntitySetName", "MetadataId"]
    assert account["EntitySetName"] == "accounts"


def test_metadata_id_leads_back_and_is_stable(asking: Asking) -> None:
    account = asking.json(f"{ACCOUNT}?$select=LogicalName")
    with Asking(default_schema()) as another:
        again = another.json(f"{ACCOUNT}?$select=MetadataId")
    assert again["MetadataId"] == account["MetadataId"]
    by_id = asking.json(f"EntityDefinitions({account['MetadataId']})?$select=LogicalName")
    assert by_id["LogicalName"] == "account"
    assert by_id["@odata.context"] == f"{ROOT}$metadata#EntityDefinitions(LogicalName)/$entity"


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("LogicalName eq 'account' or LogicalName eq 'contact'", {"account", "contact"}),
        ("not (IsLogicalEntity eq false)", {"owner"}),
        ("EntitySetName eq 'transactioncurrencies'", {"transactioncurrency"}),
        ("EntitySetName eq null", {"owner"}),
        ("ObjectTypeCode eq 1", {"account"}),
        (
            "OwnershipType eq 'OrganizationOwned' and LogicalName eq 'organization'",
            {"organization"},
        ),
        ("OwnershipType ne 'UserOwned' and LogicalName eq 'account'", set()),
        (
            f"OwnershipType eq {NS}.OwnershipTypes'UserOwned' and IsPrivate eq false"
            " and CanChangeTrackingBeEnabled/Value eq true and LogicalName ne 'account'"
            " and LogicalName eq 'contact'",
            {"contact"},
        ),
    ],
)
def test_filters(asking: Asking, condition: str, expected: set[str]) -> None:
    answer = asking.json(f"EntityDefinitions?$select=LogicalName&$filter={condition}")
    assert {table["LogicalName"] for table in answer["value"]} == expected


@pytest.mark.parametrize(
    ("rest", "status", "code", "words"),
    [
        (
            "EntityDefinitions?$select=Foo",
            400,
            "0x80060888",
            f"'Foo' on type '{NS}.EntityMetadata'",
        ),
        ("EntityDefinitions?$filter=Foo eq 1", 400, "0x80060888", "named 'Foo'"),
        ("EntityDefinitions?$filter=LogicalName eq", 400, "0x80060888", "Syntax error"),
        ("EntityDefinitions?$filter=DisplayName eq 'a'", 400, "0x80060888", "incompatible"),
        ("EntityDefinitions?$filter=OwnershipType eq 'a'", 400, "0x80060888", "OwnershipTypes"),
        (
            "EntityDefinitions?$filter=startswith(LogicalName,'acc')",
            501,
            "0x8006088a",
            'The "startswith" function isn\'t supported for Metadata Entities',
        ),
        ("EntityDefinitions?$filter=LogicalName gt 'a'", 501, "0x8006088a", "GreaterThan"),
        ("EntityDefinitions?$top=1", 400, "0x80060888", "parameter $top is not supported"),
        ("EntityDefinitions?$skip=1", 400, "0x80060888", "parameter $skip is not supported"),
        ("EntityDefinitions?$orderby=LogicalName", 400, "0x80060888", "$orderby"),
        ("EntityDefinitions?$expand=LogicalName", 400, "0x80060888", "navigation property"),
        ("EntityDefinitions(LogicalName='nope')", 404, "0x80040217", "nope"),
        (f"{ACCOUNT}/Attributes(LogicalName='nope')", 404, "0x80040217", "nope"),
        ("ManagedPropertyDefinitions", 501, "0x8006088a", "not answer"),
        (f"{ACCOUNT}/Nope", 404, "0x8006088a", "'Nope'"),
        (
            f"{ACCOUNT}/Attributes/{NS}.EnumAttributeMetadata",
            500,
            "0x8006088a",
            "Unexpected attribute",
        ),
        (f"{ACCOUNT}/Attributes?$select=MaxLength", 400, "0x80060888", "MaxLength"),
    ],
)
def test_refusals(asking: Asking, rest: str, status: int, code: str, words: str) -> None:
    found = asking.fault(rest)
    assert found[:2] == (status, code)
    assert words in found[2]


def columns(asking: Asking, cast: str, query: str) -> dict[str, dict[str, Any]]:
    path = f"{ACCOUNT}/Attributes" + (f"/{NS}.{cast}AttributeMetadata" if cast else "")
    return {c["LogicalName"]: c for c in asking.json(f"{path}?{query}")["value"]}


def test_columns_tell_their_types(asking: Asking) -> None:
    found = columns(
        asking,
        "",
        "$select=LogicalName,AttributeType,AttributeTypeName,AttributeOf,IsValidForRead,IsLogical,"
        "IsPrimaryId,SourceType,IsValidODataAttribute",
    )
    types = {
        name: (c["AttributeType"], c["AttributeTypeName"]["Value"]) for name, c in found.items()
    }
    assert types["name"] == ("String", "StringType")
    assert types["new_interests"] == ("Virtual", "MultiSelectPicklistType")
    assert types["new_contract"] == ("Virtual", "FileType")
    assert types["entityimage"] == ("Virtual", "ImageType")
    assert types["ownerid"] == ("Owner", "OwnerType")
    assert types["new_billingcustomerid"] == ("Customer", "CustomerType")
    assert found["statecodename"]["AttributeOf"] == "statecode"
    assert found["statecodename"]["IsValidODataAttribute"] is False
    assert found["address1_city"]["IsLogical"] is True
    assert found["opendeals"]["SourceType"] == 2
    assert found["accountid"]["IsPrimaryId"] is True


def test_odata_type_is_on_typed_columns_only(asking: Asking) -> None:
    found = columns(asking, "", "$select=LogicalName")
    assert found["name"]["@odata.type"] == f"#{NS}.StringAttributeMetadata"
    assert found["ownerid"]["@odata.type"] == f"#{NS}.LookupAttributeMetadata"
    assert "@odata.type" not in found["accountid"]
    assert "@odata.type" not in found["statecodename"]
    typed = columns(asking, "String", "$select=LogicalName")
    assert not any("@odata.type" in column for column in typed.values())


def test_casts_show_members_of_the_derived_type(asking: Asking) -> None:
    money = columns(asking, "Money", "$select=LogicalName,Precision,IsBaseCurrency,CalculationOf")
    assert money["revenue_base"]["Precision"] == 4
    assert money["revenue_base"]["CalculationOf"] == "revenue"
    assert money["revenue_base"]["IsBaseCurrency"] is True
    dates = columns(asking, "DateTime", "$select=LogicalName,DateTimeBehavior,Format")
    assert dates["new_openingtime"]["DateTimeBehavior"] == {"Value": "TimeZoneIndependent"}
    decimals = columns(asking, "Decimal", "$select=LogicalName,Precision")
    assert decimals["exchangerate"]["Precision"] == 12
    lookups = columns(asking, "Lookup", "$select=LogicalName,Targets")
    assert lookups["new_billingcustomerid"]["Targets"] == ["account", "contact"]
    assert lookups["ownerid"]["Targets"] == ["systemuser", "team"]
    whole = columns(asking, "Integer", "$select=LogicalName,MinValue,MaxValue")
    assert whole["numberofemployees"]["MaxValue"] == 1_000_000_000
    assert columns(asking, "UniqueIdentifier", "$select=LogicalName") == {}


def test_choices_are_expanded(asking: Asking) -> None:
    path = f"{ACCOUNT}/Attributes(LogicalName='accountcategorycode')/{NS}.PicklistAttributeMetadata"
    answer = asking.json(
        f"{path}?$select=LogicalName&$expand=OptionSet($select=Options),"
        "GlobalOptionSet($select=Options)"
    )
    labels = {
        option["Value"]: option["Label"]["UserLocalizedLabel"]["Label"]
        for option in answer["OptionSet"]["Options"]
    }
    assert labels == {1: "Preferred Customer", 2: "Standard"}
    assert answer["GlobalOptionSet"] == answer["OptionSet"]
    assert answer["@odata.context"].endswith(
        f"/Attributes/{NS}.PicklistAttributeMetadata"
        "(LogicalName,OptionSet(Options),GlobalOptionSet(Options))/$entity"
    )
    status = asking.json(
        f"{ACCOUNT}/Attributes(LogicalName='statuscode')/{NS}.StatusAttributeMetadata/OptionSet"
    )
    assert [option["State"] for option in status["Options"]] == [0, 1]
    boolean = asking.json(
        f"{ACCOUNT}/Attributes/{NS}.BooleanAttributeMetadata?$select=LogicalName"
        "&$filter=LogicalName eq 'donotemail'&$expand=OptionSet"
    )["value"][0]["OptionSet"]
    assert boolean["TrueOption"]["Label"]["UserLocalizedLabel"]["Label"] == "Do Not Allow"


def test_columns_are_expanded_with_their_own_filter(asking: Asking) -> None:
    answer = asking.json(
        f"{ACCOUNT}?$select=LogicalName&$expand=Attributes($select=LogicalName;"
        f"$filter=AttributeType eq {NS}.AttributeTypeCode'State'),Keys,ManyToManyRelationships"
    )
    assert [column["LogicalName"] for column in answer["Attributes"]] == ["statecode"]
    assert isinstance(answer["Keys"], list)


def test_expanded_items_have_a_context_in_version_9_0() -> None:
    with Asking(default_schema(), version="v9.0") as asking:
        answer = asking.json(
            f"{ACCOUNT}/Attributes/{NS}.PicklistAttributeMetadata?$select=LogicalName"
            "&$filter=LogicalName eq 'industrycode'&$expand=OptionSet($select=Options)"
        )
    (column,) = answer["value"]
    assert column["OptionSet@odata.context"].endswith(
        f"Attributes({column['MetadataId']})/{NS}.PicklistAttributeMetadata"
        "/OptionSet(Options)/$entity"
    )


def test_global_choices(asking: Asking) -> None:
    answer = asking.json("GlobalOptionSetDefinitions")
    names = {choice["Name"] for choice in answer["value"]}
    assert {"incident_caseorigincode", "new_region"} <= names
    assert all("Options" in choice for choice in answer["value"])
    assert {c["@odata.type"] for c in answer["value"]} == {f"#{NS}.OptionSetMetadata"}
    one = asking.json("GlobalOptionSetDefinitions(Name='incident_caseorigincode')")
    assert [option["Value"] for option in one["Options"]][:3] == [1, 2, 3]
    by_id = asking.json(f"GlobalOptionSetDefinitions({one['MetadataId']})")
    assert by_id["Name"] == "incident_caseorigincode"
    assert asking.fault("GlobalOptionSetDefinitions?$filter=Name eq 'new_region'")[0] == 501
    assert asking.fault("GlobalOptionSetDefinitions?$select=Options")[:2] == (400, "0x80060888")
    cast_ = asking.json(f"GlobalOptionSetDefinitions/{NS}.OptionSetMetadata?$select=Options")
    assert len(cast_["value"]) == len(answer["value"])
    origin = asking.json(
        "EntityDefinitions(LogicalName='incident')/Attributes(LogicalName='caseorigincode')"
        f"/{NS}.PicklistAttributeMetadata?$select=LogicalName&$expand=OptionSet,GlobalOptionSet"
    )
    assert origin["GlobalOptionSet"]["Name"] == "incident_caseorigincode"
    assert origin["OptionSet"]["IsGlobal"] is True


def test_global_choices_have_the_shape_of_a_real_organization(asking: Asking) -> None:
    path = SHARED / "corpus" / "json" / "defra-rod-option-set-data.json"
    if not path.exists():
        pytest.skip("choices of a real organization are not here")
    real = json.loads(path.read_text(encoding="utf-8"))["value"]
    (whole,) = [choice for choice in real if "@odata.type" in choice]
    ours = asking.json("GlobalOptionSetDefinitions")["value"][0]
    assert ours.keys() == whole.keys()
    options = [option for choice in real for option in choice.get("Options", [])]
    recent = next(option for option in options if "IsHidden" in option)
    assert [name for name in ours["Options"][0] if name in recent] == list(recent)
    # The whole one was recorded before options had these.
    for option in ours["Options"]:
        del option["Tag"], option["IsHidden"]
    assert ours["Options"][0].keys() == whole["Options"][0].keys()
    same_shape(ours, whole, "choice")


def test_the_number_of_items(asking: Asking) -> None:
    answer = asking.json(
        "EntityDefinitions?$select=LogicalName&$filter=IsActivity eq true&$count=true"
    )
    assert answer["@odata.count"] == len(answer["value"]) > 0
    assert "@odata.count" not in asking.json("EntityDefinitions?$select=LogicalName&$count=false")


def test_options_of_states_and_reasons_in_the_recorded_order(asking: Asking) -> None:
    for name, own in (
        ("statecode", ["DefaultStatus", "InvariantName"]),
        ("statuscode", ["State", "TransitionData"]),
    ):
        path = f"{ACCOUNT}/Attributes(LogicalName='{name}')"
        kind = f"{NS}.{'State' if name == 'statecode' else 'Status'}AttributeMetadata"
        found = asking.json(f"{path}/{kind}?$select=LogicalName&$expand=OptionSet")
        members = list(found["OptionSet"]["Options"][0])
        assert members[:1] == ["@odata.type"]
        assert members[5:] == [
            "ParentValues", "Tag", "IsHidden", "MetadataId", "HasChanged", *own, "Label",
            "Description",
        ]  # fmt: skip


@pytest.mark.parametrize(("setting", "is_there"), [("own", True), ("null", False)])
def test_the_global_choice_of_a_local_one(setting: str, is_there: bool) -> None:
    with Asking(default_schema()) as asking:
        asking.environment.switches = Switches().changed(local_global_option_set=setting)
        path = f"{ACCOUNT}/Attributes(LogicalName='accountcategorycode')"
        kind = f"{NS}.PicklistAttributeMetadata"
        found = asking.json(f"{path}/{kind}?$expand=OptionSet,GlobalOptionSet")
        assert found["GlobalOptionSet"] == (found["OptionSet"] if is_there else None)


def test_relationships(asking: Asking) -> None:
    one_to_many = f"RelationshipDefinitions/{NS}.OneToManyRelationshipMetadata"
    found = asking.json(f"{one_to_many}?$select=SchemaName&$filter=ReferencedEntity eq 'account'")
    names = {link["SchemaName"] for link in found["value"]}
    assert {"contact_customer_accounts", "opportunity_parent_account"} <= names
    every = asking.json("RelationshipDefinitions?$select=SchemaName,RelationshipType")["value"]
    assert {link["@odata.type"] for link in every} == {
        f"#{NS}.OneToManyRelationshipMetadata",
        f"#{NS}.ManyToManyRelationshipMetadata",
    }
    many = asking.json(
        f"RelationshipDefinitions/{NS}.ManyToManyRelationshipMetadata"
        "?$select=IntersectEntityName,Entity1LogicalName,Entity1IntersectAttribute"
        "&$filter=SchemaName eq 'accountleads_association'"
    )
    assert many["value"][0]["IntersectEntityName"] == "accountleads"
    assert many["value"][0]["Entity1IntersectAttribute"] == "accountid"
    status, code, _ = asking.fault("RelationshipDefinitions?$filter=ReferencedEntity eq 'account'")
    assert (status, code) == (400, "0x80060888")
    lead = asking.json(
        "EntityDefinitions(LogicalName='lead')/ManyToManyRelationships?$select=SchemaName"
    )
    assert "contactleads_association" in {link["SchemaName"] for link in lead["value"]}


def test_alternate_keys(asking: Asking) -> None:
    found = asking.json("EntityDefinitions(LogicalName='new_project')/Keys")
    (key,) = found["value"]
    assert key["KeyAttributes"] == ["new_code"]
    assert key["EntityKeyIndexStatus"] == "Active"


@pytest.mark.parametrize(("setting", "status"), [("502", 502), ("504", 504), ("500", 500)])
def test_all_columns_of_all_tables_may_be_too_much(setting: Any, status: int) -> None:
    with Asking(default_schema(), Switches(expand_all_attributes=setting)) as slow:
        assert slow.fault("EntityDefinitions?$expand=Attributes($select=LogicalName)")[0] == status
        one = slow.json(f"{ACCOUNT}?$select=LogicalName&$expand=Attributes($select=LogicalName)")
    assert len(one["Attributes"]) > 140


def same_shape(ours: Any, real: Any, where: str) -> None:
    """Members that both have are of one JSON type, down to the leaves; null fits anything."""
    if ours is None or real is None:
        return
    assert isinstance(ours, bool) == isinstance(real, bool), where
    assert type(ours) is type(real), where
    if isinstance(ours, dict):
        for name in ours.keys() & real.keys():
            same_shape(ours[name], real[name], f"{where}.{name}")
    elif isinstance(ours, list) and ours and real:
        same_shape(ours[0], real[0], f"{where}[0]")


@pytest.mark.parametrize(
    ("logical_name", "name"),
    [
        ("account", "resource__Validate_Create__get_entitydefinition_account"),
        ("contact", "datasource__get_entitydefinition_account"),
        ("businessunit", "resource__Validate_Disable_On_Delete__get_entitydefinition_businessunit"),
    ],
)
def test_tables_have_the_shape_of_a_real_organization(
    asking: Asking, logical_name: str, name: str
) -> None:
    real = recording(name)
    expand = [part for part in real if part.endswith("Relationships")]
    query = f"?$expand={','.join(expand)}" if expand else ""
    ours = asking.json(f"EntityDefinitions(LogicalName='{logical_name}'){query}")
    assert real.keys() - ours.keys() == set()
    assert ours.keys() - real.keys() <= {"ClusterMode"}
    same_shape(ours, real, logical_name)
    for member in (
        "LogicalName", "SchemaName", "EntitySetName", "PrimaryIdAttribute", "ObjectTypeCode",
        "PrimaryNameAttribute", "OwnershipType", "ChangeTrackingEnabled", "TableType",
        "IsActivity", "IsIntersect", "IsPrivate", "DataProviderId", "CollectionSchemaName",
        "PrimaryImageAttribute", "LogicalCollectionName", "ReportViewName", "IsStateModelAware",
    ):  # fmt: skip
        assert ours[member] == real[member], member


def test_business_unit_has_the_columns_of_a_real_organization(asking: Asking) -> None:
    real = recording(
        "resource__Validate_Disable_On_Delete__get_entitydefinition_businessunit_attributes"
    )
    ours = asking.json(
        "EntityDefinitions(LogicalName='businessunit')/Attributes?$select=LogicalName"
    )
    assert (
        ours["@odata.context"].split("$metadata")[1] == real["@odata.context"].split("$metadata")[1]
    )

    def types(answer: Any) -> dict[str, str | None]:
        return {c["LogicalName"]: c.get("@odata.type") for c in answer["value"]}

    assert types(ours) == types(real)
    assert [list(c) for c in ours["value"]] == [list(c) for c in real["value"]]
