from __future__ import annotations

import base64
import random
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from dataverse_source.sandbox import Sandbox
from dataverse_source.sandbox.writes.files import CHUNK
from tests.support.sandbox.user_clients import api, signed_in

CONTENT = random.Random(1).randbytes(CHUNK * 2 + 12345)
NOBODY = "99999999-0000-0000-0000-000000000000"


class Crm:
    """A sandbox with one account without a file, asked over HTTPS."""

    def __init__(self, sandbox: Sandbox, session: requests.Session) -> None:
        self.sandbox, self.session = sandbox, session
        self.key = sandbox.store.create("account", {"name": "A"})
        self.column = f"accounts({self.key})/new_contract"

    def ask(self, method: str, path: str, **more: Any) -> requests.Response:
        return self.session.request(method, api(self.sandbox, path), **more)

    def act(self, name: str, **parameters: Any) -> requests.Response:
        return self.ask("POST", name, json=parameters)

    @property
    def content(self) -> bytes:
        return self.ask("GET", f"{self.column}/$value").content

    @property
    def row(self) -> dict[str, Any]:
        found = self.sandbox.store.row("account", self.key)
        assert found is not None
        return found

    @property
    def attachments(self) -> list[dict[str, Any]]:
        expand = "$expand=account_FileAttachments&$select=name"
        rows: list[dict[str, Any]] = self.ask("GET", f"accounts({self.key})?{expand}").json()[
            "account_FileAttachments"
        ]
        return rows


@pytest.fixture
def crm() -> Iterator[Crm]:
    with Sandbox(rows={}) as sandbox, signed_in(sandbox) as session:
        yield Crm(sandbox, session)


def upload(crm: Crm, content: bytes, **headers: str) -> requests.Response:
    named = {"Content-Type": "application/octet-stream", "x-ms-file-name": "a b.txt", **headers}
    return crm.ask("PATCH", crm.column, data=content, headers=named)


def test_a_file_in_one_request(crm: Crm) -> None:
    before = crm.row["versionnumber"]
    assert upload(crm, b"hello").status_code == 204
    assert crm.content == b"hello"
    assert crm.row["new_contract_name"] == "a b.txt"
    assert crm.row["versionnumber"] > before
    (told,) = crm.attachments
    assert told["fileattachmentid"] == crm.row["new_contract"]
    assert (told["filename"], told["filesizeinbytes"]) == ("a b.txt", 5)
    assert told["regardingfieldname"] == "new_contract"
    assert told["_objectid_value"] == crm.key


def test_a_file_takes_the_place_of_another(crm: Crm) -> None:
    upload(crm, b"one")
    first = crm.row["new_contract"]
    upload(crm, b"other")
    assert crm.content == b"other"
    assert [told["filesizeinbytes"] for told in crm.attachments] == [5]
    assert crm.ask("GET", f"fileattachments({first})").status_code == 404


def test_the_name_may_stand_in_the_query(crm: Crm) -> None:
    url = f"{crm.column}?x-ms-file-name=Vertrag%20%C3%A4.pdf"
    assert crm.ask("PATCH", url, data=b"a").status_code == 204
    assert crm.row["new_contract_name"] == "Vertrag ä.pdf"
    assert crm.ask("PATCH", crm.column, data=b"a").status_code == 400


def test_a_file_in_chunks(crm: Crm) -> None:
    begun = upload(crm, b"", **{"x-ms-transfer-mode": "chunked"})
    assert begun.status_code == 200
    assert begun.headers["Accept-Ranges"] == "bytes"
    size, chunk = len(CONTENT), int(begun.headers["x-ms-chunk-size"])
    assert chunk == CHUNK
    statuses = []
    for start in range(0, size, chunk):
        part = CONTENT[start : start + chunk]
        headers = {
            "Content-Range": f"bytes {start}-{start + len(part) - 1}/{size}",
            "x-ms-file-name": "a.bin",
        }
        answer = crm.session.patch(begun.headers["Location"], data=part, headers=headers)
        statuses.append(answer.status_code)
    assert statuses == [206, 206, 204]
    assert crm.content == CONTENT
    again = crm.session.patch(begun.headers["Location"], data=b"a", headers=headers)
    assert again.status_code == 400


