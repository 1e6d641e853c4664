"""Masking rules of the sandbox's own: the destination shows what the application user is shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import dlt
import pytest

from dataverse_source.sandbox import Sandbox
from dataverse_source.sandbox.environment.profiles import (
    grant_column,
    mask_column,
    secure_column,
)
from tests.support.comparing import destination_rows
from tests.support.loads import Run
from tests.support.sandbox.security_tables import with_security_tables


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(rows={}, schema=with_security_tables()) as sandbox:
        for number in range(5):
            sandbox.store.create("account", {"name": "One", "telephone1": f"555-{number}"})
        secure_column(sandbox.environment, "account", "telephone1")
        yield sandbox


@pytest.mark.parametrize("sync", ["changes", "cursor"])
def test_masking_rules_come_change_and_go(
    sandbox: Sandbox,
    run: Run,
    new_pipeline: Callable[[], dlt.Pipeline],
    caplog: pytest.LogCaptureFixture,
    sync: str,
) -> None:
    def phones() -> set[object]:
        run(sync=sync)
        rows = destination_rows(new_pipeline(), "accounts", "accountid")
        return {row["telephone1"] for row in rows.values()}

    clear = {f"555-{number}" for number in range(5)}
    assert phones() == {None}
    user = str(sandbox.users.of_client(sandbox.client_id).user_id)  # type: ignore[union-attr]
    grant_column(sandbox.environment, user, "account", "telephone1")
    assert phones() == clear
    mask = mask_column(sandbox.environment, "account", "telephone1", "[0-9]")
    assert phones() == {"***-*"}
    assert "masked for the application user: telephone1" in caplog.text
    (rule,) = sandbox.store.rows("maskingrule")
    sandbox.store.update("maskingrule", rule["maskingruleid"], {"regularexpression": "-"})
    assert phones() == {one.replace("-", "*") for one in clear}
    sandbox.requests.clear()
    assert phones() == {one.replace("-", "*") for one in clear}
    assert len([one for one in sandbox.requests if one.path.endswith("/accounts")]) == 1
    sandbox.store.delete("attributemaskingrule", mask)
    assert phones() == clear
