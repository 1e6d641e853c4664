"""No secret shows in what runs leave behind: files, destination, state, traces, logs, errors."""

from __future__ import annotations

import gzip
import json
import logging
import re
import sys
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dlt
import duckdb
import pytest
from dlt.common import logger

from dataverse_source.credentials import DataverseCredentials, TokenCredential
from dataverse_source.errors import DataverseError
from dataverse_source.sandbox import Application, Sandbox
from dataverse_source.sandbox.api.faults import Fault
from tests.support.sandbox.user_clients import sign_in
from tests.support.sign_in_material import (
    PASSWORD,
    assertion,
    certificate,
    federation,
    key_pem,
    pem,
    settings_for,
    written,
)
from tests.unit.credentials.test_external import AccessToken


@dataclass
class Case:
    """One way to sign in.

    Attributes:
        secrets: what must not show; the tokens that were used come on top.
        spoil: makes the next sign-in fail.
    """

    credentials: DataverseCredentials | TokenCredential
    secrets: list[str]
    spoil: Callable[[], object]
    environment: dict[str, str] = field(default_factory=dict)


class Credential:
    """A credential object that holds a secret of its own."""

    def __init__(self, tenant: Sandbox, app: Application) -> None:
        self.secret = next(iter(app.secrets))
        self._tenant = tenant
        self._client_id = app.client_id

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        answer = sign_in(self._tenant, self.secret, client=self._client_id)
        if "access_token" not in answer:
            raise RuntimeError(f"no token: {answer['error_description']} {assertion()}")
        return AccessToken(answer["access_token"], 4_000_000_000)


def lines_of(text: bytes) -> list[str]:
    """The lines of a key that are as good as random."""
    return [line for line in text.decode().splitlines() if len(line) == 64]


def by_secret(tenant: Sandbox, app: Application, folder: Path) -> Case:
    secret = next(iter(app.secrets))
    return Case(settings_for(tenant, app, client_secret=secret), [secret], app.secrets.clear)


def by_certificate(tenant: Sandbox, app: Application, folder: Path) -> Case:
    app.add_certificate(pem(certificate()))
    key = key_pem(password=PASSWORD)
    credentials = settings_for(
        tenant,
        app,
        certificate_path=written(folder / "etl.pem", key, pem(certificate())),
        certificate_password=PASSWORD,
    )
    secrets = [PASSWORD, *lines_of(key), *lines_of(key_pem())]
    return Case(credentials, secrets, app.certificates.clear)


def by_federation(tenant: Sandbox, app: Application, folder: Path) -> Case:
    app.add_federation(federation())
    token = assertion()
    path = written(folder / "token", token.encode())
    credentials = settings_for(tenant, app, assertion_path=path)
    return Case(credentials, [token, token.split(".")[2]], app.federations.clear)


def by_machine(tenant: Sandbox, app: Application, folder: Path) -> Case:
    credentials = DataverseCredentials(auth_type="managed_identity", client_id=app.client_id)

    def spoil() -> None:
        credentials.client_id = "00000000-0000-0000-0000-00000000000b"

    variables = {"AZURE_POD_IDENTITY_AUTHORITY_HOST": tenant.environment_url}
    return Case(credentials, [], spoil, variables)


def by_cli(tenant: Sandbox, app: Application, folder: Path) -> Case:
    token = sign_in(tenant, next(iter(app.secrets)), client=app.client_id)["access_token"]
    answer = json.dumps({"accessToken": token, "expires_on": 4_000_000_000})
    program = folder / "az"
    program.write_text(f"#!{sys.executable}\nprint({answer!r})\n", encoding="utf-8")
    program.chmod(0o755)

    def spoil() -> None:
        program.write_text(f"#!{sys.executable}\nimport sys\nsys.exit({token!r})\n")

    return Case(DataverseCredentials(auth_type="azure_cli"), [token], spoil, {"PATH": str(folder)})


def by_object(tenant: Sandbox, app: Application, folder: Path) -> Case:
    credential = Credential(tenant, app)
    return Case(credential, [credential.secret], app.secrets.clear)


