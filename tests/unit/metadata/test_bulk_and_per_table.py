"""Both ways to read metadata, against the sandbox over HTTPS: they come to the same tables."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dataverse_source.client.client import DataverseClient
from dataverse_source.client.session import new_session
from dataverse_source.credentials import DataverseCredentials, token_source
from dataverse_source.metadata import bulk, per_table
from dataverse_source.metadata.cache import MetadataCache
from dataverse_source.metadata.parse import columns_from, description_from
from dataverse_source.metadata.reader import MetadataReader
from dataverse_source.sandbox import Sandbox
from dataverse_source.sandbox.api.faults import Kind
from dataverse_source.sandbox.schema.schema_files import read_schema
from tests.support.places import SHARED

CSDL = SHARED / "corpus" / "csdl"


def client_of(sandbox: Sandbox) -> DataverseClient:
    credentials = DataverseCredentials()
    credentials.tenant_id = sandbox.tenant_id
    credentials.client_id = sandbox.client_id
    credentials.client_secret = sandbox.client_secret
    credentials.authority_host = sandbox.authority_host
    session = new_session(ca_bundle=str(sandbox.ca_bundle))
    tokens = token_source(credentials, sandbox.environment_url, session=session)
    return DataverseClient(
        sandbox.environment_url, tokens, session=session, pause=lambda seconds: None
    )


@pytest.fixture(scope="module")
def shared_sandbox() -> Iterator[Sandbox]:
    with Sandbox(rows={"account": 1}, seed=1) as running:
        yield running


def assert_both_ways_agree(sandbox: Sandbox) -> int:
    client = client_of(sandbox)
    names = [str(table["LogicalName"]) for table in per_table.read_tables(client)]
    columns = bulk.read_columns(client, names)
    described = bulk.read_descriptions(client, names)
    assert columns.keys() == described.keys() == set(names)
    for name in names:
        one_by_one = per_table.read_columns(client, name)
        assert columns_from(columns[name]) == columns_from(one_by_one)
        one_by_one = per_table.read_description(client, name)
        assert description_from(described[name]) == description_from(one_by_one)
    return len(names)


def test_every_table_of_the_sandbox_is_the_same_by_both_ways(shared_sandbox: Sandbox) -> None:
    assert assert_both_ways_agree(shared_sandbox) > 30


@pytest.mark.slow
@pytest.mark.slow
@pytest.mark.parametrize("document", sorted(CSDL.glob("*.xml.gz")), ids=lambda path: path.name)
def test_every_table_of_a_real_environment_is_the_same_by_both_ways(document: Path) -> None:
    with Sandbox(schema=read_schema(document), rows={}, seed=1) as running:
        assert assert_both_ways_agree(running) > 200


def test_choices_labels_and_relationships(shared_sandbox: Sandbox) -> None:
    reader = MetadataReader(client_of(shared_sandbox))
    description = reader.description("accounts")
    assert description.display_name == "Account"
    assert ("name", "Account Name") in description.columns
    choices = {choice.column: choice for choice in description.choices}
    assert [(one.value, one.label) for one in choices["statecode"].options] == [
        (0, "Active"),
        (1, "Inactive"),
    ]
    assert choices["statuscode"].options[0].state == 0
    assert [one.value for one in choices["creditonhold"].options] == [0, 1]
    assert choices["statecode"].options[0].labels == ((1033, "Active"),)
    parent = next(one for one in description.relationships if one.column == "parentaccountid")
    assert (parent.referenced_table, parent.referenced_column) == ("account", "accountid")


def test_many_tables_take_few_requests(shared_sandbox: Sandbox) -> None:
    reader = MetadataReader(client_of(shared_sandbox), configured=["*"])
    tables = reader.select(["*"])
    shared_sandbox.requests.clear()
    for table in tables:
        assert reader.table(table.logical_name).columns
        assert reader.description(table.logical_name).table == table.logical_name
    chunks = -(-len(tables) // bulk.TABLES_PER_REQUEST)
    assert len(list(shared_sandbox.requests)) == 2 * chunks


@pytest.mark.parametrize("kind", ["json_500", "html_502", "empty_body", "sign_in_page"])
def test_what_the_function_refuses_comes_from_entity_definitions(
    sandbox: Sandbox, kind: Kind, caplog: pytest.LogCaptureFixture
) -> None:
    whole = MetadataReader(client_of(sandbox), configured=["accounts", "contacts"])
    expected = [whole.table(name) for name in ("accounts", "contacts")]
    sandbox.faults.plan(kind, path="RetrieveMetadataChanges", times=100)
    reader = MetadataReader(client_of(sandbox), configured=["accounts", "contacts"])
    assert [reader.table(name) for name in ("accounts", "contacts")] == expected
    assert reader.description("accounts") == whole.description("accounts")
    assert "metadata is read table by table" in caplog.text


@pytest.mark.slow
def test_a_large_environment_takes_few_requests(tmp_path: Path) -> None:
    document = CSDL / "rsbc-dmf-2023-09-28.xml.gz"
    if not document.exists():
        pytest.skip(f"{document.name} of the shared corpus is missing")
    with Sandbox(schema=read_schema(document), rows={}, seed=1) as running:
        client = client_of(running)
        cache = MetadataCache(tmp_path, client.environment_url, "me")
        for run in ("first", "second"):
            running.requests.clear()
            reader = MetadataReader(client, ["*"], cache)
            tables = reader.configured()
            assert len(tables) > 300
            for table in tables:
                assert reader.table(table.logical_name).columns
                assert reader.description(table.logical_name).table == table.logical_name
            asked = [one for one in running.requests if "/api/data/" in one.path]
            assert len(asked) <= (2 + 2 * (len(tables) // 50 + 1) if run == "first" else 1)
