from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from dataverse_source.config.values import is_pattern
from dataverse_source.errors import UnknownNameError
from dataverse_source.metadata.model import Table
from dataverse_source.metadata.reader import MetadataReader
from dataverse_source.metadata.table_selection import find_table, select_tables
from dataverse_source.sandbox import Sandbox
from tests.unit.metadata.test_bulk_and_per_table import client_of

TABLES = (
    Table("new_truck", "new_trucks", "new_truckid"),
    Table("account", "accounts", "accountid"),
    Table("new_bus", "new_buses", "new_busid"),
    Table("new_secret", "new_secrets", "new_secretid", is_private=True),
    Table("new_far", "new_fars", "new_farid", table_type="Virtual", data_provider_id="b"),
    Table("new_hidden", None, "new_hiddenid"),
    Table("keyless", "keylesses", ""),
    Table("contact", "contacts", "contactid"),
)


def chosen(*names: str) -> list[str]:
    return [table.logical_name for table in select_tables(names, TABLES)]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["accounts"], ["account"]),
        (["new_*"], ["new_bus", "new_truck"]),
        (["NEW_*S"], ["new_bus", "new_truck"]),
        (["new_bus*", "accounts", "new_*"], ["new_bus", "account", "new_truck"]),
        (["contact", "account", "contacts", "*"], ["contact", "account", "new_bus", "new_truck"]),
        (["new_???"], ["new_bus"]),
        (["[ac]*t"], ["account", "contact"]),
        (["new_far", "new_*"], ["new_far", "new_bus", "new_truck"]),
        (["new_secrets"], ["new_secret"]),
    ],
)
def test_names_and_patterns_choose_each_table_once(names: list[str], expected: list[str]) -> None:
    assert chosen(*names) == expected


def test_what_a_pattern_leaves_out_is_told(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        chosen("new_*", "new_far")
    assert "leaves out 'new_secret': it is private" in caplog.text
    assert "leaves out 'new_hidden': it has no entity set name" in caplog.text
    assert "new_far" not in caplog.text


def test_a_pattern_without_tables_is_refused() -> None:
    with pytest.raises(UnknownNameError, match=r"no table like 'nwe_\*'(?s:.*)'new_\*'"):
        chosen("nwe_*")
    with pytest.raises(UnknownNameError, match=r"no table like 'acount\*'(?s:.*)'account'"):
        chosen("acount*")
    with pytest.raises(UnknownNameError, match="new_far: it is virtual"):
        chosen("new_f*")


@pytest.mark.parametrize(
    ("name", "reason"), [("new_hidden", "no entity set name"), ("keyless", "no primary key")]
)
def test_a_table_that_cannot_be_read_is_refused_by_name(name: str, reason: str) -> None:
    with pytest.raises(UnknownNameError, match=reason):
        chosen("accounts", name)
    with pytest.raises(UnknownNameError, match=reason):
        find_table(name, TABLES)


def test_what_is_a_pattern() -> None:
    assert [is_pattern(name) for name in ("accounts", "new_*", "a?", "[ab]c")] == [
        False,
        True,
        True,
        True,
    ]


@pytest.fixture(scope="module")
def reader() -> Iterator[MetadataReader]:
    with Sandbox(rows={"account": 1}, seed=1) as sandbox:
        yield MetadataReader(client_of(sandbox))


def test_the_sandbox_has_a_table_of_every_kind(reader: MetadataReader) -> None:
    kinds = {table.kind for table in reader.tables()}
    assert kinds == {"standard", "activity", "elastic", "virtual", "intersect"}
    elastic = next(table for table in reader.tables() if table.kind == "elastic")
    assert reader.table(elastic.logical_name).key_columns[1] == "partitionid"


def test_all_tables_of_the_sandbox_by_pattern(reader: MetadataReader) -> None:
    selected = reader.select(["*"])
    names = [table.entity_set_name for table in selected]
    assert names == sorted(map(str, names))
    assert {"accounts", "contacts"} <= set(names)
    left_out = {table.logical_name for table in reader.tables()} - {
        table.logical_name for table in selected
    }
    assert all(
        table.kind == "virtual" or table.is_private or not table.entity_set_name
        for table in reader.tables()
        if table.logical_name in left_out
    )
