from __future__ import annotations

import zlib
from collections.abc import Iterator
from datetime import timezone
from email.utils import parsedate_to_datetime

import pytest
import requests
from urllib3.exceptions import ProtocolError

from dataverse_source.sandbox import Fault, Sandbox
from dataverse_source.sandbox.api.faults import Faults
from dataverse_source.sandbox.http.messages import Request
from tests.support.sandbox.user_clients import api, signed_in


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with Sandbox(rows={}) as sandbox:
        yield sandbox


@pytest.fixture
def session(running: Sandbox) -> Iterator[requests.Session]:
    with signed_in(running) as session:
        running.faults.clear()
        yield session
        assert running.faults.pending == 0


@pytest.mark.parametrize("status", [502, 503, 504])
def test_gateway_pages(running: Sandbox, session: requests.Session, status: int) -> None:
    running.faults.plan(Fault(f"html_{status}", retry_after=7))  # type: ignore[arg-type]
    answer = session.get(api(running))
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "text/html"
    assert answer.headers["Retry-After"] == "7"
    assert session.get(api(running)).status_code == 200


@pytest.mark.parametrize(
    ("form", "retry_after"),
    [("json_seconds", "3"), ("json_decimal_seconds", "2.500"), ("json_no_header", None)],
)
def test_throttled(
    running: Sandbox, session: requests.Session, form: str, retry_after: str | None
) -> None:
    running.faults.plan(Fault("throttled", retry_after=2.5, form=form))
    answer = session.get(api(running))
    assert answer.status_code == 429
    assert answer.headers.get("Retry-After") == retry_after
    assert answer.json()["error"] == {
        "code": "0x80072322",
        "message": "Number of requests exceeded the limit of 6000 over time window of 300 seconds.",
    }


def test_throttled_with_a_date(running: Sandbox, session: requests.Session) -> None:
    running.faults.plan(Fault("throttled", retry_after=30, form="json_http_date"))
    before = running.clock.now()
    answer = session.get(api(running))
    until = parsedate_to_datetime(answer.headers["Retry-After"]).astimezone(timezone.utc)
    assert 28 <= (until - before).total_seconds() <= 60


def test_throttled_by_a_gateway(running: Sandbox, session: requests.Session) -> None:
    running.faults.plan(Fault("throttled", retry_after=4, form="html"))
    answer = session.get(api(running))
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "4")
    assert answer.headers["Content-Type"] == "text/html"


@pytest.mark.parametrize(
    ("kind", "code"), [("json_500", "0x80040216"), ("sql_timeout", "0x80044151")]
)
def test_errors_of_the_server(
    running: Sandbox, session: requests.Session, kind: str, code: str
) -> None:
    running.faults.plan(Fault(kind))  # type: ignore[arg-type]
    answer = session.get(api(running))
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, code)


def test_redirect(running: Sandbox, session: requests.Session) -> None:
    running.faults.plan(Fault("redirect", location="https://thief.example"))
    answer = session.get(api(running), allow_redirects=False)
    assert answer.status_code == 302
    assert answer.headers["Location"] == "https://thief.example/api/data/v9.2/"


def test_sign_in_page(running: Sandbox, session: requests.Session) -> None:
    running.faults.plan("sign_in_page")
    answer = session.get(api(running))
    assert answer.status_code == 200
    assert "Sign in to your account" in answer.text


def test_empty_body(running: Sandbox, session: requests.Session) -> None:
    running.faults.plan("empty_body")
    answer = session.get(api(running))
    assert (answer.status_code, answer.content) == (200, b"")


def test_wrong_content_type(running: Sandbox, session: requests.Session) -> None:
    running.faults.plan("wrong_content_type")
    answer = session.get(api(running))
    assert answer.headers["Content-Type"].startswith("text/html")
    assert answer.json()["value"]


def test_no_value(running: Sandbox, session: requests.Session) -> None:
    running.faults.plan("no_value")
    assert set(session.get(api(running)).json()) == {"@odata.context"}


def test_what_is_not_json_keeps_its_content(running: Sandbox, session: requests.Session) -> None:
    plain = session.get(api(running, "$metadata")).content
    running.faults.plan("no_value")
    assert session.get(api(running, "$metadata")).content == plain