def test_chunks_that_do_not_fit(crm: Crm) -> None:
    location = upload(crm, b"", **{"x-ms-transfer-mode": "chunked"}).headers["Location"]
    for wrong in ("bytes 0-5/9", "bytes 0-1/1", "lines 0-1/2", ""):
        answer = crm.session.patch(location, data=b"ab", headers={"Content-Range": wrong})
        assert answer.status_code == 400
    huge = {"Content-Range": "bytes 0-1/999999999"}
    answer = crm.session.patch(location, data=b"ab", headers=huge)
    assert answer.json()["error"]["code"] == "0x80044a02"


def begin(crm: Crm, column: str = "new_contract", key: str = "") -> requests.Response:
    target = {"@odata.type": "Microsoft.Dynamics.CRM.account", "accountid": key or crm.key}
    return crm.act(
        "InitializeFileBlocksUpload", Target=target, FileName="a.pdf", FileAttributeName=column
    )


def test_a_file_in_blocks(crm: Crm) -> None:
    token = begin(crm).json()["FileContinuationToken"]
    listed = []
    for number, start in enumerate(range(0, len(CONTENT), CHUNK)):
        block = base64.b64encode(f"block-{number}".encode()).decode()
        data = base64.b64encode(CONTENT[start : start + CHUNK]).decode()
        sent = crm.act("UploadBlock", BlockId=block, BlockData=data, FileContinuationToken=token)
        assert sent.status_code == 204
        listed.append(block)
    assert crm.row["new_contract"] is None
    commit = {"FileName": "b.pdf", "MimeType": "application/pdf", "FileContinuationToken": token}
    done = crm.act("CommitFileBlocksUpload", BlockList=listed, **commit).json()
    assert done["@odata.context"].endswith("CRM.CommitFileBlocksUploadResponse")
    assert (done["FileSizeInBytes"], done["FileId"]) == (len(CONTENT), crm.row["new_contract"])
    assert crm.content == CONTENT
    assert crm.attachments[0]["mimetype"] == "application/pdf"
    assert crm.act("CommitFileBlocksUpload", BlockList=listed, **commit).status_code == 400


def test_blocks_that_are_refused(crm: Crm) -> None:
    token = begin(crm).json()["FileContinuationToken"]
    block = {"BlockId": "YQ==", "BlockData": "YQ==", "FileContinuationToken": token}
    too_big = base64.b64encode(bytes(CHUNK + 1)).decode()
    for wrong in (
        {"FileContinuationToken": "x"},
        {"BlockData": "?"},
        {"BlockId": ""},
        {"BlockData": too_big},
    ):
        assert crm.act("UploadBlock", **{**block, **wrong}).status_code == 400
    commit = {"FileName": "a", "MimeType": "a/b", "FileContinuationToken": token}
    assert crm.act("CommitFileBlocksUpload", BlockList=["YQ=="], **commit).status_code == 400
    assert crm.act("CommitFileBlocksUpload", BlockList=[], **commit).status_code == 400
    assert begin(crm, "name").status_code == 400
    assert begin(crm, key=NOBODY).status_code == 404
    assert begin(crm, "entityimage").status_code == 501


def test_files_are_deleted(crm: Crm) -> None:
    upload(crm, b"one")
    assert crm.act("DeleteFile", FileId=crm.row["new_contract"]).status_code == 204
    assert (crm.row["new_contract"], crm.row["new_contract_name"]) == (None, None)
    assert crm.attachments == []
    assert crm.act("DeleteFile", FileId=NOBODY).status_code == 404
    upload(crm, b"two")
    assert crm.ask("DELETE", crm.column).status_code == 204
    assert crm.ask("GET", f"{crm.column}/$value").status_code == 204
    assert crm.attachments == []
    upload(crm, b"three")
    file_id = crm.row["new_contract"]
    assert crm.ask("DELETE", f"accounts({crm.key})").status_code == 204
    assert crm.ask("GET", f"fileattachments({file_id})").status_code == 404
    assert upload(crm, b"four").status_code == 404
    assert crm.ask("DELETE", crm.column).status_code == 404


def test_writing_needs_the_privilege(crm: Crm) -> None:
    crm.sandbox.users.change(crm.sandbox.client_id, may_write=False)
    assert upload(crm, b"one").status_code == 403
    assert begin(crm).status_code == 403
    assert crm.ask("DELETE", crm.column).status_code == 403


def test_a_file_that_is_too_big(crm: Crm) -> None:
    column = crm.sandbox.store.table("account").by_name["new_contract"]
    assert column.max_size_kb is not None
    answer = upload(crm, bytes(column.max_size_kb * 1024 + 1))
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "0x80044a02")
