"""When a run fails: the message, and a destination and a cursor that are as before."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from dataverse_source import (
    AccessDeniedError,
    AuthenticationError,
    ConnectionFailedError,
    DataverseError,
    ExpiredSecretError,
    ProtocolError,
    UnknownApplicationError,
    UnknownTenantError,
    WrongSecretError,
    load,
)
from dataverse_source.credentials import DataverseCredentials
from dataverse_source.loading.report import LoadReport
from dataverse_source.sandbox import Sandbox
from dataverse_source.sandbox.api.faults import Fault
from dataverse_source.sandbox.api.latency import LatencySettings
from tests.support.comparing import assert_equal, destination_rows
from tests.support.loads import NewPipeline, NewSource, Run

ACCOUNTS = r"/accounts\?"
ROWS = r"/accounts\?.*select=\w+,"
"""Not those of keys alone."""


@pytest.fixture
def run(new_source: NewSource, new_pipeline: NewPipeline) -> Run:
    """Loads accounts in pages of twenty."""

    def once(**settings: Any) -> LoadReport:
        return load(new_pipeline(), new_source(**{"page_size": 20, **settings}))

    return once


@pytest.mark.parametrize(
    "fault",
    [
        Fault("html_503", retry_after=0.01),
        Fault("throttled", retry_after=0.01),
        Fault("truncated"),
        Fault("truncated", right_length=True),
        Fault("truncated_gzip", right_length=True),
        Fault("reset"),
    ],
    ids=lambda fault: f"{fault.kind}{'_right_length' * fault.right_length}",
)
def test_what_passes_is_got_over(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline, fault: Fault
) -> None:
    sandbox.faults.plan(fault, path=ACCOUNTS, skip=1)
    run()
    assert sandbox.faults.pending == 0
    assert len(assert_equal(new_pipeline(), sandbox, "accounts")) == 60


@pytest.mark.parametrize(
    "kind", ["no_value", "foreign_next_link", "repeated_next_link", "redirect"]
)
def test_a_failed_run_leaves_destination_and_cursor_as_before(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline, kind: Any
) -> None:
    run()
    before = destination_rows(new_pipeline(), "accounts", "accountid")
    for number, key in enumerate(before):
        sandbox.store.update("account", key, {"name": f"Changed {number}"})
    sandbox.faults.plan(Fault(kind), path=ROWS, times=1000)
    with pytest.raises(ProtocolError):
        run()
    sandbox.faults.clear()
    assert destination_rows(new_pipeline(), "accounts", "accountid") == before

    run()
    rows = assert_equal(new_pipeline(), sandbox, "accounts")
    assert all(row["name"].startswith("Changed") for row in rows.values())


@pytest.mark.parametrize("skip", [0, 1])
@pytest.mark.parametrize("kind", ["no_value", "repeated_next_link"])
def test_a_first_run_that_fails_leaves_nothing(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline, kind: Any, skip: int
) -> None:
    sandbox.faults.plan(Fault(kind), path=ROWS, skip=skip)
    with pytest.raises(ProtocolError):
        run()
    run()
    assert len(assert_equal(new_pipeline(), sandbox, "accounts")) == 60


def with_secret(credentials: DataverseCredentials, **values: str) -> DataverseCredentials:
    changed = credentials.copy()
    for name, value in values.items():
        setattr(changed, name, value)
    return changed


def test_wrong_secret(run: Run, credentials: DataverseCredentials) -> None:
    wrong = with_secret(credentials, client_secret="not-the-secret-at-all")
    with pytest.raises(WrongSecretError, match="client_secret") as error:
        run(credentials=wrong)
    assert "AADSTS7000215" in str(error.value)
    assert "not-the-secret-at-all" not in str(error.value)
    assert error.value.request_id


def test_expired_secret(run: Run, sandbox: Sandbox, credentials: DataverseCredentials) -> None:
    yesterday = datetime.now(timezone.utc) - timedelta(days=1)
    expired = sandbox.application.add_secret(expires=yesterday)
    with pytest.raises(ExpiredSecretError, match="AADSTS7000222"):
        run(credentials=with_secret(credentials, client_secret=expired))


def test_unknown_application(run: Run, credentials: DataverseCredentials) -> None:
    unknown = "00000000-1111-2222-3333-444444444444"
    with pytest.raises(UnknownApplicationError, match="AADSTS700016"):
        run(credentials=with_secret(credentials, client_id=unknown))


def test_wrong_tenant(run: Run, credentials: DataverseCredentials) -> None:
    wrong = "00000000-1111-2222-3333-444444444444"
    with pytest.raises(UnknownTenantError, match="tenant_id"):
        run(credentials=with_secret(credentials, tenant_id=wrong))


def test_an_environment_that_the_tenant_does_not_know(run: Run) -> None:
    with pytest.raises(AuthenticationError, match="AADSTS500011") as error:
        run(environment_url="https://nowhere.invalid")
    assert "environment_url" in str(error.value)


def test_unknown_host(run: Run, sandbox: Sandbox) -> None:
    sandbox.identity.resources.add("https://nowhere.invalid")
    with pytest.raises(ConnectionFailedError, match=r"nowhere\.invalid"):
        run(environment_url="https://nowhere.invalid")


def test_no_application_user(run: Run, sandbox: Sandbox) -> None:
    sandbox.users.remove(sandbox.client_id)
    with pytest.raises(AccessDeniedError, match="0x80072560") as error:
        run()
    assert "application user" in str(error.value)
    assert error.value.request_id


def test_disabled_user(run: Run, sandbox: Sandbox) -> None:
    sandbox.users.change(sandbox.client_id, enabled=False)
    with pytest.raises(DataverseError, match="0x80040225"):
        run()


def test_missing_role(run: Run, sandbox: Sandbox) -> None:
    sandbox.users.change(sandbox.client_id, has_role=False)
    with pytest.raises(DataverseError, match="0x80042f09"):
        run()


def test_missing_privilege_on_the_table(run: Run, sandbox: Sandbox) -> None:
    sandbox.users.change(sandbox.client_id, readable_tables=frozenset({"contact"}))
    with pytest.raises(AccessDeniedError, match="prvRead") as error:
        run()
    assert "account" in str(error.value)


def token_requests(sandbox: Sandbox) -> int:
    return sum("/oauth2/v2.0/token" in one.path for one in sandbox.requests)


def pages_read(sandbox: Sandbox) -> int:
    return sum(one.path.endswith("/accounts") for one in sandbox.requests)


@pytest.mark.slow
def test_a_token_is_renewed_before_it_ends(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline
) -> None:
    sandbox.identity.tokens.lifetime = 2
    sandbox.latency = LatencySettings(base_seconds=0.2)
    run(page_size=5)
    assert token_requests(sandbox) > 1
    assert all(one.status == 200 for one in sandbox.requests)
    assert len(assert_equal(new_pipeline(), sandbox, "accounts")) == 60


def test_a_token_that_is_refused_in_the_middle_of_a_run_is_replaced(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline
) -> None:
    sandbox.latency = LatencySettings(base_seconds=0.05)

    def let_the_token_expire() -> None:
        while pages_read(sandbox) < 3:
            time.sleep(0.01)
        sandbox.clock.advance(7200)

    with ThreadPoolExecutor(1) as pool:
        expiry = pool.submit(let_the_token_expire)
        run(page_size=5)
        expiry.result()
    assert [one.status for one in sandbox.requests if one.path.endswith("/accounts")].count(
        401
    ) == 1
    assert token_requests(sandbox) == 2
    assert len(assert_equal(new_pipeline(), sandbox, "accounts")) == 60