def tables(path: Path) -> Iterator[str]:
    """All values of all tables, dlt's own among them."""
    with duckdb.connect(str(path), read_only=True) as connection:
        for schema, name in connection.execute(
            "SELECT table_schema, table_name FROM information_schema.tables"
        ).fetchall():
            found = connection.execute(f'SELECT * FROM "{schema}"."{name}"')
            yield from (str(row) for row in found.fetchall())


def files(folder: Path) -> Iterator[str]:
    for path in folder.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            yield (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data).decode("latin-1")


@dataclass
class Run:
    """A pipeline of the test, and everything that its runs leave behind."""

    folder: Path
    setenv: Callable[[str, str], None]
    logged: Callable[[], str]
    said: list[str] = field(default_factory=list)

    def __call__(self, sandbox: Sandbox, case: Case) -> DataverseError | None:
        from dataverse_source import dataverse, load

        pipeline = dlt.pipeline(
            "test",
            destination=dlt.destinations.duckdb(str(self.folder / "test.duckdb")),
            dataset_name="dataverse",
            pipelines_dir=str(self.folder / "pipelines"),
        )
        source = dataverse(
            environment_url=sandbox.environment_url,
            tables=["accounts"],
            ca_bundle=sandbox.ca_bundle,
            **self._given(case.credentials),
        )
        failure = None
        try:
            self.said.append(str(load(pipeline, source)))
        except DataverseError as error:
            failure = error
            self.said += traceback.format_exception(error)
            self.said += [repr(error), str(vars(error))]
        trace = pipeline.last_trace
        assert trace is not None
        self.said += [trace.asstr(2), repr(trace), str(trace.asdict())]
        self.said += [repr(source), repr(case.credentials), str(case.credentials)]
        self.said.append(str(pipeline.state))
        return failure

    def _given(self, credentials: DataverseCredentials | TokenCredential) -> dict[str, Any]:
        """Settings go through dlt, so that its traces know them; objects are an argument."""
        if not isinstance(credentials, DataverseCredentials):
            return {"credentials": credentials}
        for name, value in credentials.as_dict_nondefault().items():
            self.setenv(f"SOURCES__DATAVERSE__CREDENTIALS__{name.upper()}", value)
        return {}

    def everything(self) -> str:
        found = [*self.said, self.logged(), *files(self.folder)]
        return "\n".join([*found, *tables(self.folder / "test.duckdb")])


@pytest.fixture
def run(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> Run:
    """Runs with every logger at DEBUG, dlt's and MSAL's among them."""
    caplog.set_level(logging.DEBUG)
    for name in ("dlt", "msal", "urllib3"):
        monkeypatch.setattr(logging.getLogger(name), "propagate", True)
        caplog.set_level(logging.DEBUG, logger=name)
    monkeypatch.setattr(logger, "LOGGER", logging.getLogger("dlt"))

    def logged() -> str:
        out, err = capfd.readouterr()
        return "\n".join((caplog.text, out, err))

    folder = tmp_path / "left-behind"
    folder.mkdir()
    return Run(folder, monkeypatch.setenv, logged)


def tokens(sandbox: Sandbox) -> set[str]:
    sent = (one.headers.get("authorization", "") for one in sandbox.requests)
    return {text.partition(" ")[2] for text in sent if text}


@pytest.mark.slow
@pytest.mark.parametrize(
    "way", [by_secret, by_certificate, by_federation, by_machine, by_cli, by_object]
)
def test_runs_leave_no_secret_behind(
    way: Callable[[Sandbox, Application, Path], Case],
    sandbox: Sandbox,
    run: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    case = way(sandbox, sandbox.add_application(), tmp_path)
    for name, value in case.environment.items():
        monkeypatch.setenv(name, value)
    assert run(sandbox, case) is None
    sandbox.faults.plan(Fault("redirect"), path=r"/accounts\?", times=99)
    refused = run(sandbox, case)
    assert refused is not None
    sandbox.faults.clear()
    case.spoil()
    no_token = run(sandbox, case)
    assert no_token is not None
    everything = run.everything()
    used = tokens(sandbox)
    assert len(used) >= 1
    assert refused.what in everything
    assert no_token.what in everything
    for secret in {*case.secrets, *used, *(token.split(".")[2] for token in used)}:
        assert secret not in everything
    # Nor any other signed token, such as MSAL's assertion or one in the words of an error.
    assert not re.findall(r"eyJ[\w-]{20,}\.[\w-]+\.[\w-]+", everything)
