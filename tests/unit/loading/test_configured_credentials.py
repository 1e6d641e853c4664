"""Credentials in files, variables and arguments: where they are taken from, and never shown."""

from __future__ import annotations

import traceback
from typing import Any

import pytest

from dataverse_source import (
    DataverseCredentials,
    dataverse,
)
from dataverse_source.loading.configuration import configured, resolved
from tests.support.servers import SECRET, TENANT
from tests.unit.loading.configuring import RIGHT, SIGN_IN, URL, Files, refused

CONNECTION_STRING = (
    "AuthType=ClientSecret;Url={url};ClientId={client};ClientSecret=its;TenantId=t.com"
)


@pytest.mark.parametrize(
    "text",
    ['{"client_id": "%s", "client_secret": "its", "tenant_id": "t.com"}', CONNECTION_STRING],
)
def test_credentials_may_be_text(files: Files, text: str) -> None:
    client = "11111111-2222-3333-4444-555555555555"
    given = text.format(url=URL, client=client) if "{url}" in text else text % client
    files(None, f"[sources.dataverse]\ncredentials = '{given}'\n")
    place = {} if "Url" in given else {"environment_url": URL}
    for one in (given, None):
        settings, found = configured(one, **{**resolved(**place), "tables": ["accounts"]})
        assert settings.environment_url == URL
        assert isinstance(found, DataverseCredentials)
        assert (found.client_id, found.tenant_id) == (client, "t.com")


@pytest.mark.parametrize("text", ["hello", "[1]", "AuthType=OAuth;Url=x"])
def test_text_that_holds_no_credentials(files: Files, text: str) -> None:
    files(RIGHT, None)
    assert "neither settings nor an object with get_token" in str(refused(credentials=text))


def test_a_misspelt_name_in_text_is_told(files: Files) -> None:
    files(RIGHT, None)
    text = str(refused(credentials='{"clientid": 1}'))
    assert "Did you mean 'client_id'?" in text


def test_credentials_in_the_wrong_file(files: Files) -> None:
    files(RIGHT + SIGN_IN, None)
    text = str(refused())
    assert "Move the table to .dlt/secrets.toml" in text


@pytest.mark.parametrize("given", [SECRET, 5, ["x"]])
def test_credentials_of_another_kind(files: Files, given: Any) -> None:
    files(RIGHT, None)
    text = str(refused(credentials=given))
    assert "neither settings nor an object with get_token" in text


def test_credentials_given_in_python_are_completed_from_files(files: Files) -> None:
    files(RIGHT)
    _, found = configured({"client_id": "another"}, **resolved())
    assert isinstance(found, DataverseCredentials)
    assert (found.client_id, found.tenant_id) == ("another", TENANT)


@pytest.mark.parametrize(
    ("credentials", "words"),
    [
        ('client_id = "x"\ncertificate_path = "/no/file.pem"', ["/no/file.pem"]),
        ('client_id = "x"\nassertion_path = "/no/token"', ["/no/token", "assertion_path"]),
        (
            'auth_type = "secret"\ntenant_id = "Contoso Ltd"\nauthority_host = "http://x.example"',
            ["Unknown auth_type 'secret'", "client_secret", "neither the id of a tenant"],
        ),
    ],
)
def test_the_sign_in_is_checked_as_far_as_no_request_is_needed(
    files: Files, credentials: str, words: list[str]
) -> None:
    files(RIGHT, f"[sources.dataverse.credentials]\n{credentials}\n")
    text = str(refused())
    for word in words:
        assert word in text


def test_the_sandbox_needs_no_credentials(files: Files, capsys: pytest.CaptureFixture[str]) -> None:
    files('[sources.dataverse]\nenvironment_url = "sandbox"\n', None)
    assert "accounts" in dataverse(tables=["accounts"]).resources


@pytest.mark.parametrize("name", ["tables", "exclude", "page_size", "api_version"])
def test_a_secret_of_an_older_form_is_not_shown(files: Files, name: str) -> None:
    files(RIGHT)
    secret = "fz~X3C.1u-_7Xq8s~5l.0Q7YhN2gk.D3_b"
    error = refused(**{name: [secret] if name in ("tables", "exclude") else secret})
    everything = "".join(traceback.format_exception(error)) + repr(error.args) + repr(vars(error))
    assert "secret" in str(error)
    assert secret not in everything


@pytest.mark.parametrize(
    "name", ["environment_url", "tables", "api_version", "ca_bundle", "exclude"]
)
@pytest.mark.parametrize("secret", [SECRET, "eyJhbGciOiJSUzI1NiJ9.e30.c2lnbmF0dXJl"])
def test_a_secret_in_another_setting_is_not_shown(files: Files, name: str, secret: str) -> None:
    files(RIGHT)
    error = refused(**{name: [secret] if name in ("tables", "exclude") else secret})
    everything = "".join(traceback.format_exception(error)) + repr(error.args) + repr(vars(error))
    assert f"Setting {name} contains a secret" in everything
    assert secret not in everything


def test_the_secret_of_the_sign_in_is_masked_in_any_form(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    files(RIGHT, SIGN_IN.replace(SECRET, "of-no-known-form-1"))
    error = refused(tables=["of-no-known-form-1"], page_size="of-no-known-form-1")
    assert "of-no-known-form-1" not in "".join(traceback.format_exception(error))
