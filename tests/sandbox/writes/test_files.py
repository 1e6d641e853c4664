from __future__ import annotations

import base64
import random
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from dataverse_source.sandbox import Sandbox
from dataverse_source.sandbox.writes.files import CHUNK, put_file, put_image
from tests.support.sandbox.user_clients import api, signed_in

CONTENT = random.Random(1).randbytes(CHUNK * 2 + 12345)


class Crm:
    """A sandbox with one account, asked over HTTPS."""

    def __init__(self, sandbox: Sandbox, session: requests.Session) -> None:
        self.sandbox, self.session = sandbox, session
        self.key = sandbox.store.create("account", {"name": "A"})

    def get(self, path: str, **headers: str) -> requests.Response:
        return self.session.get(api(self.sandbox, f"accounts({self.key})/{path}"), headers=headers)

    def post(self, action: str, body: dict[str, Any]) -> requests.Response:
        return self.session.post(api(self.sandbox, action), json=body)

    @property
    def target(self) -> dict[str, Any]:
        return {
            "Target": {"@odata.type": "Microsoft.Dynamics.CRM.account", "accountid": self.key},
            "FileAttributeName": "new_contract",
        }


@pytest.fixture
def crm() -> Iterator[Crm]:
    with Sandbox(rows={"account": 4}) as sandbox, signed_in(sandbox) as session:
        yield Crm(sandbox, session)


def test_a_file_at_once(crm: Crm) -> None:
    assert crm.get("new_contract/$value").status_code == 204
    file_id = put_file(
        crm.sandbox.environment, "account", crm.key, "new_contract", CONTENT, "Vertrag ä.pdf",
        "application/pdf",
    )  # fmt: skip
    url = f"accounts({crm.key})?$select=new_contract,new_contract_name"
    row = crm.session.get(api(crm.sandbox, url)).json()
    assert (row["new_contract"], row["new_contract_name"]) == (file_id, "Vertrag ä.pdf")
    answer = crm.get("new_contract/$value")
    assert (answer.status_code, answer.content) == (200, CONTENT)
    assert answer.headers["x-ms-file-size"] == str(len(CONTENT))
    assert answer.headers["x-ms-file-name"] == "Vertrag %C3%A4.pdf"
    assert answer.headers["mimetype"] == "application/pdf"
    assert answer.headers["Content-Type"] == "application/octet-stream"


def test_a_file_by_ranges(crm: Crm) -> None:
    put_file(crm.sandbox.environment, "account", crm.key, "new_contract", CONTENT, "a.bin")
    parts, start, size = b"", 0, 1
    while start < size:
        answer = crm.get("new_contract/$value", Range=f"bytes={start}-{start + CHUNK - 1}")
        assert answer.status_code == 206
        assert answer.headers["x-ms-chunk-size"] == "4194304"
        size = int(answer.headers["x-ms-file-size"])
        parts += answer.content
        start += CHUNK
    assert parts == CONTENT
    small = crm.get("new_contract/$value", Range="bytes=5-9")
    assert (small.content, small.headers["Content-Range"]) == (
        CONTENT[5:10],
        f"bytes 5-9/{len(CONTENT)}",
    )
    assert len(crm.get("new_contract/$value", Range="bytes=0-").content) == CHUNK
    for wrong in (f"bytes={len(CONTENT)}-", "bytes=9-5", "lines=1-2"):
        assert crm.get("new_contract/$value", Range=wrong).status_code == 416


def test_a_file_in_json(crm: Crm) -> None:
    assert crm.get("new_contract").status_code == 204
    environment = crm.sandbox.environment
    put_file(environment, "account", crm.key, "new_contract", CONTENT, "a b.pdf")
    whole = crm.get("new_contract")
    assert whole.headers["Content-Type"].startswith("application/json")
    assert whole.headers["Content-Disposition"] == 'attachment; filename="a b.pdf"'
    assert whole.headers["x-ms-file-size"] == str(len(CONTENT))
    assert whole.json()["@odata.context"].endswith(f"#accounts({crm.key})/new_contract")
    assert base64.b64decode(whole.json()["value"]) == CONTENT
    part = crm.get("new_contract?size=full", Range="bytes=5-9")
    assert (part.status_code, base64.b64decode(part.json()["value"])) == (206, CONTENT[5:10])


