from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
import requests

from dataverse_source.sandbox import LimitSettings, Sandbox
from tests.support.sandbox.user_clients import api, signed_in

PART = "Content-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n"


@pytest.fixture
def running() -> Iterator[Sandbox]:
    with Sandbox(rows={"account": 5}) as sandbox:
        yield sandbox


@pytest.fixture
def session(running: Sandbox) -> Iterator[requests.Session]:
    with signed_in(running) as session:
        yield session


def get(url: str, headers: str = "") -> str:
    return f"{PART}GET {url} HTTP/1.1\r\n{headers}\r\n\r\n"


def post(
    session: requests.Session, sandbox: Sandbox, *parts: str, prefer: str = "", lines: str = "\r\n"
) -> requests.Response:
    body = "".join(f"--batch_1\r\n{part}" for part in parts) + "--batch_1--"
    headers = {"Content-Type": 'multipart/mixed; boundary="batch_1"', "Prefer": prefer}
    return session.post(
        api(sandbox, "$batch"), data=body.replace("\r\n", lines).encode(), headers=headers
    )


def statuses(answer: requests.Response) -> list[int]:
    return [int(found) for found in re.findall(r"^HTTP/1\.1 (\d+) ", answer.text, re.MULTILINE)]


@pytest.mark.parametrize("lines", ["\r\n", "\n"])
def test_several_requests(session: requests.Session, running: Sandbox, lines: str) -> None:
    answer = post(
        session,
        running,
        get("/api/data/v9.2/accounts?$select=name"),
        get(api(running, "WhoAmI")),
        get("EntityDefinitions?$select=LogicalName&$filter=LogicalName eq 'account'"),
        lines=lines,
    )
    assert answer.status_code == 200
    assert re.match(r"multipart/mixed; boundary=batchresponse_", answer.headers["Content-Type"])
    assert statuses(answer) == [200, 200, 200]
    assert answer.text.count('"name":') == 5
    assert running.application.client_id
    assert '"LogicalName":"account"' in answer.text
    boundary = answer.headers["Content-Type"].partition("=")[2]
    assert answer.text.startswith(f"--{boundary}\r\nContent-Type: application/http\r\n")
    assert answer.text.endswith(f"--{boundary}--\r\n")
    assert answer.text.count("Content-Type: application/json; odata.metadata=minimal") == 3


def test_preferences_stand_on_the_inner_request(
    session: requests.Session, running: Sandbox
) -> None:
    answer = post(session, running, get("accounts?$select=name", "Prefer: odata.maxpagesize=2\r\n"))
    assert answer.text.count('"name":') == 2
    assert "@odata.nextLink" in answer.text


def test_first_failure_stops_the_batch(session: requests.Session, running: Sandbox) -> None:
    answer = post(session, running, get("WhoAmI"), get("nothing"), get("WhoAmI"))
    assert answer.status_code == 404
    assert statuses(answer) == [200, 404]
    assert "REQ_ID: " in answer.text


def test_goes_on_when_asked(session: requests.Session, running: Sandbox) -> None:
    prefer = "odata.continue-on-error"
    answer = post(session, running, get("nothing"), get("WhoAmI"), prefer=prefer)
    assert answer.status_code == 200
    assert statuses(answer) == [404, 200]


def test_rows_of_a_change_set_name_those_before(
    session: requests.Session, running: Sandbox
) -> None:
    def made(number: int, collection: str, body: str) -> str:
        head = PART.replace("\r\n\r\n", f"\r\nContent-ID: {number}\r\n\r\n")
        request = f"POST {collection} HTTP/1.1\r\nContent-Type: application/json\r\n\r\n{body}\r\n"
        return f"--c\r\n{head}{request}"

    contact = made(1, "contacts", '{"lastname": "$1"}')
    account = made(2, "accounts", '{"name": "$1", "primarycontactid@odata.bind": "$1"}')
    links = '{"lastname": "b", "account_primary_contact@odata.bind": ["$2"]}'
    other = made(3, "contacts", links)
    change_set = "Content-Type: multipart/mixed; boundary=c\r\n\r\n" + contact + account + other
    answer = post(session, running, f"{change_set}--c--\r\n")
    assert statuses(answer) == [204, 204, 204]
    first, second, third = re.findall(r"OData-EntityId: .*\(([-0-9a-f]+)\)", answer.text)
    store = running.store
    row = store.row("account", second)
    assert row is not None
    assert (row["name"], row["primarycontactid"]) == ("$1", third)
    assert first != third
    assert [row["lastname"] for row in store.rows("contact")] == ["$1", "b"]


def test_urls_of_up_to_64_kib(session: requests.Session, running: Sandbox) -> None:
    names = ",".join(["name"] * 8000)
    assert post(session, running, get(f"accounts?$select={names}")).status_code == 200
    names = ",".join(["name"] * 14_000)
    answer = post(session, running, get(f"accounts?$select={names}"))
    assert answer.status_code == 400


def test_no_more_than_a_thousand(session: requests.Session, running: Sandbox) -> None:
    assert len(statuses(post(session, running, *[get("WhoAmI")] * 1000))) == 1000
    answer = post(session, running, *[get("WhoAmI")] * 1001)
    assert (answer.status_code, statuses(answer)[-1]) == (400, 400)


def test_requests_within_are_not_counted() -> None:
    limits = LimitSettings(enforced=True, requests=2)
    with Sandbox(rows={}, limits=limits) as sandbox, signed_in(sandbox) as session:
        assert statuses(post(session, sandbox, *[get("WhoAmI")] * 9)) == [200] * 9


@pytest.mark.parametrize(
    ("part", "said"),
    [
        (get("/api/data/v9.2/$batch"), "another batch"),
        (f"{PART}\r\n", "no HTTP request"),
        (
            f"Content-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n{get('WhoAmI')}--c--\r\n",
            "change set can't contain a GET",
        ),
        ("Content-Type: multipart/mixed\r\n\r\n", "boundary"),
    ],
)
def test_what_a_batch_can_not_hold(
    session: requests.Session, running: Sandbox, part: str, said: str
) -> None:
    answer = post(session, running, part)
    assert answer.status_code == 400
    assert said in answer.text
