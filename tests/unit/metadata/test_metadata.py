from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from dataverse_source.errors import (
    ProtocolError,
    ResponseError,
    ThrottledError,
    UnauthorizedError,
    UnknownNameError,
)
from dataverse_source.metadata.model import ELASTIC_PROVIDER, Column, Table
from dataverse_source.metadata.reader import MetadataReader

ATTRIBUTES = "EntityDefinitions(LogicalName='contact')/Attributes"
CAST = f"{ATTRIBUTES}/Microsoft.Dynamics.CRM."


class Answers:
    """Serves prepared answers by path and notes what was asked."""

    def __init__(self, answers: Mapping[str, Any]) -> None:
        self.answers = answers
        self.asked: list[tuple[str, str]] = []

    def get_json(
        self, path: str, query: Mapping[str, str] | None = None, prefer: Sequence[str] = ()
    ) -> dict[str, Any]:
        if path.startswith("RetrieveMetadataChanges"):
            return {}  # an answer that can't be right
        self.asked.append((path, (query or {})["$select"]))
        return {"value": self.answers[path]} if path in self.answers else {}


def table_answer(logical_name: str, set_name: str | None, **members: object) -> dict[str, object]:
    return {
        "LogicalName": logical_name,
        "EntitySetName": set_name,
        "PrimaryIdAttribute": f"{logical_name}id",
        "PrimaryNameAttribute": None,
        "TableType": "Standard",
        "ChangeTrackingEnabled": True,
        "IsIntersect": False,
        "IsActivity": False,
        "IsPrivate": False,
        "DataProviderId": None,
        "MetadataId": "70816501-edb9-4740-a16c-6a5efbc05d84",
    } | members


def column_answer(name: str, type_name: str, **members: object) -> dict[str, object]:
    return {
        "LogicalName": name,
        "AttributeType": "Virtual",
        "AttributeTypeName": {"Value": type_name},
        "AttributeOf": None,
        "IsValidForRead": True,
        "IsLogical": False,
        "IsPrimaryId": False,
        "SourceType": 0,
        "IsValidODataAttribute": True,
    } | members


TABLES = [
    table_answer("contact", "contacts"),
    table_answer("account", "accounts", DataProviderId="", TableType=None),
    table_answer("new_Bus", "new_buses", TableType="Virtual", DataProviderId="x"),
    table_answer("hidden", None),
    # the entity set name of one is the logical name of the other
    table_answer("twist", "twister"),
    table_answer("twister", "twisters"),
]


def contact_answers() -> Answers:
    return Answers(
        {
            "EntityDefinitions": TABLES,
            ATTRIBUTES: [
                column_answer("contactid", "UniqueidentifierType", IsPrimaryId=True),
                column_answer("parentcustomerid", "CustomerType"),
                column_answer("birthdate", "DateTimeType"),
                column_answer("creditlimit", "MoneyType", SourceType=None),
                column_answer("statecodename", "VirtualType", AttributeOf="statecode"),
                column_answer("newest", "", AttributeType="Integer", IsLogical=True),
            ],
            f"{CAST}DateTimeAttributeMetadata": [
                {
                    "LogicalName": "birthdate",
                    "Format": "DateOnly",
                    "DateTimeBehavior": {"Value": "DateOnly"},
                }
            ],
            f"{CAST}MoneyAttributeMetadata": [{"LogicalName": "creditlimit", "Precision": 2}],
            f"{CAST}LookupAttributeMetadata": [
                {"LogicalName": "parentcustomerid", "Targets": ["account", "contact"]}
            ],
        }
    )


def test_tables_are_asked_for_once() -> None:
    answers = Answers({"EntityDefinitions": TABLES})
    reader = MetadataReader(answers)
    assert reader.tables() is reader.tables()
    assert [path for path, _ in answers.asked] == ["EntityDefinitions"]
    contact, account, bus, hidden, *_ = reader.tables()
    assert contact == Table(
        "contact",
        "contacts",
        "contactid",
        None,
        change_tracking=True,
        metadata_id="70816501-edb9-4740-a16c-6a5efbc05d84",
    )
    assert account.data_provider_id is None
    assert account.table_type == "Standard"
    assert (bus.table_type, bus.data_provider_id) == ("Virtual", "x")
    assert hidden.entity_set_name is None


@pytest.mark.parametrize(
    ("name", "logical_name"),
    [
        ("contacts", "contact"),
        ("contact", "contact"),
        ("CONTACTS", "contact"),
        ("Account", "account"),
        ("NEW_BUSES", "new_Bus"),
        ("new_bus", "new_Bus"),
        ("twister", "twist"),
        ("twist", "twist"),
        ("TWISTER", "twist"),
        ("twisters", "twister"),
    ],
)
def test_a_table_is_found_by_either_name_in_any_case(name: str, logical_name: str) -> None:
    reader = MetadataReader(Answers({"EntityDefinitions": TABLES}))
    assert reader.resolve(name).logical_name == logical_name


def test_an_unknown_table_is_named_with_the_nearest() -> None:
    reader = MetadataReader(Answers({"EntityDefinitions": TABLES}))
    with pytest.raises(UnknownNameError, match=r"'acounts'(?s:.*)Did you mean 'accounts'"):
        reader.resolve("acounts")
    with pytest.raises(UnknownNameError) as caught:
        reader.resolve("zzz")
    assert "entity set name (accounts) or the logical name (account)" in str(caught.value.remedy)


