from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from dataverse_source.loading.catalog.tables import CatalogTable, Described, catalog, fingerprint
from dataverse_source.metadata.reader import MetadataReader
from dataverse_source.sandbox import Sandbox
from tests.unit.metadata.test_bulk_and_per_table import client_of


@pytest.fixture(scope="module")
def described() -> Iterator[tuple[list[Described], MetadataReader]]:
    with Sandbox(rows={"account": 1}, seed=1) as sandbox:
        reader = MetadataReader(client_of(sandbox))
        names = ("accounts", "contacts", "new_sensorreadings")
        yield [Described(reader.table(name), reader.description(name)) for name in names], reader


def made(described: tuple[list[Described], MetadataReader]) -> dict[str, CatalogTable]:
    loaded, reader = described
    return {one.name: one for one in catalog(loaded, reader.tables())}


def test_every_table_and_column_is_described(
    described: tuple[list[Described], MetadataReader],
) -> None:
    tables = made(described)
    rows = tables["_dataverse_tables"].rows.to_pylist()
    assert [(row["table"], row["kind"], row["primary_key"]) for row in rows] == [
        ("accounts", "standard", "accountid"),
        ("contacts", "standard", "contactid"),
        ("new_sensorreadings", "elastic", "new_sensorreadingid, partitionid"),
    ]
    columns = tables["_dataverse_columns"].rows.to_pylist()
    assert len(columns) == sum(len(one.table.columns) for one in described[0])
    revenue = next(row for row in columns if row["column"] == "revenue")
    assert (revenue["type"], revenue["display_name"]) == ("Money", "Annual Revenue")
    customer = next(row for row in columns if row["column"] == "parentcustomerid")
    assert customer["targets"] == "account, contact"


def test_choices_by_language(described: tuple[list[Described], MetadataReader]) -> None:
    table = made(described)["_dataverse_choices"].rows
    assert table.column_names[:5] == ["table", "column", "value", "label", "language"]
    rows = {(row["table"], row["column"], row["value"]): row for row in table.to_pylist()}
    assert len(rows) == table.num_rows
    active = rows["accounts", "statecode", 0]
    assert (active["label"], active["language"], active["type"]) == ("Active", 1033, "State")
    assert rows["accounts", "statuscode", 1]["state"] == 0
    assert {row["type"] for row in rows.values()} >= {"State", "Status", "Picklist", "Boolean"}


def test_relationships_by_names_of_the_destination(
    described: tuple[list[Described], MetadataReader],
) -> None:
    rows = made(described)["_dataverse_relationships"].rows.to_pylist()
    found = {
        (row["table"], row["column"], row["referenced_table"], row["referenced_column"])
        for row in rows
    }
    assert len(rows) == len(found)
    assert ("contacts", "parentcustomerid", "accounts", "accountid") in found
    assert ("accountleadscollection", "leadid", "leads", "leadid") in found


def test_the_fingerprint_follows_every_change(
    described: tuple[list[Described], MetadataReader],
) -> None:
    loaded, reader = described
    before = fingerprint(catalog(loaded, reader.tables()))
    assert before == fingerprint(catalog(loaded, reader.tables()))
    account = loaded[0]
    renamed = Described(account.table, replace(account.description, display_name="Company"))
    assert before != fingerprint(catalog([renamed, *loaded[1:]], reader.tables()))
    assert before != fingerprint(catalog(loaded[:2], reader.tables()))
