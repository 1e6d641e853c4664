"""EntityMetadata is read in its short form and in the Web API's own."""

from __future__ import annotations

from typing import Any

import pytest

from dataverse_source.sandbox.schema.entity_metadata import schema_of
from dataverse_source.sandbox.schema.labels import label_text, options_of
from dataverse_source.sandbox.schema.tables import Column, ManyToMany, OneToMany, Option, Table


def column(**attribute: Any) -> Column:
    """The column of a table that has this one only."""
    (table,) = schema_of([{"SchemaName": "new_Thing", "Attributes": [attribute]}]).tables
    return table.columns[0]


def label(**texts: str) -> dict[str, Any]:
    codes = {"english": 1033, "german": 1031}
    localized = [{"Label": text, "LanguageCode": codes[name]} for name, text in texts.items()]
    return {"LocalizedLabels": localized, "UserLocalizedLabel": None}


def test_what_is_left_out_is_as_usual() -> None:
    (table,) = schema_of([{"SchemaName": "new_Thing", "ObjectTypeCode": 10_001}]).tables
    assert table == Table(
        "new_thing", "new_Thing", None, "new_thingid", None, 10_001, (),
        display_name="Thing", collection_name="Things", is_custom=True,
    )  # fmt: skip
    assert column(SchemaName="StreetName", AttributeType="String") == Column(
        "streetname", "String", "StreetName", "Street Name", max_length=100, format="Text"
    )


def test_short_and_long_forms_say_the_same() -> None:
    short = column(
        SchemaName="new_Stage",
        AttributeType="MultiSelectPicklist",
        DisplayName="Stage",
        RequiredLevel="Recommended",
        OptionSet="1=One;2=Two",
    )
    long = {
        "@odata.type": "#Microsoft.Dynamics.CRM.MultiSelectPicklistAttributeMetadata",
        "SchemaName": "new_Stage",
        "LogicalName": "new_stage",
        "AttributeType": "Virtual",
        "AttributeTypeName": {"Value": "MultiSelectPicklistType"},
        "DisplayName": label(german="Stufe", english="Stage"),
        "RequiredLevel": {"Value": "Recommended", "CanBeChanged": True},
        "AttributeOf": None,
        "ColumnNumber": 7,
        "OptionSet": {
            "IsGlobal": False,
            "Name": "new_thing_new_stage",
            "Options": [
                {"Value": 1, "Label": label(english="One"), "Color": None},
                {"Value": 2, "Label": label(english="Two"), "Color": None},
            ],
        },
    }
    assert column(**long) == short
    assert short.options == (Option(1, "One"), Option(2, "Two"))


@pytest.mark.parametrize(
    "named",
    [
        {"AttributeTypeName": {"Value": "ImageType"}},
        {"@odata.type": "#Microsoft.Dynamics.CRM.ImageAttributeMetadata"},
    ],
)
def test_a_virtual_column_says_elsewhere_what_it_is(named: dict[str, Any]) -> None:
    assert column(SchemaName="EntityImage", AttributeType="Virtual", **named).type == "Image"
    assert column(SchemaName="EntityImage", AttributeType="Virtual").type == "Virtual"


def test_a_status_reason_belongs_to_a_state_and_a_yes_no_has_two_options() -> None:
    status = column(
        SchemaName="StatusCode",
        AttributeType="Status",
        OptionSet={"Options": [{"Value": 3, "Label": label(english="Won"), "State": 1}]},
    )
    assert status.options == (Option(3, "Won", 1),)
    yes_no = {
        "TrueOption": {"Value": 1, "Label": label(english="On")},
        "FalseOption": {"Value": 0, "Label": label(english="Off")},
    }
    assert options_of(yes_no) == (Option(0, "Off"), Option(1, "On"))


def test_a_global_choice_that_a_column_spells_out_is_known() -> None:
    shared = {"IsGlobal": True, "Name": "new_region", "Options": "1=North"}
    attribute = {"SchemaName": "new_Region", "AttributeType": "Picklist", "OptionSet": shared}
    schema = schema_of([{"SchemaName": "new_Thing", "Attributes": [attribute]}])
    assert schema.tables[0].columns[0].option_set == "new_region"
    assert schema.tables[0].columns[0].options == ()
    assert schema.global_choices == {"new_region": (Option(1, "North"),)}


def test_members_of_other_types_are_passed_over() -> None:
    assert column(
        SchemaName="VersionNumber", AttributeType="BigInt", MaxValue=9_223_372_036_854_775_807
    ) == column(SchemaName="VersionNumber", AttributeType="BigInt")


def test_a_format_name_says_more_than_a_format() -> None:
    named = {"FormatName": {"Value": "Phone"}, "Format": "Text"}
    assert column(SchemaName="Telephone", AttributeType="String", **named).format == "Phone"


