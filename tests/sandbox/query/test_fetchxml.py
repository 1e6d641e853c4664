"""FetchXML over rows whose answers are known: filters, links, and what a row shows."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pytest

from dataverse_source.sandbox.environment.environment import Caller
from tests.support.sandbox.fetchxml import (
    ALL,
    ATTRIBUTE,
    EVERY,
    FORMATTED,
    LINK,
    address,
    condition,
    entity,
    fetch,
    refusal,
    rows,
    widgets,
)
from tests.support.sandbox.reading import ROOT, USER, Reading


@pytest.fixture(scope="module")
def crm() -> Iterator[Reading]:
    with widgets() as side:
        yield side


def names(side: Reading, inside: str) -> set[str]:
    """Names of the widgets that a query finds."""
    return {row["new_name"] for row in rows(side, "new_widgets", entity(inside))}


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


def test_an_inner_link_below_an_outer_one_is_a_must(crm: Reading) -> None:
    inner = (
        "<link-entity name='new_widget' from='new_makerid' to='new_makerid' alias='w'>"
        + condition("attribute='new_name' operator='eq' value='clamp'")
        + "</link-entity>"
    )
    assert names(crm, LINK.format("link-type='outer'", inner)) == {"clamp"}


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


def test_privileges_hold_for_linked_tables(crm: Reading) -> None:
    caller = Caller(USER, "app", readable_tables=frozenset({"new_widget"}))
    assert crm.ask(address("new_widgets", entity()), caller=caller).status == 200
    rest = address("new_widgets", entity(LINK.format("", "")))
    assert crm.fault(rest, caller=caller)[0] == 403
