"""Ten mistakes of a first hour: each ends in one message, and it names what to do."""

from __future__ import annotations

import logging
import os
import runpy
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dlt
import duckdb
import pytest
from dlt.common import logger

from dataverse_source import PipelineError, dataverse, load
from dataverse_source.sandbox import Sandbox
from tests.support.places import ROOT
from tests.support.servers import Answer, ScriptedServer, serving
from tests.support.sign_in_material import certificate, key_pem, pem, written

SECTION = "SOURCES__DATAVERSE__"

pytestmark = pytest.mark.slow
SOMEBODY_ELSE = "00000000-1111-2222-3333-444444444444"

Try = Callable[..., str]


@pytest.fixture
def settings(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What a newcomer has set when all is right, by the last part of the variable's name."""
    # a proxy of this machine must not come between, nor be left out where a test sets one
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    return {
        "ENVIRONMENT_URL": sandbox.environment_url,
        "CA_BUNDLE": sandbox.ca_bundle,
        "CREDENTIALS__TENANT_ID": sandbox.tenant_id,
        "CREDENTIALS__CLIENT_ID": sandbox.client_id,
        "CREDENTIALS__CLIENT_SECRET": sandbox.client_secret,
        "CREDENTIALS__AUTHORITY_HOST": sandbox.authority_host,
    }


@pytest.fixture
def run(
    settings: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Callable[..., tuple[int, str]]:
    """Runs pipelines/accounts.py; gives its exit code and what it printed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DLT_PROJECT_DIR", str(tmp_path))
    monkeypatch.setenv("DLT_DATA_DIR", str(tmp_path / "dlt"))
    # dlt's own handler would write to the standard error of an earlier test
    monkeypatch.setattr(logger, "LOGGER", logging.getLogger("test-of-dlt"))

    def once(script: str = "accounts.py", **changes: str | None) -> tuple[int, str]:
        for name, value in {**settings, **changes}.items():
            if value is None:
                monkeypatch.delenv(SECTION + name, raising=False)
            else:
                monkeypatch.setenv(SECTION + name, value)
        monkeypatch.setattr(sys, "argv", [script])
        capsys.readouterr()
        code = runpy.run_path(str(ROOT / "pipelines" / script))["main"]()
        printed = capsys.readouterr()
        if code:
            assert printed.out == ""
        return code, printed.err if code else printed.out

    return once


@pytest.fixture
def mistake(run: Callable[..., tuple[int, str]], settings: dict[str, str]) -> Try:
    """Makes a mistake; gives the message, which holds no secret and no traceback."""

    def make(*args: str, **changes: str | None) -> str:
        code, message = run(*args, **changes)
        assert code == 1, message
        assert "what to do:" in message
        assert "Traceback" not in message
        secret = {**settings, **changes}.get("CREDENTIALS__CLIENT_SECRET")
        assert not secret or secret not in message
        return message

    return make


def rows_of(folder: Path) -> int:
    (file,) = folder.glob("*.duckdb")
    with duckdb.connect(str(file), read_only=True) as database:
        found = database.execute("SELECT count(*) FROM dataverse.accounts").fetchone()
    assert found is not None
    return int(found[0])


TYPOS = [
    "https://contso.crm4.dynamics.com",
    "contso.crm4.dynamics.com",
    "https://contso.crm4.dynamics.com/main.aspx?appid=1",
    "contso.crm4.dynamics.com/api/data/v9.2/",
]


@pytest.mark.parametrize("typo", TYPOS)
def test_1_a_typo_in_the_address(mistake: Try, typo: str) -> None:
    message = mistake(ENVIRONMENT_URL=typo)
    assert "AADSTS500011" in message
    assert "Check environment_url" in message
    assert "SOURCES__DATAVERSE__ENVIRONMENT_URL" in message
    assert "https://contso.crm4.dynamics.com" in message
    assert "/main.aspx" not in message


def test_1_a_typo_in_the_address_without_tenant(mistake: Try) -> None:
    message = mistake(ENVIRONMENT_URL="contso.invalid/main.aspx", CREDENTIALS__TENANT_ID=None)
    assert "The host name contso.invalid was not found" in message
    assert "Check environment_url" in message


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("https:/contoso.crm4.dynamics.com", "https://contoso.crm4.dynamics.com"),
        ("https//contoso.crm4.dynamics.com", "https://contoso.crm4.dynamics.com"),
        ("htps://contoso.crm4.dynamics.com", "does not start with https://"),
        ("http://contoso.crm4.dynamics.com", "Use https://"),
    ],
)
def test_1_a_typo_in_the_scheme(mistake: Try, address: str, words: str) -> None:
    message = mistake(ENVIRONMENT_URL=address)
    assert words in message
    assert "environment_url" in message


@pytest.mark.parametrize("form", ["{}/main.aspx?appid=1", "https://{}/api/data/v9.2/accounts"])
def test_1_no_typo_but_more_or_less_than_the_address(
    run: Callable[..., tuple[int, str]], settings: dict[str, str], form: str
) -> None:
    host = settings["ENVIRONMENT_URL"].removeprefix("https://")
    code, printed = run(ENVIRONMENT_URL=form.format(host))
    assert code == 0, printed
    assert "60 inserted" in printed


def test_2_the_secrets_id_in_place_of_its_value(mistake: Try) -> None:
    message = mistake(CREDENTIALS__CLIENT_SECRET="6f1c2a34-5b6d-4e7f-8a9b-0c1d2e3f4a5b")
    assert "AADSTS7000215" in message
    assert "It has the form of an id" in message
    assert "make a new secret under Certificates & secrets" in message
    assert "SOURCES__DATAVERSE__CREDENTIALS__CLIENT_SECRET" in message


def test_3_the_wrong_tenant(mistake: Try) -> None:
    message = mistake(CREDENTIALS__TENANT_ID=SOMEBODY_ELSE)
    assert "no such tenant" in message
    assert "Check tenant_id" in message
    assert "SOURCES__DATAVERSE__CREDENTIALS__TENANT_ID" in message


def test_3_the_tenants_name_in_words(mistake: Try) -> None:
    message = mistake(CREDENTIALS__TENANT_ID="Contoso Ltd")
    assert "Copy the directory (tenant) id" in message


def test_4_no_application_user(mistake: Try, sandbox: Sandbox) -> None:
    sandbox.users.remove(sandbox.client_id)
    message = mistake()
    assert "no application user" in message
    assert "Application users, New app user" in message
    assert "SOURCES__DATAVERSE__CREDENTIALS__CLIENT_ID" in message


def test_5_no_role(mistake: Try, sandbox: Sandbox) -> None:
    sandbox.users.change(sandbox.client_id, has_role=False)
    message = mistake()
    assert "no security role" in message
    assert "Edit security roles" in message


def test_5_a_role_that_may_not_read_the_table(mistake: Try, sandbox: Sandbox) -> None:
    sandbox.users.change(sandbox.client_id, readable_tables=frozenset({"contact"}))
    message = mistake()
    assert "prvReadAccount" in message
    assert "Give its security role prvReadAccount" in message


def test_6_an_expired_secret(mistake: Try, sandbox: Sandbox) -> None:
    yesterday = datetime.now(timezone.utc) - timedelta(days=1)
    expired = sandbox.application.add_secret(expires=yesterday)
    message = mistake(CREDENTIALS__CLIENT_SECRET=expired)
    assert "has expired" in message
    assert "Make a new secret for the app registration" in message


@pytest.mark.parametrize("seconds", [-600, 600])
def test_7_a_clock_that_is_off_does_no_harm_to_a_secret(
    run: Callable[..., tuple[int, str]], sandbox: Sandbox, tmp_path: Path, seconds: float
) -> None:
    sandbox.clock.advance(seconds)
    code, printed = run()
    assert code == 0, printed
    sandbox.store.create("account", {"name": "Made meanwhile"})
    code, printed = run()
    assert (code, rows_of(tmp_path)) == (0, 61), printed


@pytest.mark.parametrize(("seconds", "words"), [(600, "10 minutes ahead of"), (-1800, "behind")])
def test_7_a_clock_that_is_off_and_a_certificate(
    mistake: Try,
    sandbox: Sandbox,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    seconds: float,
    words: str,
) -> None:
    sandbox.application.add_certificate(pem(certificate()))
    wrong = clock_that_is_off(seconds)
    monkeypatch.setattr("msal.oauth2cli.assertion.time", wrong)
    monkeypatch.setattr("dataverse_source.credentials.aadsts_errors.time", wrong)
    message = mistake(
        CREDENTIALS__CLIENT_SECRET=None,
        CREDENTIALS__CERTIFICATE_PATH=written(tmp_path / "etl.pem", key_pem(), pem(certificate())),
    )
    assert "AADSTS700024" in message
    assert "clock of this machine" in message
    assert words in message


def clock_that_is_off(seconds: float) -> Any:
    """Stands in for the module ``time``."""
    return SimpleNamespace(time=lambda: time.time() + seconds)


def test_8_a_proxy_that_is_not_there(mistake: Try, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(lambda _: Answer()) as gone:
        pass
    monkeypatch.setenv("HTTPS_PROXY", gone.url)
    message = mistake()
    assert "the proxy could not be used" in message
    assert "Check HTTPS_PROXY" in message


def test_8_a_proxy_that_wants_a_password(mistake: Try, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Any) -> Answer:
        return Answer(407, b"", {"Proxy-Authenticate": 'Basic realm="company"'})

    with serving(refuse) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        message = mistake()
        assert_asked(proxy)
    assert "407" in message
    assert "user and password of the proxy" in message


def assert_asked(proxy: ScriptedServer) -> None:
    assert {request.method for request in proxy.received} == {"CONNECT"}


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("acounts", "Did you mean 'accounts'"),
        ("zzz", "Use the entity set name"),
    ],
)
def test_9_an_unknown_table(mistake: Try, table: str, words: str) -> None:
    message = mistake("environment.py", TABLES=f'["{table}"]')
    assert f"no table '{table}'" in message
    assert words in message


@pytest.mark.parametrize("name", ["account", "Accounts"])
def test_10_singular_and_plural_mean_the_same_table(
    run: Callable[..., tuple[int, str]], name: str
) -> None:
    code, printed = run("environment.py", TABLES=f'["{name}"]')
    assert code == 0, printed
    assert "accounts: 60 inserted" in printed


@pytest.mark.parametrize("plural", ["opportunitys", "activitypointer_s"])
def test_10_a_plural_of_ones_own(mistake: Try, plural: str) -> None:
    message = mistake("environment.py", TABLES=f'["{plural}"]')
    assert "Did you mean" in message


def test_10_a_tables_settings_under_its_other_name(mistake: Try) -> None:
    message = mistake(
        "environment.py",
        TABLES='["accounts"]',
        TABLE_SETTINGS='{"account": {"sync": "full"}}',
    )
    assert "table_settings.account" in message
    assert "Did you mean 'accounts'?" in message


def test_a_settings_file_that_is_no_toml(tmp_path: Path) -> None:
    (tmp_path / ".dlt").mkdir()
    file = tmp_path / ".dlt" / "config.toml"
    file.write_text("[sources.dataverse]\nenvironment_url = contoso\n", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(ROOT / "pipelines" / "accounts.py")],
        cwd=tmp_path,
        env={**os.environ, "DLT_PROJECT_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "config.toml" in done.stderr
    assert "line 2" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_database_and_a_dataset_of_the_same_name(
    settings: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(SECTION + name, value)
    pipeline = dlt.pipeline(
        "crm",
        destination=dlt.destinations.duckdb(str(tmp_path / "crm.duckdb")),
        dataset_name="crm",
        pipelines_dir=str(tmp_path / "pipelines"),
    )
    with pytest.raises(PipelineError, match="another name"):
        load(pipeline, dataverse(tables=["accounts"]))
