"""The Azure CLI's token, from a program `az` on the PATH: a real process, a scripted answer."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from dataverse_source.client.session import new_session
from dataverse_source.credentials import DataverseCredentials, azure_cli, token_source
from dataverse_source.errors import AuthenticationError, ConfigurationError
from dataverse_source.sandbox import Sandbox
from dataverse_source.sandbox.sandbox import USER_ID
from tests.support.sandbox.user_clients import sign_in
from tests.support.sign_in import Clock
from tests.support.sign_in_material import user_of

ENVIRONMENT = "https://contoso.crm4.dynamics.com"
CLI = DataverseCredentials(auth_type="azure_cli")
InstallAz = Callable[..., Path]

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="the stand-in for az is a script with a #! line"
)


@pytest.fixture
def install_az(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> InstallAz:
    """Puts a program az on the PATH that notes its arguments, and does as the test says."""

    def install(stdout: object = "", *, stderr: str = "", code: int = 0) -> Path:
        text = stdout if isinstance(stdout, str) else json.dumps(stdout)
        folder = tmp_path / "bin"
        folder.mkdir(exist_ok=True)
        calls = tmp_path / "calls"
        program = folder / "az"
        program.write_text(
            f"#!{sys.executable}\n"
            "import json, os, sys\n"
            f"open({str(calls)!r}, 'a').write(json.dumps(sys.argv[1:]) + '\\n')\n"
            f"sys.stdout.write({text!r})\n"
            f"sys.stderr.write({stderr!r})\n"
            f"sys.exit({code})\n",
            encoding="utf-8",
        )
        program.chmod(0o755)
        monkeypatch.setenv("PATH", str(folder))
        return calls

    return install


def arguments(calls: Path) -> list[list[str]]:
    return [json.loads(line) for line in calls.read_text().splitlines()]


def answer(token: str = "token-1", seconds: float = 3600, **more: Any) -> dict[str, Any]:
    """As version 2.54 and later give it; `expiresOn` is local time without a zone."""
    ends = datetime.now() + timedelta(seconds=seconds)
    return {
        "accessToken": token,
        "expiresOn": f"{ends:%Y-%m-%d %H:%M:%S.%f}",
        "expires_on": int(ends.timestamp()),
        "subscription": "s",
        "tenant": "t",
        "tokenType": "Bearer",
        **more,
    }


def token_of(credentials: DataverseCredentials = CLI) -> str:
    with new_session() as session:
        return token_source(credentials, ENVIRONMENT, session=session).token()


def refused(kind: type[Exception] = AuthenticationError) -> str:
    with pytest.raises(kind) as caught:
        token_of()
    assert "SOURCES__DATAVERSE__CREDENTIALS__AUTH_TYPE" in str(caught.value)
    return str(caught.value)


def test_a_developer_signs_in(tenant: Sandbox, install_az: InstallAz) -> None:
    install_az(answer(sign_in(tenant)["access_token"]))
    assert user_of(tenant, CLI) == USER_ID


def test_what_the_cli_is_asked_for(install_az: InstallAz) -> None:
    calls = install_az(answer())
    assert token_of() == "token-1"
    asked = ["account", "get-access-token", "--output", "json", "--resource", ENVIRONMENT]
    with_tenant = DataverseCredentials(auth_type="azure_cli", tenant_id="contoso.com")
    assert token_of(with_tenant) == "token-1"
    assert arguments(calls) == [asked, [*asked, "--tenant", "contoso.com"]]


@pytest.mark.parametrize("older", [False, True])
def test_a_token_is_renewed_before_its_end(install_az: InstallAz, older: bool) -> None:
    found = answer("token-1", 3600)
    if older:
        del found["expires_on"]
    calls = install_az(found)
    clock = Clock()
    with new_session() as session:
        tokens = token_source(CLI, ENVIRONMENT, session=session, clock=clock)
        assert tokens.token() == "token-1"
        install_az(answer("token-2"))
        clock.now += 3000
        assert tokens.token() == "token-1"
        clock.now += 400
        assert tokens.token() == "token-2"
    assert len(arguments(calls)) == 2


def test_nobody_is_signed_in(install_az: InstallAz) -> None:
    install_az(stderr="ERROR: Please run 'az login' to setup account.\n", code=1)
    text = refused()
    assert "Please run 'az login'" in text


def test_no_cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert shutil.which("az") is None
    assert "not installed" in refused(ConfigurationError)


@pytest.mark.parametrize(
    "stdout",
    [
        '{"accessToken": "kept-secret',
        '["kept-secret"]',
        "kept-secret",
        "",
        {"accessToken": None, "other": "kept-secret"},
        {"accessToken": "kept-secret\nX-Header: 1", "expires_on": 4_000_000_000},
    ],
)
def test_answers_that_are_no_token(install_az: InstallAz, stdout: object) -> None:
    install_az(stdout)
    with pytest.raises(AuthenticationError) as caught:
        token_of()
    assert "kept-secret" not in str(caught.value)


def test_a_token_in_the_words_of_the_cli_is_blotted_out(install_az: InstallAz) -> None:
    install_az(stderr="could not use eyJhbGciOi.eyJhdWQi.c2ln", code=3)
    assert "could not use ***" in refused()


def test_a_cli_that_hangs(install_az: InstallAz, monkeypatch: pytest.MonkeyPatch) -> None:
    program = install_az().parent / "bin" / "az"
    program.write_text(f"#!{sys.executable}\nimport time\ntime.sleep(60)\n")
    monkeypatch.setattr(azure_cli, "TIMEOUT", 0.3)
    assert "did not answer" in refused()


def test_a_cli_that_can_not_be_run(install_az: InstallAz) -> None:
    program = install_az().parent / "bin" / "az"
    program.write_text("#!/nowhere/python\n")
    assert "cannot be run" in refused()
