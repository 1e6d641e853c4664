from __future__ import annotations

from collections.abc import Iterator

import pytest

from dataverse_source.arrow.schema import table_schema
from dataverse_source.loading.catalog.references import references_of
from dataverse_source.metadata.column_selection import select_columns
from dataverse_source.metadata.reader import MetadataReader
from dataverse_source.sandbox import Sandbox
from tests.unit.metadata.test_bulk_and_per_table import client_of

LOADED = ("accounts", "contacts", "systemusers", "leads", "accountleadscollection")


@pytest.fixture(scope="module")
def reader() -> Iterator[MetadataReader]:
    with Sandbox(rows={"account": 1}, seed=1) as sandbox:
        yield MetadataReader(client_of(sandbox), configured=LOADED)


def references(
    reader: MetadataReader, name: str, select: list[str] | None = None
) -> set[tuple[str, str, str]]:
    table = reader.table(name)
    schema = table_schema(table, select_columns(table, select))
    links = [link for one in LOADED for link in reader.description(one).relationships]
    return {
        (one["columns"][0], one["referenced_table"], one["referenced_columns"][0])
        for one in references_of(schema, links, reader.select(LOADED))
    }


def test_lookups_between_loaded_tables(reader: MetadataReader) -> None:
    found = references(reader, "contacts")
    assert ("parentcustomerid", "accounts", "accountid") in found
    assert ("parentcustomerid", "contacts", "contactid") in found
    assert ("preferredsystemuserid", "systemusers", "systemuserid") in found
    assert {target for _, target, _ in found} <= set(LOADED)


def test_only_columns_that_are_read_refer(reader: MetadataReader) -> None:
    found = references(reader, "contacts", ["fullname", "parentcustomerid"])
    assert {column for column, _, _ in found} == {"parentcustomerid"}
    bookkeeping = references(reader, "contacts", ["owninguser", "createdby"])
    assert bookkeeping == {("createdby", "systemusers", "systemuserid")}


def test_an_intersect_table_refers_to_both_sides(reader: MetadataReader) -> None:
    assert references(reader, "accountleadscollection") == {
        ("accountid", "accounts", "accountid"),
        ("leadid", "leads", "leadid"),
    }
