"""Several questions in one request."""

from __future__ import annotations

import pytest

from dataverse_source.client.batch import BatchRequest, read_batch, to_body
from dataverse_source.client.client import DataverseClient
from dataverse_source.config.checks import make_settings
from dataverse_source.credentials import DataverseCredentials
from dataverse_source.errors import MalformedBodyError, NotFoundError, ProtocolError
from dataverse_source.loading.connection import Connection
from dataverse_source.sandbox import Sandbox

WHO_AM_I = b"--b\r\nContent-Type: application/http\r\n\r\nHTTP/1.1 200 OK\r\n\r\n{}\r\n--b--\r\n"


@pytest.fixture
def client(sandbox: Sandbox, credentials: DataverseCredentials) -> DataverseClient:
    settings = make_settings(
        environment_url=sandbox.environment_url,
        tables=["accounts"],
        ca_bundle=str(sandbox.ca_bundle),
    )
    return Connection(settings, credentials).client


def test_each_question_has_its_answer(client: DataverseClient, sandbox: Sandbox) -> None:
    questions = [
        BatchRequest("WhoAmI"),
        BatchRequest("no_such_table"),
        BatchRequest("accounts", {"$select": "name"}, ["odata.maxpagesize=1"]),
    ]
    who, missing, accounts = client.batch(questions)
    assert who.json()["OrganizationId"]
    with pytest.raises(NotFoundError, match="no_such_table"):
        missing.json()
    assert len(accounts.json()["value"]) == 1
    assert len(sandbox.requests.matching("/api/data/")) == 1


def test_what_is_left_of_the_limits_is_known(client: DataverseClient) -> None:
    assert client.rate_limits == {}
    client.batch([BatchRequest("WhoAmI")])
    assert set(client.rate_limits) == {
        "x-ms-ratelimit-burst-remaining-xrm-requests",
        "x-ms-ratelimit-time-remaining-xrm-requests",
    }


def test_a_body_has_a_part_for_each_question() -> None:
    body = to_body(["https://a/b?c=d"], [BatchRequest("b", prefer=["one", "two"])], "mark")
    assert body.decode().split("\r\n") == [
        "--mark",
        "Content-Type: application/http",
        "Content-Transfer-Encoding: binary",
        "",
        "GET https://a/b?c=d HTTP/1.1",
        "Accept: application/json",
        "Prefer: one, two",
        "",
        "",
        "--mark--",
        "",
    ]


@pytest.mark.parametrize("end", [b"\r\n", b"\n"])
def test_lines_may_end_either_way(end: bytes) -> None:
    (answer,) = read_batch(WHO_AM_I.replace(b"\r\n", end), ["https://a/b"])
    assert (answer.status, answer.json()) == (200, {})


@pytest.mark.parametrize(
    "body", [b"", b"{}", WHO_AM_I[:-30], WHO_AM_I.replace(b"HTTP/1.1 200 OK", b"")]
)
def test_an_answer_that_is_cut_off_is_refused(body: bytes) -> None:
    with pytest.raises(MalformedBodyError):
        read_batch(body, ["https://a/b"])


@pytest.mark.parametrize("content", [b"[]", b"{"])
def test_an_answer_is_a_json_object(content: bytes) -> None:
    (answer,) = read_batch(WHO_AM_I.replace(b"{}", content), ["https://a/b"])
    with pytest.raises(ProtocolError):
        answer.json()
