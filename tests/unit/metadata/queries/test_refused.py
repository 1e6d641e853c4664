"""What is wrong with a query is said with line and column, before anything is requested."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataverse_source.config.query_settings import QuerySettings
from dataverse_source.errors import ConfigurationError
from dataverse_source.metadata.queries.text import read_fetch, source_of
from dataverse_source.metadata.queries.xml import Element, Source, is_text, parse, written
from tests.unit.metadata.queries.compiling import CONTACTS, PRIMARY, entity, query

SOURCE = Source("q", "here")
NAME = '<attribute name="name"/>'


@pytest.mark.parametrize(
    ("text", "where", "what", "remedy"),
    [
        ("<fetch>\n <entity name='account'>\n</fetch>", "line 3, column 3", "well-formed", "there"),
        ("<fetch/>", "line 1, column 1", "0 elements 'entity'", ""),
        ("<fetsch/>", "line 1, column 1", "root element", ""),
        ("<!-- nothing -->", "line 1", "no element found", ""),
        (entity('\n<attribute name="nmae"/>'), "line 2, column 1", "'nmae'", "'name'"),
        (entity('<attribute nam="x"/>'), "line 1", "has no 'name'", ""),
        (entity("<atribute/>"), "line 1", "'atribute'", "'attribute'"),
        (entity('<attribute name="_ownerid_value"/>'), "line 1", "no column", "calls it 'ownerid'"),
        (entity('<attribute name="statecodename"/>'), "line 1", "belongs to 'statecode'", ""),
        ('<fetch><entity name="acount"/></fetch>', "column 8", "no table 'acount'", "'account'"),
        ('<fetch><entity name="accounts"/></fetch>', "line 1", "logical name", "'account'"),
        (entity('<order attribute="nam"/>'), "line 1", "no column 'nam'", "'name'"),
        (entity('<order alias="x"/>'), "line 1", "alias 'x'", ""),
        (entity('<attribute name="name" alias="a b"/>'), "line 1", "is no name", "letters"),
        (
            entity('<filter><condition attribute="name" operator="equals" value="1"/></filter>'),
            "line 1",
            "operator 'equals'",
            "",
        ),
        (
            entity('<filter><condition attribute="name" operator="lik" value="1"/></filter>'),
            "line 1",
            "operator 'lik'",
            "'like'",
        ),
        (
            entity(
                '<filter><condition entityname="contakt" attribute="fullname" operator="null"/>'
                "</filter>" + PRIMARY.format(kind="").replace('alias="p"', 'alias="contact"')
            ),
            "line 1",
            "alias 'contakt'",
            "'contact'",
        ),
        (
            entity('<filter><condition attribute="name" operator="eq" valueof="nam"/></filter>'),
            "line 1",
            "'nam'",
            "",
        ),
        (entity(PRIMARY.format(kind=' link-type="outter"')), "line 1", "'outter'", "'outer'"),
        (entity(PRIMARY.format(kind="").replace("contactid", "contactd")), "line 1", "column", ""),
        (entity(PRIMARY.format(kind="") * 2), "line 1", "two links have the alias 'p'", ""),
        (entity(PRIMARY.format(kind="").replace(' from="contactid"', "")), "line 1", "'from'", ""),
        (
            entity(f'{NAME}<attribute name="revenue" alias="name"/>'),
            "line 1",
            "two of its columns would be called 'name'",
            "alias",
        ),
        (entity(NAME, page="2"), "line 1", "one page", "top"),
        (entity(NAME, top="6000"), "line 1", "at most 5000", ""),
        (entity(NAME, count="x"), "line 1", "count is a number", ""),
        (entity(NAME, datasource="archive"), "line 1", "'archive'", "'retained'"),
        (entity(NAME, aggregate="true"), "line 1", "needs an alias", ""),
        (entity('<attribute name="name" alias="n"/>', aggregate="1"), "line 1", "groupby", ""),
        (
            entity('<attribute name="name" alias="n" aggregate="median"/>', aggregate="true"),
            "line 1",
            "'median'",
            "",
        ),
    ],
)
def test_what_does_not_exist(text: str, where: str, what: str, remedy: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        query(text)
    assert where in str(caught.value.where)
    assert what in caught.value.what
    assert remedy in (caught.value.remedy or "")


@pytest.mark.parametrize(
    "declaration",
    [
        '<!DOCTYPE fetch [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;">]>',
        '<!DOCTYPE fetch [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE fetch SYSTEM "https://contoso.example/fetch.dtd">',
    ],
)
def test_entities_are_neither_expanded_nor_fetched(declaration: str) -> None:
    text = f'{declaration}<fetch><entity name="account"><attribute name="name"/></entity></fetch>'
    with pytest.raises(ConfigurationError, match="document type"):
        query(text)
    with pytest.raises(ConfigurationError, match="undefined entity"):
        query(entity('<attribute name="&x;"/>'))
    with pytest.raises(ConfigurationError, match="nested too deeply"):
        query(entity("<filter>" * 100 + "</filter>" * 100))


@given(st.text())
def test_a_parameter_can_be_nothing_but_a_value(value: str) -> None:
    """Whatever it contains: quotes, tags, entities, other parameters."""
    text = entity(
        '<attribute name="name"/><filter><condition attribute="name" operator="in">'
        '<value>{x}</value></condition><condition attribute="name" operator="eq" value="{x}"/>'
        "</filter>"
    )
    if not is_text(value):
        with pytest.raises(ConfigurationError, match="XML cannot hold"):
            query(text, parameters={"x": value})
        return
    sent = parse(query(text, parameters={"x": value}).text, SOURCE)
    plain = parse(query(text, parameters={"x": "1"}).text, SOURCE)
    assert [one.tag for one in sent.walk()] == [one.tag for one in plain.walk()]
    (equal,) = [one for one in sent.walk() if one.attributes.get("operator") == "eq"]
    assert equal.attributes["value"] == value
    (listed,) = [one for one in sent.walk() if one.tag == "value"]
    assert listed.text == value


def test_parameters_are_known_and_used() -> None:
    text = entity('<filter><condition attribute="name" operator="eq" value="{since}"/></filter>')
    settings = QuerySettings("q", fetchxml=text)
    with pytest.raises(ConfigurationError, match="no parameter 'since'") as caught:
        read_fetch(text, source_of(settings), {"sinse": "1"})
    assert "'sinse'" in str(caught.value.remedy)
    with pytest.raises(ConfigurationError, match="'other' is not used"):
        read_fetch(text, source_of(settings), {"since": "1", "other": "2"})
    guid = "{D5026A4D-D01C-ED11-B83E-000D3A572421}"
    assert guid in written(read_fetch(text.replace("{since}", guid), SOURCE, {}))


@given(
    st.recursive(
        st.builds(lambda text: Element("a", {"b": text}, text=text.strip()), st.text("<&>\"'é ]")),
        lambda inner: st.builds(lambda some: Element("c", {}, some), st.lists(inner, min_size=1)),
        max_leaves=6,
    )
)
def test_what_is_written_is_what_was_parsed(root: Element) -> None:
    def shape(one: Element) -> object:
        return one.tag, one.attributes, one.text.strip(), [shape(child) for child in one.children]

    assert shape(parse(written(root), SOURCE)) == shape(root)


@pytest.mark.parametrize(
    ("own", "what"),
    [
        ({}, "none of them"),
        ({"fetchxml": "<fetch/>", "view": "x", "table": "accounts"}, "fetchxml and view"),
        ({"view": "x"}, "view without table"),
        ({"fetchxml": "<fetch/>", "sync": "cursor"}, "sync = 'cursor'"),
        ({"fetchxml": "<fetch/>", "fetch": "x"}, "Unknown setting queries.q.fetch"),
        ({"fetchxml": "<fetch/>", "page_size": 0}, "queries.q.page_size"),
        ({"fetchxml": "<fetch/>", "parameters": {"a": [1]}}, "parameter a"),
        ("x", "no table of settings"),
    ],
)
def test_settings_that_cannot_be_used(own: object, what: str) -> None:
    from dataverse_source.config.checks import make_settings

    with pytest.raises(ConfigurationError, match=what.replace(".", r"\.")):
        make_settings(environment_url="https://a.example", queries={"q": own})
    with pytest.raises(ConfigurationError, match="cannot be called 'A b'"):
        make_settings(environment_url="https://a.example", queries={"A b": {"fetchxml": "x"}})


def test_a_link_without_an_alias_is_called_by_its_table() -> None:
    bare = CONTACTS.format(kind="").replace(' alias="c"', "")
    names = query(entity(bare + bare)).table.columns
    assert {"contact_fullname", "contact2_fullname"} < {one.name for one in names}