@pytest.mark.parametrize(
    ("flags", "writable"),
    [
        ({"IsValidForCreate": False, "IsValidForUpdate": False}, False),
        ({"IsValidForCreate": False}, False),
        ({"IsValidForCreate": True, "IsValidForUpdate": False}, True),
        ({"IsValidForCreate": False, "IsValidForUpdate": True}, True),
        ({}, True),
    ],
)
def test_a_column_is_writable_on_create_or_update(flags: dict[str, bool], writable: bool) -> None:
    assert column(SchemaName="Name", AttributeType="String", **flags).writable is writable


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, ""),
        (label(), ""),
        (label(german="Ja"), "Ja"),
        (label(german="Ja", english="Yes"), "Yes"),
        (
            {**label(english="Yes"), "UserLocalizedLabel": {"Label": "Ja", "LanguageCode": 1031}},
            "Ja",
        ),
    ],
)
def test_a_label_is_read_in_the_users_language_else_in_english(text: Any, expected: str) -> None:
    assert label_text(text) == expected


THING: dict[str, Any] = {
    "SchemaName": "new_Thing",
    "Attributes": [
        {"SchemaName": "new_ThingId", "AttributeType": "Uniqueidentifier"},
        {"SchemaName": "new_ParentId", "AttributeType": "Lookup"},
        {"SchemaName": "RegardingId", "AttributeType": "Lookup"},
    ],
    "ManyToOneRelationships": [
        {
            "SchemaName": "new_thing_parent",
            "ReferencingAttribute": "new_parentid",
            "ReferencedEntity": "new_thing",
        },
        *(
            {
                "SchemaName": f"new_thing_{to}",
                "ReferencingAttribute": "regardingid",
                "ReferencedEntity": to,
            }
            for to in ("new_thing", "account")
        ),
    ],
}


def test_relationships_say_what_lookups_point_at_and_lead_to_known_tables_only() -> None:
    schema = schema_of([THING])
    columns = schema.tables[0].by_name
    assert columns["new_parentid"].targets == ("new_thing",)
    assert columns["regardingid"].targets == ("new_thing", "account")
    assert schema.one_to_many == (
        OneToMany(
            "new_thing_parent", "new_thing", "new_thingid", "new_thing", "new_parentid",
            "new_ParentId", "new_thing_parent",
        ),
        OneToMany(
            "new_thing_new_thing", "new_thing", "new_thingid", "new_thing", "regardingid",
            "regardingid_new_thing", "new_thing_new_thing",
        ),
    )  # fmt: skip


def test_a_relationship_is_read_from_either_side_once() -> None:
    link = {
        "SchemaName": "new_thing_parent",
        "ReferencingEntity": "new_thing",
        "ReferencingAttribute": "new_parentid",
        "ReferencedEntity": "new_thing",
        "CascadeConfiguration": {"Assign": "NoCascade", "Delete": "Restrict"},
    }
    one_side = schema_of([{**THING, "ManyToOneRelationships": [link]}])
    other_side = schema_of(
        [{**THING, "ManyToOneRelationships": [], "OneToManyRelationships": [link]}]
    )
    both = schema_of(
        [{**THING, "ManyToOneRelationships": [link], "OneToManyRelationships": [link]}]
    )
    assert one_side.one_to_many == other_side.one_to_many == both.one_to_many
    assert [each.cascade_delete for each in both.one_to_many] == ["Restrict"]


def test_an_nn_relationship_needs_both_tables_and_the_intersect() -> None:
    link = {
        "SchemaName": "new_Thing_Other",
        "Entity1LogicalName": "new_thing",
        "Entity1IntersectAttribute": "new_thingid",
        "Entity2LogicalName": "new_other",
        "Entity2IntersectAttribute": "new_otherid",
        "IntersectEntityName": "new_thing_other",
    }
    thing = {"SchemaName": "new_Thing", "ManyToManyRelationships": [link]}
    other = {"SchemaName": "new_Other", "ManyToManyRelationships": [link]}
    intersect = {"SchemaName": "new_Thing_Other", "IsIntersect": True}
    assert schema_of([thing, other]).many_to_many == ()
    assert schema_of([thing, other, intersect]).many_to_many == (
        ManyToMany(
            "new_Thing_Other", "new_thing", "new_other", "new_thing_other", "new_thingid",
            "new_otherid", "new_Thing_Other", "new_Thing_Other",
        ),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("attribute", "message"),
    [
        ({"AttributeType": "String"}, "neither SchemaName nor LogicalName"),
        ({"SchemaName": "Name"}, "'name' has no AttributeType"),
        ({"SchemaName": "Name", "AttributeType": "Text"}, "'Text'"),
    ],
)
def test_a_column_without_name_or_type_is_refused(attribute: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=rf"(?s)new_thing.*{message}"):
        column(**attribute)
