"""Documents of notes and e-mails, files with rules, and what switches change about downloads."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from dataverse_source.sandbox import Sandbox
from dataverse_source.sandbox.switches import Switches
from dataverse_source.sandbox.writes.file_store import put_document, put_file, set_rule
from tests.support.sandbox.user_clients import api, signed_in

RANGE = {"Range": "bytes=0-4194303"}


class Crm:
    """A sandbox that is asked over HTTPS."""

    def __init__(self, sandbox: Sandbox, session: requests.Session) -> None:
        self.sandbox, self.session = sandbox, session
        self.key = sandbox.store.rows("account")[0]["accountid"]

    def get(self, path: str, **headers: str) -> requests.Response:
        return self.session.get(api(self.sandbox, path), headers=headers)

    def file(self, **headers: str) -> requests.Response:
        return self.get(f"accounts({self.key})/new_contract/$value", **headers)

    def put(self, content: bytes, rule: Any = None) -> None:
        environment = self.sandbox.environment
        put_file(environment, "account", self.key, "new_contract", content, "a.bin")
        set_rule(environment, "account", self.key, "new_contract", rule)


@pytest.fixture
def crm() -> Iterator[Crm]:
    rows = {"account": 4, "annotation": 8, "email": 2, "activitymimeattachment": 3}
    with Sandbox(rows=rows) as sandbox, signed_in(sandbox) as session:
        yield Crm(sandbox, session)


@pytest.mark.parametrize(
    ("table", "body"), [("annotations", "documentbody"), ("activitymimeattachments", "body")]
)
def test_made_up_rows_have_documents(crm: Crm, table: str, body: str) -> None:
    rows = crm.get(table).json()["value"]
    key = crm.sandbox.store.schema.by_entity_set[table].primary_id
    with_document = [row for row in rows if row[body] is not None]
    assert len(with_document) == (6 if table == "annotations" else 3)
    for row in rows:
        if table == "annotations":
            assert row["isdocument"] is (row[body] is not None)
        if row[body] is not None:
            assert len(base64.b64decode(row[body], validate=True)) == row["filesize"]
            assert row["filename"].startswith("Document")
            assert row["mimetype"] == "application/octet-stream"
            answer = crm.get(f"{table}({row[key]})/{body}/$value")
            assert answer.headers["Content-Type"].startswith("text/plain")
            assert answer.text == row[body]


def test_a_document_that_is_written_has_its_size(crm: Crm) -> None:
    body = {"filename": "a.txt", "documentbody": base64.b64encode(b"12345").decode()}
    answer = crm.session.post(api(crm.sandbox, "annotations"), json=body)
    row = crm.get(answer.headers["OData-EntityId"].rpartition("/")[2]).json()
    assert (row["filesize"], row["isdocument"]) == (5, True)
    refused = crm.session.post(api(crm.sandbox, "annotations"), json={"documentbody": "?"})
    assert refused.status_code == 400


@pytest.mark.parametrize("status", ["400", "403"])
def test_blocked_files_and_documents(crm: Crm, status: Any) -> None:
    crm.sandbox.switches = Switches(blocked_file=status)
    crm.put(b"virus", "blocked")
    note = put_document(crm.sandbox.environment, "annotation", b"virus", "a.exe")
    set_rule(crm.sandbox.environment, "annotation", note, "documentbody", "blocked")
    for answer in (
        crm.file(),
        crm.file(**RANGE),
        crm.get(f"annotations({note})/documentbody/$value"),
    ):
        assert answer.status_code == int(status)
        assert answer.json()["error"]["code"] == "0x80043e09"
    crm.put(b"clean")
    assert crm.file().content == b"clean"


def test_a_file_that_cannot_be_had_in_blocks(crm: Crm) -> None:
    crm.put(b"0123456789", "whole_only")
    refused = crm.file(Range="bytes=0-4")
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "0x80090017")
    assert crm.file().content == b"0123456789"
    target = {"@odata.type": "Microsoft.Dynamics.CRM.account", "accountid": crm.key}
    begun = crm.session.post(
        api(crm.sandbox, "InitializeFileBlocksDownload"),
        json={"Target": target, "FileAttributeName": "new_contract"},
    ).json()
    assert begun["IsChunkingSupported"] is False
    asked = {"FileContinuationToken": begun["FileContinuationToken"], "Offset": 0}
    block = api(crm.sandbox, "DownloadBlock")
    part = crm.session.post(block, json={**asked, "BlockLength": 5})
    assert part.json()["error"]["code"] == "0x80090017"
    whole = crm.session.post(block, json={**asked, "BlockLength": 10})
    assert base64.b64decode(whole.json()["Data"]) == b"0123456789"
    crm.sandbox.switches = Switches(range_of_whole_file="whole")
    answer = crm.file(Range="bytes=0-4")
    assert (answer.status_code, answer.content) == (200, b"0123456789")


@pytest.mark.parametrize(("switch", "whole", "part"), [("204", 204, 204), ("200", 200, 200),
                                                       ("416", 200, 416)])  # fmt: skip
def test_an_empty_file(crm: Crm, switch: Any, whole: int, part: int) -> None:
    crm.sandbox.switches = Switches(empty_file=switch)
    crm.put(b"")
    assert (crm.file().status_code, crm.file(**RANGE).status_code) == (whole, part)
    assert crm.file().content == b""


def test_a_part_may_not_say_which_one_it_is(crm: Crm) -> None:
    crm.put(b"0123456789")
    assert crm.file(Range="bytes=2-4").headers["Content-Range"] == "bytes 2-4/10"
    crm.sandbox.switches = Switches(content_range="absent")
    answer = crm.file(Range="bytes=2-4")
    assert (answer.status_code, answer.content) == (206, b"234")
    assert "Content-Range" not in answer.headers