def test_a_table_without_entity_set_is_refused() -> None:
    reader = MetadataReader(Answers({"EntityDefinitions": TABLES}))
    with pytest.raises(UnknownNameError, match="no entity set name"):
        reader.resolve("hidden")


def test_a_table_has_its_columns_with_what_the_casts_tell() -> None:
    answers = contact_answers()
    table = MetadataReader(answers).table("contacts")
    assert table.logical_name == "contact"
    assert table.column("contactid") == Column(
        "contactid", "UniqueidentifierType", is_primary_id=True, source_type=0
    )
    assert table.column("parentcustomerid").targets == ("account", "contact")
    assert table.column("birthdate").date_behavior == "DateOnly"
    assert table.column("creditlimit").precision == 2
    assert table.column("creditlimit").source_type is None
    assert table.column("statecodename").attribute_of == "statecode"
    assert table.column("newest").type == "IntegerType"
    assert table.column("newest").is_logical
    assert table.has("newest")
    assert not table.has("oldest")


def test_only_casts_with_columns_are_asked_for() -> None:
    answers = contact_answers()
    MetadataReader(answers).table("contact")
    assert [path for path, _ in answers.asked] == [
        "EntityDefinitions",
        ATTRIBUTES,
        f"{CAST}DateTimeAttributeMetadata",
        f"{CAST}MoneyAttributeMetadata",
        f"{CAST}LookupAttributeMetadata",
    ]
    assert dict(answers.asked)[f"{CAST}LookupAttributeMetadata"] == "LogicalName,Targets"


def test_an_unknown_column_is_named_with_the_nearest() -> None:
    table = MetadataReader(contact_answers()).table("contact")
    with pytest.raises(UnknownNameError, match=r"'birthdat'(?s:.*)'birthdate'"):
        table.column("birthdat")


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"value": None},
        {"value": [1]},
        {"value": [{"EntitySetName": "x"}]},
        {"value": [], "@odata.nextLink": "https://contoso.crm.dynamics.com/"},
    ],
)
def test_a_metadata_answer_that_cannot_be_right_is_refused(answer: dict[str, Any]) -> None:
    class Broken(Answers):
        def get_json(
            self, path: str, query: Mapping[str, str] | None = None, prefer: Sequence[str] = ()
        ) -> dict[str, Any]:
            return answer

    with pytest.raises(ProtocolError):
        MetadataReader(Broken({})).tables()


@pytest.mark.parametrize(
    ("column", "wire_name", "polymorphic"),
    [
        (Column("ownerid", "OwnerType"), "_ownerid_value", True),
        (Column("customerid", "CustomerType"), "_customerid_value", True),
        (Column("one", "LookupType", targets=("a",)), "_one_value", False),
        (Column("two", "LookupType", targets=("a", "b")), "_two_value", True),
        (Column("name", "StringType"), "name", False),
    ],
)
def test_names_on_the_wire(column: Column, wire_name: str, polymorphic: bool) -> None:
    assert (column.wire_name, column.polymorphic) == (wire_name, polymorphic)


@pytest.mark.parametrize("status", [400, 403, 404, 501])
def test_a_refused_function_is_asked_once(status: int, caplog: pytest.LogCaptureFixture) -> None:
    class Refusing(Answers):
        calls = 0

        def get_json(
            self, path: str, query: Mapping[str, str] | None = None, prefer: Sequence[str] = ()
        ) -> dict[str, Any]:
            if path.startswith("RetrieveMetadataChanges"):
                self.calls += 1
                raise ResponseError("refused", status=status, code="0x80040220")
            return super().get_json(path, query, prefer)

    answers = Refusing(contact_answers().answers)
    reader = MetadataReader(answers)
    assert reader.table("contact").column("creditlimit").precision == 2
    reader.table("contact")
    assert answers.calls == 1
    assert caplog.text.count("metadata is read table by table") == 1


@pytest.mark.parametrize("error", [UnauthorizedError, ThrottledError])
def test_a_refusal_of_the_client_is_no_reason_to_ask_otherwise(error: type[ResponseError]) -> None:
    class Refusing(Answers):
        def get_json(
            self, path: str, query: Mapping[str, str] | None = None, prefer: Sequence[str] = ()
        ) -> dict[str, Any]:
            if path.startswith("RetrieveMetadataChanges"):
                raise error("refused", status=429)
            return super().get_json(path, query, prefer)

    with pytest.raises(error):
        MetadataReader(Refusing(contact_answers().answers)).table("contact")


KINDS = [
    ({}, "standard"),
    ({"TableType": "Elastic", "DataProviderId": ELASTIC_PROVIDER}, "elastic"),
    ({"TableType": "Virtual", "DataProviderId": "b"}, "virtual"),
    ({"DataProviderId": "b2a2a2a2-0000-0000-0000-000000000000"}, "virtual"),
    ({"IsIntersect": True}, "intersect"),
    ({"IsActivity": True}, "activity"),
    ({"TableType": "Activity"}, "activity"),
]


@pytest.mark.parametrize(("members", "kind"), KINDS)
def test_kinds_of_tables(members: dict[str, object], kind: str) -> None:
    (table,) = MetadataReader(
        Answers({"EntityDefinitions": [table_answer("contact", "contacts", **members)]})
    ).tables()
    assert table.kind == kind
    key = ("contactid", "partitionid") if kind == "elastic" else ("contactid",)
    assert table.key_columns == key
