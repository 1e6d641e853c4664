"""The columns, the types, the key and the order of a query."""

from __future__ import annotations

import pyarrow as pa
import pytest

from dataverse_source.arrow.schema import table_schema
from dataverse_source.errors import ConfigurationError
from dataverse_source.metadata.queries.query import Query
from tests.unit.metadata.queries.compiling import CONTACTS, PRIMARY, entity, query

NAME = '<attribute name="name"/>'
GROUPS = (
    '<attribute name="ownerid" alias="Owner" groupby="true"/>'
    '<attribute name="createdon" alias="y" groupby="true" dategrouping="year"/>'
    '<attribute name="accountid" alias="n" aggregate="count"/>'
    '<attribute name="revenue" alias="total" aggregate="sum"/>'
    '<attribute name="employees" alias="heads" aggregate="sum"/>'
    '<attribute name="employees" alias="mean" aggregate="avg"/>'
    '<attribute name="latitude" alias="north" aggregate="avg"/>'
    '<attribute name="createdon" alias="first" aggregate="min"/>'
)


def fields(found: Query) -> dict[str, tuple[str, str]]:
    """Name in the rows and type of each column."""
    schema = table_schema(found.table, found.table.columns)
    return {one.name: (one.wire_name, str(one.arrow_type)) for one in schema.fields}


def test_names_and_types_of_a_join() -> None:
    text = entity(
        NAME + '<attribute name="revenue" alias="Worth"/><attribute name="primarycontactid"/>'
        '<link-entity name="contact" from="contactid" to="primarycontactid" alias="p">'
        '<attribute name="parentcustomerid"/><attribute name="versionnumber"/>'
        '<link-entity name="account" from="accountid" to="parentcustomerid" alias="up">'
        '<attribute name="ownerid"/></link-entity></link-entity>'
    )
    assert fields(query(text)) == {
        "accountid": ("accountid", "string"),
        "name": ("name", "string"),
        "worth": ("Worth", "decimal128(25, 10)"),
        "primarycontactid": ("_primarycontactid_value", "string"),
        "p_parentcustomerid": ("p.parentcustomerid", "string"),
        "p_versionnumber": ("p.versionnumber", "int64"),
        "up_ownerid": ("up.ownerid", "string"),
        "up_owneridtype": ("up.ownerid@Microsoft.Dynamics.CRM.lookuplogicalname", "string"),
    }


def test_names_and_types_of_an_aggregate() -> None:
    found = query(entity(GROUPS, aggregate="true"))
    assert {name: kind for name, (_, kind) in fields(found).items()} == {
        "owner": "string",
        "ownertype": "string",
        "y": "int64",
        "n": "int64",
        "total": "decimal128(38, 10)",
        "heads": "int64",
        "mean": "decimal128(38, 10)",
        "north": "double",
        "first": "timestamp[us, tz=UTC]",
    }
    assert found.table.key_columns == ()
    assert pa.types.is_decimal(pa.decimal128(38, 10))


@pytest.mark.parametrize("text", [entity(""), entity("<all-attributes/>")])
def test_all_columns_are_those_of_the_table(text: str) -> None:
    found = query(text)
    names = [one.name for one in found.table.columns]
    assert names[:3] == ["accountid", "name", "revenue"]
    assert not {"statecodename", "entityimage"} & set(names)  # no whole files
    assert "all-attributes" not in found.text


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (entity(NAME), ("accountid",)),
        (entity(NAME + PRIMARY.format(kind="")), ("accountid",)),
        (entity(NAME + PRIMARY.format(kind=' link-type="outer"')), ("accountid",)),
        (entity(NAME + CONTACTS.format(kind="")), ("accountid", "c_contactid")),
        (entity(NAME + CONTACTS.format(kind=' link-type="outer"')), ()),
        (entity(NAME + CONTACTS.format(kind=' link-type="exists"')), ("accountid",)),
        (
            entity(NAME + CONTACTS.format(kind=' link-type="matchfirstrowusingcrossapply"')),
            ("accountid",),
        ),
        (entity(NAME, distinct="true"), ()),
        (entity('<attribute name="accountid" alias="id"/>'), ("accountid",)),
    ],
)
def test_the_key(text: str, key: tuple[str, ...]) -> None:
    found = query(text)
    assert found.table.key_columns == key
    assert set(key) <= {one.name for one in found.table.columns}
    schema = table_schema(found.table, found.table.columns)
    assert [one.name for one in schema.arrow if not one.nullable] == list(key)


def test_a_declared_key() -> None:
    text = entity(NAME, distinct="true")
    assert query(text, primary_key=["name"]).table.key_columns == ("name",)
    with pytest.raises(ConfigurationError, match="no column 'nmae'") as caught:
        query(text, primary_key="nmae")
    assert "'name'" in str(caught.value.remedy)


def test_the_order_is_total() -> None:
    ordered = NAME + '<order attribute="name"/>'
    assert query(entity(ordered)).text.count("<order") == 1
    assert '<order attribute="accountid" />' in query(entity(ordered)).text
    top = query(entity(ordered, top="3"))  # here the order decides which rows come
    assert '<order attribute="name" />' in top.text
    assert '<order attribute="accountid" />' in top.text
    assert top.is_one_page
    groups = query(entity(GROUPS, aggregate="true")).text
    assert '<order alias="Owner" />' in groups
    assert '<order alias="y" />' in groups
    assert '<order attribute="name" />' in query(entity(NAME, distinct="true")).text


def test_paging_of_the_text_is_left_out() -> None:
    found = query(entity(NAME, count="50", page="1", returntotalrecordcount="true"))
    assert found.page_size == 50
    assert not {"count", "page", "returntotalrecordcount"} & found.fetch.attributes.keys()


def test_rows_of_one_main_row_have_an_order_too() -> None:
    """A cookie names the main table's key alone: a page would miss the rest of its last row."""
    many = query(entity(NAME + CONTACTS.format(kind=""))).text
    assert '<order attribute="accountid" />' in many
    assert '<order attribute="contactid" />' in many
    one = query(entity(NAME + PRIMARY.format(kind=""))).text
    assert '<order attribute="contactid" />' not in one
