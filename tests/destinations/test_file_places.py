"""Files of rows in a bucket, which is moto's S3 server; their table in a lake, by upserts."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path
from typing import Any

import pytest

from dataverse_source.sandbox import Sandbox
from dataverse_source.sandbox.writes.file_store import put_document, put_file
from tests.destinations.conftest import Load
from tests.destinations.places import place
from tests.destinations.servers import s3

pytestmark = [
    pytest.mark.destinations,
    pytest.mark.filterwarnings("default"),  # those of the lakes' libraries
]
boto3 = pytest.importorskip("boto3")

OWN = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}
LARGE = random.Random(1).randbytes(20 * 2**20)


def test_files_in_a_bucket(
    sandbox: Sandbox, into: Load, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    target = place("DuckDB", tmp_path, lambda _name: None)
    key = sandbox.store.rows("account")[0]["accountid"]
    put_file(sandbox.environment, "account", key, "new_contract", LARGE, "../large.bin")
    note = put_document(sandbox.environment, "annotation", b"first", "a.txt")
    settings: dict[str, Any] = {
        "files": ["annotations", "accounts.new_contract"],
        "files_url": "s3://crm/files",
        "files_deletes": "remove",
    }
    with s3() as address:
        bucket = boto3.client("s3", endpoint_url=address, **OWN)
        bucket.create_bucket(Bucket="crm")
        for name, value in {**OWN, "endpoint_url": address}.items():
            monkeypatch.setenv(f"DESTINATION__FILESYSTEM__CREDENTIALS__{name.upper()}", value)

        def stored() -> dict[str, bytes]:
            listed = bucket.list_objects_v2(Bucket="crm").get("Contents", [])
            return {
                f"s3://crm/{one['Key']}": bucket.get_object(Bucket="crm", Key=one["Key"])[
                    "Body"
                ].read()
                for one in listed
            }

        pipeline, _ = into(target.destination, **settings)
        rows = {row["key"]: row for row in target.rows(pipeline, "_dataverse_files")}
        assert {row["url"] for row in rows.values()} == stored().keys()
        assert stored()[rows[key]["url"]] == LARGE
        assert rows[key]["sha256"] == hashlib.sha256(LARGE).hexdigest()
        put_document(sandbox.environment, "annotation", b"second", "a.txt", key=note)
        sandbox.store.delete("account", key)
        pipeline, _ = into(target.destination, **settings)
        rows = {row["key"]: row for row in target.rows(pipeline, "_dataverse_files")}
        assert key not in rows
        assert {row["url"] for row in rows.values()} == stored().keys()
        assert stored()[rows[note]["url"]] == b"second"


@pytest.mark.parametrize("kind", ["Delta", "Iceberg"])
def test_the_table_of_files_in_a_lake(
    sandbox: Sandbox, into: Load, tmp_path: Path, kind: str
) -> None:
    target = place(kind, tmp_path, lambda _name: None)
    notes = [put_document(sandbox.environment, "annotation", b"%d" % one, "a") for one in range(3)]
    settings: dict[str, Any] = {
        **target.settings,
        "files": ["annotations"],
        "files_url": str(tmp_path / "place"),
    }
    into(target.destination, "annotations", **settings)
    put_document(sandbox.environment, "annotation", b"new", "b", key=notes[0])
    sandbox.store.delete("annotation", notes[1])
    pipeline, _ = into(target.destination, "annotations", **settings)
    rows = [
        row
        for row in target.rows(pipeline, "_dataverse_files")
        if not row.get("_dataverse_deleted")
    ]
    assert {row["key"]: row["name"] for row in rows} == {notes[0]: "b", notes[2]: "a"}
    for row in rows:
        content = Path(row["url"].removeprefix("file://")).read_bytes()
        assert hashlib.sha256(content).hexdigest() == row["sha256"]
