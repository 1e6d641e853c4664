"""Error answers and the errors that they become."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataverse_source.client import error_responses
from dataverse_source.errors import (
    AccessDeniedError,
    NotFoundError,
    ResponseError,
    ServerError,
    ThrottledError,
    UnauthorizedError,
)

URL = "https://contoso.crm4.dynamics.com/api/data/v9.2/accounts?$filter=name eq 'private'"
CHALLENGE = (
    "Bearer authorization_uri=https://login.microsoftonline.com/1-2/oauth2/authorize, "
    "resource_id=https://contoso.crm4.dynamics.com/"
)


def answer(
    status: int, code: str = "", message: str = "", headers: dict[str, str] | None = None
) -> error_responses.ErrorAnswer:
    body = json.dumps({"error": {"code": code, "message": message}}).encode()
    return error_responses.read_error(status, headers or {}, body)


def error(status: int, code: str = "", message: str = "") -> ResponseError:
    return error_responses.to_error(answer(status, code, message), URL)


def test_all_that_support_asks_for_is_in_the_message() -> None:
    read = answer(
        400, "0x80060888", "Could not find\n a property", {"x-ms-service-request-id": "a-1,b-2"}
    )
    text = str(error_responses.to_error(read, URL))
    for part in ("HTTP status 400", "0x80060888", "Could not find a property", "a-1,b-2"):
        assert part in text
    assert "https://contoso.crm4.dynamics.com/api/data/v9.2/accounts" in text
    assert "private" not in text


def test_request_id_of_the_other_header() -> None:
    assert answer(400, headers={"REQ_ID": "c-3"}).request_id == "c-3"
    assert answer(400).request_id is None


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", ""),
        (b"Bad gateway\n", "Bad gateway"),
        (b"<html><head><title>502 &amp; more</title></head><body>x</body></html>", "502 & more"),
        (b"<html><style>p {}</style><p>Be <b>back</b> soon</p></html>", "Be back soon"),
        (b"\xff\xfe\x00", "\ufffd\ufffd\x00"),
        (b'{"Message": "No HTTP resource"}', '{"Message": "No HTTP resource"}'),
        (b'{"error": "text"}', '{"error": "text"}'),
        (b"[1]", "[1]"),
    ],
)
def test_bodies_that_are_no_dataverse_error(body: bytes, message: str) -> None:
    read = error_responses.read_error(502, {}, body)
    assert (read.code, read.message, read.from_dataverse) == (None, message, False)
    assert "502" in str(error_responses.to_error(read, URL))


def test_an_empty_code_is_none() -> None:
    read = answer(404, "", "account With Id = 1 Does Not Exist")
    assert (read.code, read.from_dataverse) == (None, True)


def test_a_byte_order_mark_does_no_harm() -> None:
    body = b'\xef\xbb\xbf{"error": {"code": "0x1", "message": "m"}}'
    assert error_responses.read_error(400, {}, body).code == "0x1"


@given(st.integers(400, 599), st.binary(max_size=200))
def test_any_body_becomes_an_error(status: int, body: bytes) -> None:
    read = error_responses.read_error(status, {}, body)
    assert error_responses.to_error(read, URL).status == status


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["error", "code", "message", "x"]), inner, max_size=3)
    ),
)


@given(st.integers(400, 599), json_values)
def test_any_json_becomes_an_error(status: int, value: object) -> None:
    read = error_responses.read_error(status, {}, json.dumps(value).encode())
    assert error_responses.to_error(read, URL).status == status
    error_responses.is_worth_a_retry(read)


@pytest.mark.parametrize("status", [403, 401])
@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("0x80072560", "no application user"),
        ("0x80040225", "disabled"),
        ("0x80042F09", "no security role"),
    ],
)
def test_set_up_faults(status: int, code: str, says: str) -> None:
    found = error(status, code, "The user is not ready.")
    assert isinstance(found, AccessDeniedError)
    assert says in found.what
    assert "admin centre" in str(found)
    assert not error_responses.is_worth_a_retry(answer(status, code))


@pytest.mark.parametrize(
    "message",
    [
        "Principal user (Id=1, type=8) is missing prvReadAccount privilege (Id=8) on OTC=1 for "
        "entity 'account' (LocalizedName='Account'). context.Caller=1.",
        "SecLib::AccessCheckEx failed: is missing 'prvReadAccount' privilege for entity 'account'",
    ],
)
def test_a_missing_privilege_is_named(message: str) -> None:
    found = error(403, "0x80040220", message)
    assert isinstance(found, AccessDeniedError)
    assert found.what == "The application user lacks the privilege prvReadAccount (table account)"
    assert "security role" in str(found.remedy)


def test_denied_without_a_privilege() -> None:
    found = error(403, "0x80048306", "Not enough privilege to access the object.")
    assert isinstance(found, AccessDeniedError)
    assert "Not enough privilege" in str(found)


def test_denied_by_something_in_between() -> None:
    read = error_responses.read_error(403, {}, b"<html><title>Forbidden</title></html>")
    assert "before it came to Dataverse" in str(error_responses.to_error(read, URL))


def test_unauthorized_names_tenant_and_resource() -> None:
    read = error_responses.read_error(401, {"WWW-Authenticate": CHALLENGE}, b"")
    found = error_responses.to_error(read, URL)
    assert isinstance(found, UnauthorizedError)
    assert "https://login.microsoftonline.com/1-2/oauth2/authorize" in str(found)
    assert "resource_id https://contoso.crm4.dynamics.com/" in str(found)
    assert "tenant_id" in str(found.remedy)


def test_quoted_challenges_are_read_too() -> None:
    header = 'Bearer error="invalid_token", error_description="The audience is wrong"'
    read = error_responses.read_error(401, {"WWW-Authenticate": header}, b"")
    assert read.challenge == "error invalid_token; error_description The audience is wrong"


@pytest.mark.parametrize("code", ["0x8006088a", "0x80060888", ""])
def test_unknown_segment(code: str) -> None:
    found = error(404, code, "Resource not found for the segment 'acounts'.")
    assert isinstance(found, NotFoundError)
    assert "case sensitive" in str(found)
    assert "'acounts'" in str(found)


def test_a_host_that_is_no_dataverse() -> None:
    found = error_responses.to_error(
        error_responses.read_error(404, {}, b"<html>nginx</html>"), URL
    )
    assert isinstance(found, NotFoundError)
    assert "environment_url" in str(found)


@pytest.mark.parametrize(
    ("status", "code", "says"),
    [
        (429, "0x80072322", "too many requests within five minutes"),
        (429, "0x80072321", "execution time"),
        (429, "0x80072326", "at once"),
        (503, "0x80072326", "at once"),
        (500, "429", "too many requests"),
        (429, "", "too many requests"),
    ],
)
def test_throttling_by_status_or_code(status: int, code: str, says: str) -> None:
    found = error(status, code, "Number of requests exceeded the limit of 6000")
    assert isinstance(found, ThrottledError)
    assert says in found.what
    assert "max_concurrency" in str(found.remedy)
    assert error_responses.is_throttled(answer(status, code))
    assert error_responses.is_worth_a_retry(answer(status, code))


def test_server_errors() -> None:
    found = error(500, "0x80044151", "Sql error: SQL timeout expired.")
    assert isinstance(found, ServerError)
    assert "page_size" in str(found.remedy)
    assert "support" in str(error(500, "0x80040216", "An unexpected error occurred.").remedy)


@pytest.mark.parametrize(
    ("status", "code", "message", "again"),
    [
        (500, "0x80040216", "An unexpected error occurred.", True),
        (503, "", "", True),
        (408, "", "", True),
        (501, "0x8006088a", "not implemented", False),
        (400, "0x80060888", "Could not find a property", False),
        (412, "0x80072494", "metadata changed", True),
        (400, "0x80072494", "metadata changed", True),
        (400, "0x80044352", "Version stamp associated with the client has expired.", False),
        (500, "0x80044352", "whatever it says", False),
        (500, "", "Version stamp associated with the client has expired. Please perform", False),
        (410, "", "", False),
    ],
)
def test_what_is_worth_a_retry(status: int, code: str, message: str, again: bool) -> None:
    assert error_responses.is_worth_a_retry(answer(status, code, message)) is again


@pytest.mark.parametrize("status", [413, 414])
def test_too_long(status: int) -> None:
    assert "select" in str(error(status).remedy)


def test_long_messages_are_cut() -> None:
    assert len(answer(400, "0x1", "x" * 5000).message) == 1000
