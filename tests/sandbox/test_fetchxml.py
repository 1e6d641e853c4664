"""FetchXML over rows whose answers are known, as the docs and recorded answers have them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any

import pytest

from dataverse_source.sandbox.environment import Caller
from dataverse_source.sandbox.switches import Switches

from .fetching import (
    ALL,
    ATTRIBUTE,
    COOKIE,
    FORMATTED,
    MORE,
    PAGING,
    address,
    fetch,
    inner_cookie,
    refusal,
    rows,
)
from .reading import ROOT, USER, Reading, reading

MADE_ON = datetime(2024, 8, 27, 15, 30, tzinfo=timezone.utc)
MAKERS = {"Acme": 10, "Bolt": 20, "Cog": None}
WIDGETS: tuple[tuple[Any, ...], ...] = (
    # name, count, price, color, maker, ready
    ("anvil", 5, "10.5", 1, "Acme", True),
    ("Bellows", 7, "0.25", 2, "Acme", False),
    ("clamp", None, "100", None, "Bolt", None),
    ("drill", 7, None, 1, None, True),
)


@pytest.fixture(scope="module")
def crm() -> Iterator[Reading]:
    with reading() as side:
        store = side.store
        makers = {
            name: store.create("new_maker", {"new_name": name, "new_size": size})
            for name, size in MAKERS.items()
        }
        for name, count, price, color, maker, ready in WIDGETS:
            store.create(
                "new_widget",
                {
                    "new_name": name,
                    "new_count": count,
                    "new_price": price,
                    "new_color": color,
                    "new_makerid": makers.get(maker),
                    "new_buyerid": makers["Cog"],
                    "new_ready": ready,
                    "new_madeon": MADE_ON,
                    "new_tags": "5,7" if name == "anvil" else None,
                },
            )
        yield side


def entity(
    inside: str = "", attributes: str = "<attribute name='new_name'/>", head: str = ""
) -> str:
    """A query for widgets."""
    return f"<fetch {head}><entity name='new_widget'>{attributes}{inside}</entity></fetch>"


def names(side: Reading, inside: str) -> set[str]:
    """Names of the widgets that a query finds."""
    return {row["new_name"] for row in rows(side, "new_widgets", entity(inside))}


def condition(text: str) -> str:
    return f"<filter><condition {text}/></filter>"


EVERY = {"anvil", "Bellows", "clamp", "drill"}
LINK = "<link-entity name='new_maker' from='new_makerid' to='new_makerid' {}>{}</link-entity>"


@pytest.mark.parametrize(
    ("inside", "wanted"),
    [
        ("", EVERY),
        ("<filter/>", EVERY),
        (condition("attribute='new_name' operator='eq' value='ANVIL'"), {"anvil"}),
        (condition("attribute='new_name' operator='ne' value='anvil'"), EVERY - {"anvil"}),
        (condition("attribute='new_count' operator='ne' value='7'"), {"anvil", "clamp"}),
        (condition("attribute='new_count' operator='neq' value='7'"), {"anvil", "clamp"}),
        (condition("attribute='new_count' operator='gt' value='5'"), {"Bellows", "drill"}),
        (condition("attribute='new_count' operator='le' value='5'"), {"anvil"}),
        (condition("attribute='new_count' operator='null'"), {"clamp"}),
        (condition("attribute='new_count' operator='not-null'"), EVERY - {"clamp"}),
        (condition("attribute='new_price' operator='ge' value='10.5'"), {"anvil", "clamp"}),
        (condition("attribute='new_ready' operator='eq' value='1'"), {"anvil", "drill"}),
        (condition("attribute='new_ready' operator='eq' value='false'"), {"Bellows"}),
        (condition("attribute='new_name' operator='like' value='%ll%'"), {"Bellows", "drill"}),
        (condition("attribute='new_name' operator='like' value='_nvil'"), {"anvil"}),
        (condition("attribute='new_name' operator='like' value='[ab]%'"), {"anvil", "Bellows"}),
        (condition("attribute='new_name' operator='like' value='nvil'"), set()),
        (condition("attribute='new_name' operator='not-like' value='%l%'"), set()),
        (condition("attribute='new_name' operator='begins-with' value='b'"), {"Bellows"}),
        (condition("attribute='new_name' operator='ends-with' value='L'"), {"anvil", "drill"}),
        (condition("attribute='new_name' operator='not-begin-with' value='a'"), EVERY - {"anvil"}),
        (condition("attribute='new_name' operator='not-end-with' value='l'"), {"Bellows", "clamp"}),
        (condition("attribute='new_notes' operator='not-like' value='x'"), EVERY),
        (condition("attribute='new_color' operator='eq' value='2'"), {"Bellows"}),
        (condition("attribute='new_madeon' operator='eq' value='2024-08-27T15:30:00Z'"), EVERY),
        (condition("attribute='new_madeon' operator='gt' value='2024-08-27'"), EVERY),
        (condition("attribute='new_madeon' operator='on' value='2024-08-27'"), EVERY),
        (condition("attribute='new_madeon' operator='on-or-after' value='2024-08-28'"), set()),
        (condition("attribute='createdon' operator='today'"), EVERY),
        (condition("attribute='createdon' operator='last-x-days' value='2'"), EVERY),
        (condition("attribute='createdon' operator='last-year'"), set()),
        (condition("attribute='new_madeon' operator='olderthan-x-months' value='1'"), EVERY),
        (
            "<filter><condition attribute='new_name' operator='in'><value>anvil</value>"
            "<value>DRILL</value></condition></filter>",
            {"anvil", "drill"},
        ),
        (
            "<filter><condition attribute='new_count' operator='not-in'><value>5</value>"
            "</condition></filter>",
            {"Bellows", "clamp", "drill"},
        ),
        (
            "<filter><condition attribute='new_count' operator='between'><value>5</value>"
            "<value>6</value></condition></filter>",
            {"anvil"},
        ),
        (
            "<filter><condition attribute='new_tags' operator='contain-values'><value>7</value>"
            "<value>9</value></condition></filter>",
            {"anvil"},
        ),
        (
            "<filter><condition attribute='new_tags' operator='not-contain-values'>"
            "<value>7</value></condition></filter>",
            EVERY - {"anvil"},
        ),
        (
            "<filter type='or'><condition attribute='new_name' operator='eq' value='anvil'/>"
            "<filter><condition attribute='new_count' operator='eq' value='7'/>"
            "<condition attribute='new_color' operator='eq' value='1'/></filter></filter>",
            {"anvil", "drill"},
        ),
        (condition("attribute='new_name' operator='eq' valueof='new_name'"), EVERY),
        (condition("attribute='createdon' operator='gt' valueof='new_madeon'"), EVERY),
        (LINK.format("", ""), EVERY - {"drill"}),
        (LINK.format("link-type='outer'", ""), EVERY),
        (
            LINK.format("", condition("attribute='new_size' operator='ge' value='20'")),
            {"clamp"},
        ),
        (
            LINK.format("link-type='outer' alias='m'", "")
            + condition("entityname='m' attribute='new_name' operator='null'"),
            {"drill"},
        ),
        (
            LINK.format(
                "link-type='outer' alias='m'",
                condition("entityname='m' attribute='new_size' operator='lt' value='20'"),
            ),
            {"anvil", "Bellows"},
        ),
        (
            LINK.format("alias='m'", "")
            + condition("attribute='new_name' operator='lt' valueof='m.new_name'"),
            set(),
        ),
        (
            LINK.format("alias='m'", "")
            + condition("attribute='new_name' operator='gt' valueof='m.new_name'"),
            {"anvil", "Bellows", "clamp"},
        ),
        (LINK.format("link-type='exists'", ""), EVERY - {"drill"}),
        (
            LINK.format(
                "link-type='in'", condition("attribute='new_name' operator='eq' value='Bolt'")
            ),
            {"clamp"},
        ),
        ("<filter>" + LINK.format("link-type='not any'", "") + "</filter>", {"drill"}),
        (
            "<filter type='or'>"
            + LINK.format(
                "link-type='any'", condition("attribute='new_name' operator='eq' value='bolt'")
            )
            + "<condition attribute='new_name' operator='eq' value='drill'/></filter>",
            {"clamp", "drill"},
        ),
        (condition("attribute='new_makeridname' operator='eq' value='x'"), None),
    ],
)  # fmt: skip
def test_filters_and_links(crm: Reading, inside: str, wanted: set[str] | None) -> None:
    if wanted is None:
        assert refusal(crm, "new_widgets", entity(inside))[:2] == (400, "0x80041103")
    else:
        assert names(crm, inside) == wanted


@pytest.mark.parametrize(
    ("kind", "size", "wanted"),
    [
        ("any", "5", {"Acme"}),
        ("not any", "5", {"Bolt", "Cog"}),
        ("all", "5", {"Bolt"}),
        ("not all", "5", {"Acme"}),
        ("all", "1", {"Acme", "Bolt"}),
    ],
)
def test_links_within_a_filter(crm: Reading, kind: str, size: str, wanted: set[str]) -> None:
    inside = condition(f"attribute='new_count' operator='eq' value='{size}'")
    xml = (
        "<fetch><entity name='new_maker'><attribute name='new_name'/><filter>"
        "<link-entity name='new_widget' from='new_makerid' to='new_makerid' "
        f"link-type='{kind}'>{inside}</link-entity></filter></entity></fetch>"
    )
    assert {row["new_name"] for row in rows(crm, "new_makers", xml)} == wanted


def test_a_row_leaves_nulls_out_and_brings_its_key(crm: Reading) -> None:
    inside = condition("attribute='new_name' operator='eq' value='clamp'")
    attributes = "<attribute name='new_count'/><attribute name='new_price'/>"
    page = fetch(crm, "new_widgets", entity(inside, attributes))
    (row,) = page["value"]
    assert list(row) == ["@odata.etag", "new_price", "new_widgetid"]
    assert row["new_price"] == Decimal("100.0000")
    assert page["@odata.context"] == (
        f"{ROOT}$metadata#new_widgets(new_price,new_widgetid,new_count)"
    )


def test_without_attributes_all_columns_come(crm: Reading) -> None:
    inside = condition("attribute='new_name' operator='eq' value='anvil'")
    (plain,) = rows(crm, "new_widgets", entity(inside, ""))
    (every,) = rows(crm, "new_widgets", entity(inside, "<all-attributes/>"))
    (odata,) = crm.json("new_widgets?$filter=new_name eq 'anvil'")["value"]
    assert plain == every == {name: value for name, value in odata.items() if value is not None}


def test_aliases_and_columns_of_links(crm: Reading) -> None:
    attributes = "<attribute name='new_makerid' alias='who'/><attribute name='new_makerid'/>"
    link = LINK.format("alias='m'", "<attribute name='new_size'/>"
                       "<attribute name='new_name' alias='maker'/>")  # fmt: skip
    only = condition("attribute='new_name' operator='eq' value='anvil'")
    page = fetch(crm, "new_widgets", entity(only + link, attributes), ALL)
    (row,) = page["value"]
    value = "_new_makerid_value"
    assert list(row) == [
        "@odata.etag",
        f"{value}{FORMATTED}",
        f"{value}@Microsoft.Dynamics.CRM.associatednavigationproperty",
        f"{value}@Microsoft.Dynamics.CRM.lookuplogicalname",
        value,
        "new_widgetid",
        f"who{ATTRIBUTE}",
        f"who{FORMATTED}",
        "who@Microsoft.Dynamics.CRM.lookuplogicalname",
        "who",
        f"m.new_size{ATTRIBUTE}",
        f"m.new_size{FORMATTED}",
        "m.new_size",
        f"maker{ATTRIBUTE}",
        "maker",
    ]
    assert row["who"] == row[value]
    assert (row[f"who{ATTRIBUTE}"], row[f"who{FORMATTED}"]) == ("new_makerid", "Acme")
    assert (row["m.new_size"], row["maker"]) == (10, "Acme")
    assert page["@m.OData.Community.Display.V1.CurrentEntityField"] == "new_makerid"
    assert page["@odata.context"].endswith(
        "#new_widgets(_new_makerid_value,new_MakerId,new_widgetid,new_makerid,"
        "new_MakerId(),new_MakerId())"
    )
    bare = fetch(crm, "new_widgets", entity(only + link, attributes))["value"][0]
    assert not [name for name in bare if "@" in name[1:]]


def test_links_are_called_by_table_or_number_without_an_alias(crm: Reading) -> None:
    many_to_one = LINK.format("", "<attribute name='new_name'/>")
    (row,) = rows(crm, "new_widgets", entity(
        condition("attribute='new_name' operator='eq' value='anvil'") + many_to_one))  # fmt: skip
    assert row["new_maker.new_name"] == "Acme"
    one_to_many = (
        "<fetch><entity name='new_maker'><link-entity name='new_widget' from='new_makerid' "
        "to='new_makerid'><attribute name='new_name'/></link-entity></entity></fetch>"
    )
    found = rows(crm, "new_makers", one_to_many)
    assert sorted(row["new_widget1.new_name"] for row in found) == ["Bellows", "anvil", "clamp"]


def test_the_first_of_many_rows(crm: Reading) -> None:
    xml = (
        "<fetch><entity name='new_maker'><attribute name='new_name'/><order attribute='new_name'/>"
        "<link-entity name='new_widget' from='new_makerid' to='new_makerid' alias='w' "
        "link-type='matchfirstrowusingcrossapply'><attribute name='new_name'/></link-entity>"
        "</entity></fetch>"
    )
    found = [(row["new_name"], row.get("w.new_name")) for row in rows(crm, "new_makers", xml)]
    assert found in (
        [("Acme", "anvil"), ("Bolt", "clamp"), ("Cog", None)],
        [("Acme", "Bellows"), ("Bolt", "clamp"), ("Cog", None)],
    )


@pytest.mark.parametrize(
    ("orders", "head", "wanted"),
    [
        ("<order attribute='new_name'/>", "", "anvil Bellows clamp drill"),
        ("<order attribute='new_name' descending='true'/>", "", "drill clamp Bellows anvil"),
        ("<order attribute='new_count'/><order attribute='new_name' descending='1'/>", "",
         "clamp anvil drill Bellows"),
        # By label, "Dark" before "Red"; nulls first.
        ("<order attribute='new_color'/><order attribute='new_name'/>", "",
         "clamp Bellows anvil drill"),
        ("<order attribute='new_color'/><order attribute='new_name'/>", "useraworderby='true'",
         "clamp anvil drill Bellows"),
        ("<order attribute='new_makerid' descending='true'/><order attribute='new_name'/>", "",
         "clamp anvil Bellows drill"),
        (LINK.format("link-type='outer'", "<order attribute='new_size' descending='true'/>")
         + "<order attribute='new_ready'/>", "", "clamp Bellows anvil drill"),
        ("<order entityname='m' attribute='new_size' descending='true'/>"
         "<order attribute='new_name'/>" + LINK.format("alias='m' link-type='outer'", ""), "",
         "clamp anvil Bellows drill"),
    ],
)  # fmt: skip
def test_orders(crm: Reading, orders: str, head: str, wanted: str) -> None:
    found = rows(crm, "new_widgets", entity(orders, head=head))
    assert [row["new_name"] for row in found] == wanted.split()


def aggregate(side: Reading, attributes: str, inside: str = "", prefer: str = "") -> Any:
    return rows(side, "new_widgets", entity(inside, attributes, "aggregate='true'"), prefer)


def test_aggregates(crm: Reading) -> None:
    functions = "".join(
        f"<attribute name='new_count' alias='{name}' aggregate='{name}'/>"
        for name in ("count", "countcolumn", "sum", "avg", "min", "max")
    )
    distinct = "<attribute name='new_count' alias='d' aggregate='countcolumn' distinct='true'/>"
    (row,) = aggregate(crm, functions + distinct)
    assert row == {"count": 4, "countcolumn": 3, "sum": 19, "avg": 6, "min": 5, "max": 7, "d": 2}
    money = "<attribute name='new_price' alias='total' aggregate='sum'/>"
    (row,) = aggregate(crm, money, prefer=ALL)
    assert row == {
        f"total{ATTRIBUTE}": "new_price",
        f"total{FORMATTED}": "$110.75",
        "total": Decimal("110.750000000"),
    }
    assert str(row["total"]) == "110.750000000"


def test_groups(crm: Reading) -> None:
    attributes = (
        "<attribute name='new_makerid' alias='maker' groupby='true'/>"
        "<attribute name='new_count' alias='total' aggregate='sum'/>"
        "<attribute name='new_widgetid' alias='n' aggregate='count'/>"
        "<order alias='maker' descending='true'/>"
    )
    found = aggregate(crm, attributes, prefer=ALL)
    shown = [(row.get(f"maker{FORMATTED}"), row.get("total"), row["n"]) for row in found]
    # No sum over nothing but nulls, no member for the group of nulls.
    assert shown == [("Bolt", None, 1), ("Acme", 12, 2), (None, 7, 1)]
    assert found[0]["maker@Microsoft.Dynamics.CRM.lookuplogicalname"] == "new_maker"
    by_count = attributes.replace("alias='maker' descending='true'", "alias='n'")
    assert [row["n"] for row in aggregate(crm, by_count)] == [1, 1, 2]
    linked = LINK.format("alias='m'", "<attribute name='new_name' alias='maker' groupby='true'/>")
    count = "<attribute name='new_widgetid' alias='n' aggregate='count'/>"
    assert aggregate(crm, count, linked) == [
        {"n": 2, "maker": "Acme"},
        {"n": 1, "maker": "Bolt"},
    ]


def test_groups_by_parts_of_a_date(crm: Reading) -> None:
    parts = "".join(
        f"<attribute name='new_madeon' alias='{part}' groupby='true' dategrouping='{part}'/>"
        for part in ("day", "week", "month", "quarter", "year")
    )
    (row,) = aggregate(crm, parts, prefer=ALL)
    numbers = {name: value for name, value in row.items() if "@" not in name}
    assert numbers == {"day": 27, "week": 35, "month": 8, "quarter": 3, "year": 2024}
    assert row[f"year{FORMATTED}"] == "2,024"


def test_distinct_rows_have_no_key(crm: Reading) -> None:
    found = rows(crm, "new_widgets", entity("", "<attribute name='new_count'/>", "distinct='true'"))
    assert sorted(found, key=str) == [{"new_count": 5}, {"new_count": 7}, {}]
    with reading() as side:
        for name in ("Ann", "ann", "ANN", "Bob"):
            side.store.create("new_maker", {"new_name": name})
        xml = (
            "<fetch distinct='true' returntotalrecordcount='true'><entity name='new_maker'>"
            "<attribute name='new_name'/><order attribute='new_name'/></entity></fetch>"
        )
        page = fetch(side, "new_makers", xml)
        assert [row["new_name"].lower() for row in page["value"]] == ["ann", "bob"]
        assert page["@odata.count"] == 2


def test_count_of_rows(crm: Reading) -> None:
    counted = fetch(crm, "new_widgets", entity(), more="&$count=true")
    assert counted["@odata.count"] == 4
    page = fetch(crm, "new_widgets", entity(head="returntotalrecordcount='true' count='1'"), ALL)
    assert page["@odata.count"] == page["@Microsoft.Dynamics.CRM.totalrecordcount"] == 4
    assert page["@Microsoft.Dynamics.CRM.totalrecordcountlimitexceeded"] is False
    assert (
        fetch(crm, "new_widgets", entity(), ALL)["@Microsoft.Dynamics.CRM.totalrecordcount"] == -1
    )


def test_the_annotations_of_a_page(crm: Reading) -> None:
    order = "<order attribute='new_name'/>"
    answer = crm.ask(address("new_widgets", entity(order, head="count='3' page='1'")), PAGING)
    assert answer.headers["Preference-Applied"] == PAGING
    first = fetch(crm, "new_widgets", entity(order, head="count='3'"), PAGING)
    assert list(first) == ["@odata.context", COOKIE, MORE, "value"]
    assert first[MORE] is True
    assert first[COOKIE].startswith('<cookie pagenumber="2" pagingcookie="%253ccookie%2520page')
    assert first[COOKIE].endswith('" istracking="False" />')
    last_key = first["value"][2]["new_widgetid"].upper()
    assert inner_cookie(first).startswith(
        '<cookie page="1"><new_name last="clamp" first="anvil" />'
        f'<new_widgetid last="{{{last_key}}}" first="{{'
    )
    last = crm.ask(address("new_widgets", entity(order, head="count='3' page='2'")), PAGING)
    assert b"cookie" not in last.body
    assert b"morerecords" not in last.body
    assert "Preference-Applied" not in last.headers
    silent = fetch(crm, "new_widgets", entity(order, head="count='3'"))
    assert list(silent) == ["@odata.context", "value"]


def test_the_last_page_may_have_annotations() -> None:
    with reading(switches=Switches(last_fetchxml_page="false_and_cookie")) as side:
        side.store.create("new_maker", {"new_name": "one"})
        page = fetch(side, "new_makers", "<fetch><entity name='new_maker'/></fetch>", PAGING)
        assert page[MORE] is False
        assert page[COOKIE].startswith('<cookie pagenumber="1" pagingcookie="%253ccookie')


def test_a_linked_order_has_no_cookie(crm: Reading) -> None:
    inside = LINK.format("link-type='outer'", "<order attribute='new_name'/>")
    page = fetch(crm, "new_widgets", entity(inside, head="count='2'"), PAGING)
    assert page[COOKIE] == '<cookie pagenumber="2" istracking="False" />'
    rest = fetch(crm, "new_widgets", entity(inside, head="count='2' page='2'"), PAGING)
    found = [row["new_name"] for row in (*page["value"], *rest["value"])]
    assert found[0] == "drill"
    assert set(found) == EVERY


def test_privileges_hold_for_linked_tables(crm: Reading) -> None:
    caller = Caller(USER, "app", readable_tables=frozenset({"new_widget"}))
    assert crm.ask(address("new_widgets", entity()), caller=caller).status == 200
    rest = address("new_widgets", entity(LINK.format("", "")))
    assert crm.fault(rest, caller=caller)[0] == 403


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


def test_a_wrong_cookie_is_refused(crm: Reading) -> None:
    def asked(cookie: str) -> tuple[int, str, str]:
        text = cookie.replace("<", "&lt;").replace('"', "&quot;")
        head = f"count='1' page='2' paging-cookie='{text}'"
        return refusal(crm, "new_widgets", entity("<order attribute='new_name'/>", head=head))

    other = '<cookie page="1"><new_count last="1" first="1" /><new_widgetid last="{}" /></cookie>'
    assert asked("rubbish")[:2] == (400, "0x8004112A")
    assert asked('<cookie page="1"><new_name /><new_widgetid /></cookie>')[1] == "0x8004112A"
    assert asked(other)[:2] == (400, "0x80041129")


@pytest.mark.parametrize(
    ("xml", "more"),
    [
        (entity(head="datasource='retained'"), ""),
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
