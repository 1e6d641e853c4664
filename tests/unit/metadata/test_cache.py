"""Metadata kept on disk: one question a run, and right after every change or damage."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from dataverse_source.client.client import DataverseClient
from dataverse_source.metadata.cache import LONGEST_USE, MetadataCache
from dataverse_source.metadata.reader import MetadataReader
from dataverse_source.sandbox import Sandbox
from dataverse_source.sandbox.schema.tables import Column
from tests.unit.metadata.test_bulk_and_per_table import client_of

NewReader = Callable[[], MetadataReader]

TABLES = ("accounts", "contacts", "systemusers")

OF_VERSION_0_1 = {
    "format": 2,
    "stamp": "12!01/01/2026 00:00:00",
    "read_at": "2026-01-01T00:00:00+00:00",
    "tables": [{"logical_name": "account", "entity_set_name": "accounts", "primary_id": "a"}],
    "columns": {"account": [{"name": "accountid", "type": "UniqueidentifierType"}]},
    "descriptions": [{"table": "account", "display_name": "Account"}],
}
"""What version 0.1 kept: parsed columns in place of Dataverse's answers."""


@pytest.fixture
def client(sandbox: Sandbox) -> DataverseClient:
    return client_of(sandbox)


@pytest.fixture
def new_reader(client: DataverseClient, tmp_path: Path) -> NewReader:
    """Makes the reader of another run."""
    cache = MetadataCache(tmp_path, client.environment_url, "me")
    return lambda: MetadataReader(client, TABLES, cache)


def read_all(reader: MetadataReader) -> list[object]:
    return [*map(reader.table, TABLES), *map(reader.description, TABLES), reader.tables()]


def kept_file(folder: Path) -> Path:
    (path,) = folder.iterdir()
    return path


def asked(sandbox: Sandbox) -> int:
    return len([one for one in sandbox.requests if "/api/data/" in one.path])


def test_a_run_without_changes_asks_one_question(sandbox: Sandbox, new_reader: NewReader) -> None:
    first = read_all(new_reader())
    for _ in range(2):
        sandbox.requests.clear()
        assert read_all(new_reader()) == first
        assert asked(sandbox) == 1


def test_a_changed_column_is_seen(sandbox: Sandbox, new_reader: NewReader) -> None:
    read_all(new_reader())
    change_accounts(sandbox, lambda columns: (*columns, Column("new_color", "String")))
    assert new_reader().table("accounts").has("new_color")
    read_all(new_reader())
    change_accounts(sandbox, lambda columns: columns[:-1])
    assert not new_reader().table("accounts").has("new_color")


def change_accounts(
    sandbox: Sandbox, change: Callable[[tuple[Column, ...]], tuple[Column, ...]]
) -> None:
    store = sandbox.store
    account = store.schema.by_logical_name["account"]
    changed = replace(account, columns=change(account.columns))
    tables = tuple(changed if one.logical_name == "account" else one for one in store.schema.tables)
    store.change_schema(replace(store.schema, tables=tables))


@pytest.mark.slow
@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_text(""),
        lambda path: path.write_text(path.read_text()[:200]),
        lambda path: path.write_bytes(b"\xff\xfe" * 50),
        lambda path: path.write_text("[1]"),
        lambda path: edit(path, form="of another version"),
        lambda path: edit(path, environment="https://elsewhere.example"),
        lambda path: edit(path, user="another"),
        lambda path: edit(path, stamp="12!01/01/2001 00:00:00"),
        lambda path: edit(path, stamp="nonsense"),
        lambda path: edit(path, stamp=""),
        lambda path: edit(path, tables=[{"nonsense": 1}]),
        lambda path: edit(path, columns={"account": {"Attributes": [{"name": "a"}]}}),
        lambda path: edit(path, columns={"account": {}}),
        lambda path: edit(path, descriptions={"account": {"LogicalName": "account"}}),
        lambda path: path.write_text(json.dumps(OF_VERSION_0_1 | {"user": "me"})),
        lambda path: edit(path, read_at="yesterday"),
        lambda path: edit(path, read_at=_hours_ago(25)),
        lambda path: edit(path, read_at=_hours_ago(-2)),
    ],
)
def test_a_file_that_cannot_be_used_is_written_anew(
    damage: Callable[[Path], None],
    sandbox: Sandbox,
    new_reader: NewReader,
    tmp_path: Path,
) -> None:
    first = read_all(new_reader())
    damage(kept_file(tmp_path))
    assert read_all(new_reader()) == first
    sandbox.requests.clear()
    assert read_all(new_reader()) == first
    assert asked(sandbox) == 1


def edit(path: Path, **members: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | members))


def _hours_ago(hours: float) -> str:
    return (datetime.now(timezone.utc) - timedelta(hours=hours)).isoformat()


def test_nothing_is_used_for_ever() -> None:
    assert timedelta(hours=1) < LONGEST_USE <= timedelta(hours=24)


def test_a_folder_that_cannot_be_written_fails_no_run(
    client: DataverseClient, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("in the way")
    cache = MetadataCache(tmp_path / "file", client.environment_url, "me")
    assert MetadataReader(client, TABLES, cache).table("accounts").columns
    assert "cannot be written" in caplog.text


def test_without_the_function_the_version_of_the_metadata_tells(
    sandbox: Sandbox, new_reader: NewReader
) -> None:
    sandbox.faults.plan("json_500", path="RetrieveMetadataChanges", times=1000)
    first = read_all(new_reader())
    for _ in range(2):
        sandbox.requests.clear()
        assert read_all(new_reader()) == first
        assert asked(sandbox) == 1
    change_accounts(sandbox, lambda columns: (*columns, Column("new_color", "String")))
    assert new_reader().table("accounts").has("new_color")


def test_where_nothing_tells_of_changes_nothing_is_kept(
    sandbox: Sandbox, new_reader: NewReader, tmp_path: Path
) -> None:
    sandbox.faults.plan("json_500", path="RetrieveMetadataChanges|organizations", times=1000)
    assert new_reader().table("accounts").columns
    assert not list(tmp_path.iterdir())


def test_only_the_owner_may_read_the_file(new_reader: NewReader, tmp_path: Path) -> None:
    read_all(new_reader())
    assert kept_file(tmp_path).stat().st_mode & 0o777 == 0o600
