from __future__ import annotations

from dataclasses import replace

import pytest

from dataverse_source.sandbox.metadata.column_definitions import column_id
from dataverse_source.sandbox.schema import schema_changes as change
from dataverse_source.sandbox.schema.catalog import default_schema
from dataverse_source.sandbox.schema.tables import Column

SCHEMA = default_schema()


def test_column_added_changed_and_removed() -> None:
    column = Column("new_x", "Integer")
    more = change.with_column(SCHEMA, "account", column)
    assert more.by_logical_name["account"].by_name["new_x"] == replace(column, made=1)
    other = change.with_column_changed(more, "account", "new_x", type="BigInt")
    assert other.by_logical_name["account"].by_name["new_x"].type == "BigInt"
    assert change.without_column(other, "account", "new_x") == SCHEMA


def test_a_column_made_anew_is_another_one() -> None:
    column = Column("new_x", "Integer")
    first = change.with_column(SCHEMA, "account", column)
    second = change.with_column(change.without_column(first, "account", "new_x"), "account", column)
    one, other = (each.by_logical_name["account"] for each in (first, second))
    assert column_id(one, one.by_name["new_x"]) != column_id(other, other.by_name["new_x"])


def test_what_hangs_on_a_column_goes_with_it() -> None:
    less = change.without_column(SCHEMA, "account", "revenue").by_logical_name["account"]
    assert not {"revenue", "revenue_base"} & less.by_name.keys()
    less = change.without_column(SCHEMA, "account", "industrycode").by_logical_name["account"]
    assert not {"industrycode", "industrycodename"} & less.by_name.keys()
    links = change.without_column(SCHEMA, "account", "primarycontactid").one_to_many
    assert not [each for each in links if each.schema_name == "account_primary_contact"]


def test_table_added_changed_and_removed() -> None:
    less = change.without_table(SCHEMA, "contact")
    assert "contact" not in less.by_logical_name
    assert not [each for each in less.one_to_many if "contact" in (each.referenced,)]
    more = change.with_table(less, SCHEMA.by_logical_name["contact"])
    assert more.by_logical_name["contact"] == SCHEMA.by_logical_name["contact"]
    off = change.with_table_changed(SCHEMA, "account", change_tracking=False)
    assert not off.by_logical_name["account"].change_tracking


def test_refusals() -> None:
    with pytest.raises(ValueError, match="no table 'nope'"):
        change.without_column(SCHEMA, "nope", "x")
    with pytest.raises(ValueError, match="no column 'x'"):
        change.without_column(SCHEMA, "account", "x")
    with pytest.raises(ValueError, match="keep 'accountid'"):
        change.without_column(SCHEMA, "account", "accountid")
    with pytest.raises(ValueError, match="has a column 'name'"):
        change.with_column(SCHEMA, "account", Column("name", "String"))
    with pytest.raises(ValueError, match="There is a table 'account'"):
        change.with_table(SCHEMA, SCHEMA.by_logical_name["account"])
