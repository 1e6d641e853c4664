"""Reads of collections and rows, compared with what the docs and recordings print."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any

import pytest

from dataverse_source.sandbox.environment.environment import Caller
from dataverse_source.sandbox.schema.catalog import default_schema
from dataverse_source.sandbox.schema.tables import Schema
from dataverse_source.sandbox.switches import Switches
from tests.support.sandbox.accounts import ACCOUNT, CONTACT, three_accounts
from tests.support.sandbox.reading import ROOT, USER, Reading, reading, small_schema

FORMATTED = 'odata.include-annotations="OData.Community.Display.V1.FormattedValue"'


@pytest.fixture(scope="module")
def crm() -> Iterator[Reading]:
    with three_accounts() as side:
        yield side


def version(side: Reading, key: str = ACCOUNT) -> int:
    row = side.store.row("account", key)
    assert row is not None
    return int(row["versionnumber"])


def test_the_first_query_of_the_single_tenant_guide(crm: Reading) -> None:
    answer = crm.ask("accounts?$select=name&$orderby=name&$top=3", 'odata.include-annotations="*"')
    page = json.loads(answer.body)
    assert list(page) == [
        "@odata.context",
        "@Microsoft.Dynamics.CRM.totalrecordcount",
        "@Microsoft.Dynamics.CRM.totalrecordcountlimitexceeded",
        "@Microsoft.Dynamics.CRM.globalmetadataversion",
        "value",
    ]
    assert page["@odata.context"] == f"{ROOT}$metadata#accounts(name)"
    assert page["@Microsoft.Dynamics.CRM.totalrecordcount"] == -1
    assert page["@Microsoft.Dynamics.CRM.totalrecordcountlimitexceeded"] is False
    assert page["@Microsoft.Dynamics.CRM.globalmetadataversion"] == "173309522"
    assert page["value"][0] == {
        "@odata.etag": f'W/"{version(crm)}"',
        "name": "Test Account 1",
        "accountid": ACCOUNT,
    }
    assert list(page["value"][0]) == ["@odata.etag", "name", "accountid"]
    assert answer.headers["Preference-Applied"] == 'odata.include-annotations="*"'
    assert answer.headers["Content-Type"] == "application/json; odata.metadata=minimal"
    assert answer.headers["OData-Version"] == "4.0"


def test_a_row_with_formatted_values_is_that_of_the_docs(crm: Reading) -> None:
    answer = crm.ask(
        "accounts?$select=name,revenue,_primarycontactid_value,customertypecode,modifiedon"
        "&$filter=name eq 'test account 1'",
        FORMATTED,
    )
    formatted = "@OData.Community.Display.V1.FormattedValue"
    (row,) = json.loads(answer.body, parse_float=str)["value"]
    currency = row["_transactioncurrencyid_value"]
    assert list(row.items()) == [
        ("@odata.etag", f'W/"{version(crm)}"'),
        ("name", "Test Account 1"),
        (f"revenue{formatted}", "$20,000.00"),
        ("revenue", "20000.0000"),
        (f"_primarycontactid_value{formatted}", "Susanna Stubberod (sample)"),
        ("_primarycontactid_value", CONTACT),
        (f"customertypecode{formatted}", "Competitor"),
        ("customertypecode", 1),
        (f"modifiedon{formatted}", "4/7/2023 9:59 PM"),
        ("modifiedon", "2023-04-07T21:59:01Z"),
        (f"_transactioncurrencyid_value{formatted}", "US Dollar"),
        ("_transactioncurrencyid_value", currency),
        ("accountid", ACCOUNT),
    ]


def test_lookup_annotations_name_the_table_and_the_navigation_property(crm: Reading) -> None:
    page = crm.json(
        "accounts?$select=name,_ownerid_value&$filter=startswith(name,'Test')",
        'odata.include-annotations="Microsoft.Dynamics.CRM.associatednavigationproperty,'
        'Microsoft.Dynamics.CRM.lookuplogicalname"',
    )
    other, owned = page["value"]
    assert list(owned.items())[2:] == [
        ("_ownerid_value@Microsoft.Dynamics.CRM.associatednavigationproperty", "ownerid"),
        ("_ownerid_value@Microsoft.Dynamics.CRM.lookuplogicalname", "systemuser"),
        ("_ownerid_value", USER),
        ("accountid", ACCOUNT),
    ]
    assert list(other) == ["@odata.etag", "name", "_ownerid_value", "accountid"]
    assert other["_ownerid_value"] is None


def test_without_select_every_column_is_there_and_nulls_are_explicit(crm: Reading) -> None:
    page = crm.json("accounts")
    (row,) = (row for row in page["value"] if row["accountid"] == ACCOUNT)
    table = default_schema().by_logical_name["account"]
    assert set(row) == {"@odata.etag", *table.by_wire_name}
    assert row["telephone1"] is None
    assert row["_parentaccountid_value"] is None
    assert page["@odata.context"] == f"{ROOT}$metadata#accounts"


def test_values_are_printed_as_documented() -> None:
    with reading() as side:
        side.store.create(
            "new_widget",
            {
                "new_name": 'a "quoted"\nline',
                "new_big": 638751549947120004,
                "new_rate": Decimal("1.5"),
                "new_price": 20000,
                "new_price_base": 20000,
                "new_weight": 3,
                "new_ready": True,
                "new_madeon": "2023-04-07T21:59:01.9Z",
                "new_opens": "2023-04-07T08:00:00Z",
                "new_day": "2023-04-07",
                "new_color": 2,
                "new_tags": [5, 7],
                "new_count": 1234567,
            },
        )
        text = side.ask("new_widgets").body.decode()
        for piece in (
            '"new_name":"a \\"quoted\\"\\nline"',
            '"new_big":638751549947120004,',
            '"new_rate":1.500,',
            '"new_price":20000.0000,',
            '"new_price_base":20000.0000000000,',
            '"new_weight":3.0,',
            '"new_ready":true,',
            '"new_madeon":"2023-04-07T21:59:01Z"',
            '"new_day":"2023-04-07"',
            '"new_tags":"5,7"',
            '"new_serial":null',
        ):
            assert piece in text
        (row,) = side.json("new_widgets", FORMATTED)["value"]
        shown = {
            name.split("@")[0]: value for name, value in row.items() if name.endswith("dValue")
        }
        assert shown == {
            "new_big": "638,751,549,947,120,004",
            "new_count": "1,234,567",
            "new_rate": "1.500",
            "new_price": "$20,000.00",
            "new_price_base": "$20,000.00",
            "new_weight": "3.00",
            "new_ready": "Yes",
            "new_madeon": "4/7/2023 9:59 PM",
            "new_opens": "4/7/2023 8:00 AM",
            "new_day": "4/7/2023",
            "new_color": 'Dark "blue"',
            "new_tags": "Crm 4; Crm 2011",
            "statecode": "Active",
            "statuscode": "Active",
            "createdon": shown["createdon"],
            "modifiedon": shown["modifiedon"],
            "versionnumber": "1,000,001",
        }


def test_one_row(crm: Reading) -> None:
    row = crm.json(f"accounts({ACCOUNT})?$select=name")
    assert row == {
        "@odata.context": f"{ROOT}$metadata#accounts(name)/$entity",
        "@odata.etag": f'W/"{version(crm)}"',
        "name": "Test Account 1",
        "accountid": ACCOUNT,
    }
    assert crm.json(f"accounts(accountid={ACCOUNT})?$select=name") == row


def test_users_are_principals_and_carry_ownerid(crm: Reading) -> None:
    (row,) = crm.json("systemusers?$select=fullname")["value"]
    assert list(row) == ["@odata.etag", "fullname", "systemuserid", "ownerid"]
    assert row["ownerid"] == row["systemuserid"]


@pytest.mark.parametrize(
    "query",
    [
        "$select=ownerid",
        "$select=systemuserid,ownerid",
        f"$select=ownerid&$filter=ownerid eq {USER}",
        "$select=ownerid&$orderby=ownerid desc",
    ],
)
def test_ownerid_of_a_user_can_be_asked_for_as_the_metadata_says(crm: Reading, query: str) -> None:
    page = crm.json(f"systemusers?{query}")
    selected = query.partition("=")[2].partition("&")[0]
    assert page["@odata.context"] == f"{ROOT}$metadata#systemusers({selected})"
    rows = [(row["systemuserid"], row["ownerid"]) for row in page["value"]]
    assert (USER, USER) in rows
    assert all(key == owner for key, owner in rows)


@pytest.mark.parametrize(
    ("rest", "status", "code", "message"),
    [
        ("nope", 404, "0x80060888", "Resource not found for the segment 'nope'."),
        ("Accounts", 404, "0x80060888", "Resource not found for the segment 'Accounts'."),
        (f"accounts({USER})", 404, "0x80040217", f"account With Id = {USER} Does Not Exist"),
        ("accounts?$select=x", 400, "0x80060888",
         "Could not find a property named 'x' on type 'Microsoft.Dynamics.CRM.account'."),
        ("accounts?$filter=x eq 1", 400, "0x80060888",
         "Could not find a property named 'x' on type 'Microsoft.Dynamics.CRM.account'."),
        ("contacts?$filter=lastname eq 'O'Bryan'", 400, "0x80060888",
         "There is an unterminated literal at position 21 in 'lastname eq 'O'Bryan''."),
        ("accounts?$filter=name eq 1", 400, "0x80060888",
         "A binary operator with incompatible types was detected. Found operand types "
         "'Edm.String' and 'Edm.Int32' for operator kind 'Equal'."),
        ("accounts?$filter=tolower(name) eq 'a'", 400, "0x80060888", None),
        ("accounts?$filter=name eq", 400, "0x80060888", None),
        ("accounts?$skip=1", 400, "0x80060888", "The query parameter $skip is not supported"),
        ("accounts?$search=a", 400, "0x80060888", "The query parameter $search is not supported"),
        ("accounts?$top=x", 400, "0x80060888", None),
        ("accounts?$orderby=name up", 400, "0x80060888", None),
        ("accounts?$select=name&$select=name", 400, "0x80060888", None),
        ("accounts?$skiptoken=rubbish", 400, "0x8004112A", None),
        ("accounts(12)", 400, "0x80060888", None),
    ],
)  # fmt: skip
def test_refusals(crm: Reading, rest: str, status: int, code: str, message: str | None) -> None:
    found = crm.fault(rest)
    assert found[:2] == (status, code)
    assert message is None or found[2] == message


def test_a_caller_without_the_privilege_is_refused(crm: Reading) -> None:
    limited = Caller(USER, USER, readable_tables=frozenset({"contact"}))
    crm.ask("contacts", caller=limited)
    status, code, message = crm.fault("accounts", caller=limited)
    assert (status, code) == (403, "0x80040220")
    assert "is missing prvReadAccount privilege" in message


def test_paths_and_lambdas(crm: Reading) -> None:
    def names(text: str) -> list[str]:
        return [row["name"] for row in crm.json(f"accounts?$select=name&$filter={text}")["value"]]

    assert names("primarycontactid/fullname eq 'susanna stubberod (sample)'") == ["Test Account 1"]
    assert names("owninguser/fullname eq null and startswith(name,'z')") == ["Zeta"]
    assert names(f"_primarycontactid_value eq {CONTACT}") == ["Test Account 1"]
    assert names(f"_primarycontactid_value eq '{CONTACT}'") == ["Test Account 1"]
    crm.store.update(
        "contact", CONTACT, {"parentcustomerid": ACCOUNT, "parentcustomerid@table": "account"}
    )
    assert names("contact_customer_accounts/any(c:c/statecode eq 0)") == ["Test Account 1"]
    assert names("contact_customer_accounts/any(c:c/statecode eq 1)") == []
    assert names("contact_customer_accounts/all(c:c/statecode eq 0)") == ["Test Account 1"], (
        "all is false for an empty collection"
    )
    assert sorted(names("not contact_customer_accounts/any()")) == ["Test Account 2", "Zeta"]
    assert names("contains(name,'t%1')") == ["Test Account 1"]
    assert sorted(names("contains(name,'[12]')")) == ["Test Account 1", "Test Account 2"]
    assert names("endswith(name,'_et[^b]')") == ["Zeta"]


def test_the_settings_of_what_no_document_settles() -> None:
    def keys(side: Reading, text: str) -> list[Any]:
        return [row["new_makerid"] for row in side.json(f"new_makers?$filter={text}")["value"]]

    low, high = "f0000000-0000-0000-0000-000000000001", "00000000-0000-0000-0000-000000000002"
    for setting, found in (("sql_order", [high]), ("text_order", [])):
        with reading(switches=Switches().changed(guid_comparison=setting)) as side:
            side.store.create("new_maker", {"new_makerid": low})
            side.store.create("new_maker", {"new_makerid": high})
            assert keys(side, f"new_makerid gt {low}") == found
            side.environment.switches = Switches().changed(guid_comparison="refused")
            assert side.fault(f"new_makers?$filter=new_makerid gt {low}")[0] == 400
    moment = datetime(2024, 1, 1, 12, 0, 0, 400_000, tzinfo=timezone.utc)
    with reading() as side:
        key = side.store.create("new_maker", {}, modified_on=moment)
        assert keys(side, "modifiedon gt 2024-01-01T12:00:00Z") == []
        assert keys(side, "modifiedon eq 2024-01-01T12:00:00Z") == [key]
        side.environment.switches = Switches().changed(modified_on_resolution="hidden_milliseconds")
        assert keys(side, "modifiedon gt 2024-01-01T12:00:00Z") == [key]
        side.environment.switches = Switches().changed(modified_on_resolution="fraction_refused")
        assert side.fault("new_makers?$filter=modifiedon gt 2024-01-01T12:00:00.1Z")[0] == 400
    with reading(switches=Switches().changed(page_size_out_of_range="refused")) as side:
        assert side.fault("new_makers", "odata.maxpagesize=6000")[0] == 400
    with reading() as side:
        for _ in range(3):
            side.store.create("new_maker", {})
        both = ("new_makers?$top=2", "odata.maxpagesize=1")
        assert len(list(side.pages(*both))) == 3
        side.environment.switches = Switches().changed(top_with_page_size="page_size_ignored")
        (page,) = side.pages(*both)
        assert len(page["value"]) == 2


def test_functions(crm: Reading) -> None:
    for name in ("WhoAmI", "WhoAmI()"):
        assert crm.json(name) == {
            "@odata.context": f"{ROOT}$metadata#Microsoft.Dynamics.CRM.WhoAmIResponse",
            "BusinessUnitId": crm.environment.organization.business_unit_id,
            "UserId": USER,
            "OrganizationId": crm.environment.organization.organization_id,
        }
    assert crm.json("RetrieveVersion()")["Version"].startswith("9.2.")
    counted = crm.json("RetrieveTotalRecordCount(EntityNames=['account','contact'])")
    assert counted["EntityRecordCountCollection"] == {
        "Count": 2,
        "IsReadOnly": False,
        "Keys": ["account", "contact"],
        "Values": [3, 1],
    }
    assert counted == crm.json(
        'RetrieveTotalRecordCount(EntityNames=@p1)?@p1=["account","contact"]'
    )
    detail = crm.json(
        "RetrieveCurrentOrganization(AccessType=Microsoft.Dynamics.CRM.EndpointAccessType'Default')"
    )["Detail"]
    assert detail["FriendlyName"] == crm.environment.organization.friendly_name


def with_secured_name() -> Schema:
    schema = small_schema()
    widget, maker = schema.tables
    columns = tuple(replace(c, secured=c.name == "new_size") for c in maker.columns)
    return replace(schema, tables=(widget, replace(maker, columns=columns)))


def test_columns_that_column_security_hides() -> None:
    with reading(with_secured_name()) as side:
        side.store.create("new_maker", {"new_name": "A", "new_size": 5})
        (row,) = side.json("new_makers?$select=new_name,new_size")["value"]
        assert row["new_size"] is None
        side.environment.switches = Switches().changed(secured_columns="omitted")
        (row,) = side.json("new_makers?$select=new_name,new_size")["value"]
        assert "new_size" not in row
        refused = side.fault("new_makers?$filter=new_size eq 5")
        assert refused[:2] == (403, "0x8004F504")


def test_numbers_as_text_where_the_switch_says_so() -> None:
    accept = "application/json;IEEE754Compatible=true"
    with reading() as side:
        side.store.create("new_widget", {"new_price": 5, "new_big": 2**60, "new_count": 3})

        def asked() -> tuple[Any, str]:
            answer = side.ask("new_widgets?$count=true", Accept=accept)
            return json.loads(answer.body), answer.headers["Content-Type"]

        page, content_type = asked()
        assert page["value"][0]["new_big"] == 2**60
        assert "IEEE754" not in content_type
        side.environment.switches = Switches().changed(ieee754_compatible="strings")
        page, content_type = asked()
        (row,) = page["value"]
        assert (row["new_price"], row["new_big"], row["new_count"]) == ("5.0000", str(2**60), 3)
        assert row["new_rate"] is None
        assert page["@odata.count"] == "1"
        assert content_type.endswith(";IEEE754Compatible=true")
        side.environment.switches = Switches().changed(ieee754_compatible="406")
        assert side.fault("new_widgets", Accept=accept)[0] == 406
