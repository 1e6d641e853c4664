"""What FetchXML is refused for, and what its rows must not show."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from dataverse_source.sandbox.switches import Switches
from tests.support.sandbox.fetchxml import LINK, address, condition, entity, refusal, rows, widgets
from tests.support.sandbox.reading import Reading, reading, small_schema


@pytest.fixture(scope="module")
def crm() -> Iterator[Reading]:
    with widgets() as side:
        yield side


@pytest.mark.parametrize(
    ("xml", "code"),
    [
        ("<fetch>", "0x80040203"),
        ("<!DOCTYPE fetch [<!ENTITY e 'x'>]><fetch>&e;</fetch>", "0x80040203"),
        ("<fetch>" + "<filter>" * 200, "0x80040203"),
        ("<query/>", "0x80040203"),
        ("<fetch/>", "0x80040203"),
        ("<fetch><entity/></fetch>", "0x80040203"),
        ("<fetch><entity name='nix'/></fetch>", "0x80041102"),
        ("<fetch><entity name='new_maker'/></fetch>", "0x80060888"),
        (entity(head="top='3' page='1'"), "0x80040203"),
        (entity(head="top='5001'"), "0x80044305"),
        (entity(head="count='0'"), "0x8004110C"),
        (entity(head="page='x'"), "0x8004110C"),
        (entity(head="count='5000' page='11'"), "0x8004430A"),
        (entity(head="distinct='perhaps'"), "0x80040203"),
        (entity("<sort/>"), "0x80040203"),
        (entity("<order/>"), "0x80040203"),
        (entity("<order alias='x'/>"), "0x80040203"),
        (entity("<filter type='xor'/>"), "0x80040203"),
        (entity("<filter><filtre/></filter>"), "0x80040203"),
        (entity(attributes="<attribute name='nix'/>"), "0x80041103"),
        (entity("<order attribute='nix'/>"), "0x80041103"),
        (entity(condition("attribute='nix' operator='null'")), "0x80041103"),
        (entity(condition("attribute='new_name' operator='resembles' value='x'")), "0x80041106"),
        (entity(condition("attribute='new_name' operator='eq'")), "0x80041106"),
        (entity(condition("attribute='new_count' operator='like' value='1'")), "0x80041106"),
        (entity(condition("attribute='new_name' operator='like' valueof='new_notes'")),
         "0x80041106"),
        (entity(condition("attribute='new_count' operator='between' value='1'")), "0x80041106"),
        (entity(condition("attribute='new_count' operator='eq' value='x'")), "0x80040203"),
        (entity(condition("attribute='new_rate' operator='eq' value='NaN'")), "0x80040203"),
        (entity(condition("attribute='new_serial' operator='eq' value='x'")), "0x80040203"),
        (entity(condition("attribute='new_ready' operator='eq' value='maybe'")), "0x80040203"),
        (entity(condition("attribute='new_madeon' operator='eq' value='noon'")), "0x80040203"),
        (entity(condition("entityname='m' attribute='new_name' operator='null'")), "0x8004110A"),
        (entity(LINK.format("link-type='any'", "")), "0x80041117"),
        (entity(LINK.format("alias='m'", "") + LINK.format("alias='m'", "")), "0x80041109"),
        (entity(LINK.format("", "") * 16), "0x8004430D"),
        (entity("<link-entity name='new_maker' from='new_name' to='new_makerid'/>"), "0x80040203"),
        (entity(attributes="<attribute name='new_name' alias='a'/>"
                "<attribute name='new_count' alias='a'/>"), "0x80041109"),
        (entity(attributes="<attribute name='new_count' aggregate='sum'/>",
                head="aggregate='true'"), "0x8004110B"),
        (entity(attributes="<attribute name='new_count' alias='x'/>", head="aggregate='true'"),
         "0x80040203"),
        (entity(attributes="<attribute name='new_name' alias='x' aggregate='sum'/>",
                head="aggregate='true'"), "0x80040203"),
        (entity(attributes="<attribute name='new_count' alias='x' aggregate='median'/>",
                head="aggregate='true'"), "0x80040203"),
        (entity("<order attribute='new_count'/>",
                "<attribute name='new_count' alias='x' aggregate='sum'/>", "aggregate='true'"),
         "0x8004110A"),
        (entity(attributes="<attribute name='new_madeon' alias='x' groupby='true'/>",
                head="aggregate='true'"), "0x80040203"),
        (entity(attributes="<attribute name='new_count' alias='x' aggregate='count'/>",
                head="aggregate='true' aggregatelimit='3'"), "0x8004E023"),
    ],
)  # fmt: skip
def test_refusals(crm: Reading, xml: str, code: str) -> None:
    status, found, message = refusal(crm, "new_widgets", xml)
    assert (status, found) == (400, code)
    assert message


def test_the_words_of_refusals(crm: Reading) -> None:
    unknown = entity(attributes="<attribute name='nix'/>")
    assert refusal(crm, "new_widgets", unknown)[2] == (
        "'new_widget' entity doesn't contain attribute with Name = 'nix' and NameMapping = "
        "'Logical'."
    )
    value = entity(condition("attribute='new_count' operator='eq' value='x'"))
    assert (
        "attribute 'new_widget.new_count'. Expected type of attribute value: System.Int32"
        in (refusal(crm, "new_widgets", value)[2])
    )


def test_secured_columns() -> None:
    schema = small_schema()
    maker = schema.by_logical_name["new_maker"]
    columns = tuple(replace(each, secured=each.name == "new_size") for each in maker.columns)
    changed = replace(schema, tables=(schema.tables[0], replace(maker, columns=columns)))
    with reading(changed) as side:
        side.store.create("new_maker", {"new_name": "one", "new_size": 1})
        query = "<fetch{}><entity name='new_maker'>{}</entity></fetch>"
        (row,) = rows(side, "new_makers", query.format("", "<all-attributes/>"))
        assert "new_size" not in row
        for head, inside in (
            ("", condition("attribute='new_size' operator='eq' value='1'")),
            ("", "<order attribute='new_size'/>"),
            (" aggregate='true'", "<attribute name='new_size' alias='s' aggregate='sum'/>"),
        ):
            assert refusal(side, "new_makers", query.format(head, inside))[0] == 403


def test_numbers_as_strings() -> None:
    with reading(switches=Switches(ieee754_compatible="strings")) as side:
        side.store.create("new_widget", {"new_price": "1.5", "new_count": 2})
        xml = entity("", "<attribute name='new_price'/><attribute name='new_count'/>")
        answer = side.ask(
            address("new_widgets", xml), accept="application/json;IEEE754Compatible=true"
        )
        assert b'"new_price":"1.5000","new_count":2' in answer.body
        assert answer.headers["Content-Type"].endswith("IEEE754Compatible=true")


@pytest.mark.parametrize(
    ("xml", "more"),
    [
        (entity(head="datasource='archive'"), ""),
        (entity(LINK.format("", ""), head="datasource='retained'"), ""),
        (entity(), "&$filter=new_count eq 1"),
        (entity(attributes="<attribute name='new_widgetid' rowaggregate='CountChildren'/>"), ""),
        (entity(attributes="<attribute name='new_madeon' alias='x' groupby='true' "
                "dategrouping='fiscal-year'/>", head="aggregate='true'"), ""),
    ],
)  # fmt: skip
def test_what_is_not_there_says_so(crm: Reading, xml: str, more: str) -> None:
    status, _, message = refusal(crm, "new_widgets", xml, more)
    assert status == 501
    assert "The sandbox has no" in message