@pytest.mark.parametrize("kind", ["reset", "truncated", "truncated_gzip"])
@pytest.mark.parametrize("at", [0.0, 0.7])
def test_cut_off(running: Sandbox, session: requests.Session, kind: str, at: float) -> None:
    running.faults.plan(Fault(kind, at=at))  # type: ignore[arg-type]
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        session.get(api(running))
    assert session.get(api(running)).status_code == 200


def test_cut_off_at_its_own_length(running: Sandbox, session: requests.Session) -> None:
    running.faults.plan(Fault("truncated", right_length=True))
    answer = session.get(api(running), headers={"Accept-Encoding": "identity"})
    assert int(answer.headers["Content-Length"]) == len(answer.content)
    with pytest.raises(requests.exceptions.JSONDecodeError):
        answer.json()


def test_cut_gzip_at_its_own_length(running: Sandbox, session: requests.Session) -> None:
    running.faults.plan(Fault("truncated_gzip", right_length=True))
    with session.get(api(running), stream=True) as answer:
        packed = answer.raw.read(decode_content=False)
    assert len(packed) == int(answer.headers["Content-Length"])
    unpacker = zlib.decompressobj(16 + zlib.MAX_WBITS)
    assert unpacker.decompress(packed).startswith(b"{")
    assert not unpacker.eof


def test_stall_outlasts_the_clients_patience(running: Sandbox, session: requests.Session) -> None:
    running.faults.plan(Fault("stall", seconds=3))
    with pytest.raises(requests.ReadTimeout):
        session.get(api(running), timeout=(60, 0.2))
    running.faults.plan(Fault("stall_in_body", seconds=3))
    with pytest.raises((requests.ConnectionError, ProtocolError)):
        session.get(api(running), timeout=(60, 0.2))


def test_foreign_next_link(running: Sandbox, session: requests.Session) -> None:
    running.faults.plan(Fault("foreign_next_link", location="https://thief.example"))
    link = session.get(api(running)).json()["@odata.nextLink"]
    assert link.startswith("https://thief.example/api/data/v9.2/")


def test_repeated_next_link(running: Sandbox, session: requests.Session) -> None:
    running.faults.plan("repeated_next_link")
    assert session.get(api(running)).json()["@odata.nextLink"] == api(running)


def test_only_matching_requests_and_only_so_often(
    running: Sandbox, session: requests.Session
) -> None:
    running.faults.plan("json_500", path=r"/EntityDefinitions\?", skip=1, times=2)
    url = api(running, "EntityDefinitions?$select=LogicalName")
    assert session.get(api(running)).status_code == 200
    assert [session.get(url).status_code for _ in range(4)] == [200, 500, 500, 200]
    assert running.faults.fired[-2:] == [("json_500", "/api/data/v9.2/EntityDefinitions")] * 2
    assert [entry.fault for entry in running.requests.matching("EntityDefinitions")][-2:] == [
        "json_500",
        None,
    ]


def test_sign_in_can_go_wrong_too(running: Sandbox, session: requests.Session) -> None:
    running.faults.plan("html_503", path="/oauth2/v2.0/token")
    answer = session.post(f"{running.authority_host}/{running.tenant_id}/oauth2/v2.0/token")
    assert answer.status_code == 503


def kinds_of(faults: Faults) -> list[str | None]:
    request = Request("GET", "/api/data/v9.2/accounts")
    taken = [faults.take(request) for _ in range(400)]
    return [fault.kind if fault else None for fault in taken]


def test_random_faults_repeat_with_the_seed() -> None:
    faults = Faults()
    faults.randomly({"html_503": 0.1, "reset": 0.05}, seed=3)
    first = kinds_of(faults)
    faults.randomly({"html_503": 0.1, "reset": 0.05}, seed=3)
    assert kinds_of(faults) == first
    assert 20 < first.count("html_503") < 65
    assert 5 < first.count("reset") < 40
    faults.clear()
    assert set(kinds_of(faults)) == {None}


def test_random_faults_on_matching_paths_only() -> None:
    faults = Faults()
    faults.randomly({"html_503": 1.0}, path="/contacts")
    assert faults.take(Request("GET", "/api/data/v9.2/accounts")) is None
    assert faults.take(Request("GET", "/api/data/v9.2/contacts")) is not None


def test_refuses_what_can_not_be() -> None:
    with pytest.raises(ValueError, match="no fault 'fire'"):
        Fault("fire")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="add up to 1"):
        Faults().randomly({"html_503": 0.7, "reset": 0.7})
    with pytest.raises(ValueError, match="from 0 to 1"):
        Fault("truncated", at=2)