def test_an_image_in_json(crm: Crm) -> None:
    put_image(crm.sandbox.environment, "account", crm.key, "entityimage", b"small", b"full size")
    assert base64.b64decode(crm.get("entityimage").json()["value"]) == b"small"
    assert base64.b64decode(crm.get("entityimage?size=full").json()["value"]) == b"full size"


def test_a_file_in_blocks(crm: Crm) -> None:
    assert crm.post("InitializeFileBlocksDownload", crm.target).status_code == 404
    put_file(crm.sandbox.environment, "account", crm.key, "new_contract", CONTENT, "a.bin")
    begun = crm.post("InitializeFileBlocksDownload", crm.target).json()
    assert begun["@odata.context"].endswith("CRM.InitializeFileBlocksDownloadResponse")
    assert (begun["FileSizeInBytes"], begun["FileName"]) == (len(CONTENT), "a.bin")
    assert begun["IsChunkingSupported"] is True
    block = {"FileContinuationToken": begun["FileContinuationToken"], "BlockLength": CHUNK}
    parts = b""
    for offset in range(0, begun["FileSizeInBytes"], CHUNK):
        answer = crm.post("DownloadBlock", {**block, "Offset": offset})
        parts += base64.b64decode(answer.json()["Data"])
    assert parts == CONTENT
    for wrong in ({"Offset": -1}, {"Offset": 0, "FileContinuationToken": "x"}, {"BlockLength": 0}):
        assert crm.post("DownloadBlock", {**block, "Offset": 0, **wrong}).status_code == 400
    other = {**crm.target, "FileAttributeName": "name"}
    assert crm.post("InitializeFileBlocksDownload", other).status_code == 400


def test_an_image_has_a_thumbnail_and_its_full_size(crm: Crm) -> None:
    image_id = put_image(
        crm.sandbox.environment, "account", crm.key, "entityimage", b"small", b"full" * 99
    )
    names = "entityimage,entityimageid,entityimage_url,entityimage_timestamp"
    url = api(crm.sandbox, f"accounts({crm.key})?$select={names}")
    row = crm.session.get(url).json()
    assert base64.b64decode(row["entityimage"]) == b"small"
    assert row["entityimageid"] == image_id
    assert str(row["entityimage_timestamp"]) in row["entityimage_url"]
    assert crm.get("entityimage/$value").content == b"small"
    assert crm.get("entityimage/$value?size=full").content == b"full" * 99


def test_seeded_files_have_the_same_content_every_time(crm: Crm) -> None:
    rows = crm.sandbox.store.rows("account")
    found = [row for row in rows if row["new_contract"] is not None]
    for row in found:
        url = api(crm.sandbox, f"accounts({row['accountid']})/new_contract/$value")
        first, second = crm.session.get(url), crm.session.get(url)
        assert first.status_code == 200
        assert first.content == second.content
        assert len(first.content) == int(first.headers["x-ms-file-size"])
    assert found


def test_a_row_that_is_not_there(crm: Crm) -> None:
    crm.sandbox.store.delete("account", crm.key)
    assert crm.get("new_contract/$value").status_code == 404
    assert crm.post("InitializeFileBlocksDownload", crm.target).status_code == 404


def test_the_body_of_a_note_is_text(crm: Crm) -> None:
    body = base64.b64encode(b"hello").decode()
    values = {"subject": "a", "isdocument": True, "filename": "a.txt", "documentbody": body}
    key = crm.sandbox.store.create("annotation", values)
    answer = crm.session.get(api(crm.sandbox, f"annotations({key})/documentbody/$value"))
    assert (answer.status_code, answer.text) == (200, body)
