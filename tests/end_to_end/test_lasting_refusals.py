"""What Dataverse refuses for good: named, left out if only a pattern asked for it, tried again."""

from __future__ import annotations

from collections.abc import Callable

import dlt
import pytest

from dataverse_source import DataverseError, TablesFailedError
from dataverse_source.loading import table_runs
from dataverse_source.sandbox import Sandbox
from dataverse_source.sandbox.http.messages import Request, Response
from dataverse_source.sandbox.schema.schema_changes import with_column
from dataverse_source.sandbox.schema.tables import Column
from tests.support.comparing import assert_equal, destination_rows
from tests.support.loads import Run
from tests.support.rewriting import Rule, refusal, rewriting

NewPipeline = Callable[[], dlt.Pipeline]


def unlistable(status: int) -> Rule:
    """Refuses to list teams, as Dataverse does for tables without RetrieveMultiple."""

    def rule(_: Request, rest: str) -> Response | None:
        if rest.partition("(")[0] != "teams":
            return None
        words = "The 'RetrieveMultiple' method does not support entities of type 'team'."
        return refusal(status, "0x80040800", words)

    return rule


def requests_for(sandbox: Sandbox, entity_set: str) -> int:
    return sum(one.path.endswith(f"/{entity_set}") for one in sandbox.requests)


@pytest.mark.parametrize("status", [400, 500, 501])
def test_a_pattern_leaves_out_what_dataverse_cannot_list(
    sandbox: Sandbox,
    run: Run,
    new_pipeline: NewPipeline,
    caplog: pytest.LogCaptureFixture,
    status: int,
) -> None:
    with rewriting(unlistable(status)):
        for _ in range(2):
            report = run("accounts", "team*")
            assert "teams: left out" in str(report)
            assert "does not support entities of type 'team'" in report.left_out["teams"]
            assert requests_for(sandbox, "teams") == 0
    assert "Add it to exclude" in caplog.text
    assert_equal(new_pipeline(), sandbox, "accounts")
    assert not run("accounts", "team*").left_out  # it is asked for again in every run
    assert "teams" in new_pipeline().default_schema.tables


def test_a_table_that_settings_name_fails_with_a_remedy(run: Run) -> None:
    with rewriting(unlistable(501)), pytest.raises(TablesFailedError) as failed:
        run("accounts", "teams")
    text = str(failed.value.failures["teams"])
    assert "Dataverse cannot list the rows of this table" in text
    assert "Remove it from tables" in text


def test_a_table_that_was_loaded_before_still_fails(run: Run) -> None:
    run("accounts", "team*")
    with rewriting(unlistable(400)), pytest.raises(TablesFailedError):
        run("accounts", "team*")


def test_exclude_keeps_tables_out_of_patterns(run: Run, new_pipeline: NewPipeline) -> None:
    with rewriting(unlistable(400)):
        report = run("accounts", "team*", "role*", exclude=["team", "roleprivileges*"])
    names = {table.name for table in report.tables}
    assert not report.left_out
    assert {"accounts", "roles"} <= names
    assert not {"teams", "roleprivilegescollection"} & names


def test_columns_can_be_left_out(run: Run, new_pipeline: NewPipeline) -> None:
    some = {"accounts": {"exclude_columns": ["telephone1", "address*", "accountid", "modifiedon"]}}
    run("accounts", table_settings=some)
    columns = set(new_pipeline().default_schema.tables["accounts"]["columns"])
    assert {"accountid", "modifiedon", "name"} <= columns
    assert not any(name == "telephone1" or name.startswith("address") for name in columns)
    with pytest.raises(DataverseError, match="exclude_columns") as failed:
        run("accounts", table_settings={"accounts": {"exclude_columns": ["telefone1"]}})
    assert "'telephone1'" in str(failed.value)


def unknown_column(left: list[int]) -> Rule:
    """Refuses queries that name new_code, as often as ``left`` says."""

    def rule(request: Request, rest: str) -> Response | None:
        if rest != "accounts" or "new_code" not in request.query or left[0] <= 0:
            return None
        left[0] -= 1
        words = "Could not find a property named 'new_code' on type "
        return refusal(400, "0x80060888", f"{words}'Microsoft.Dynamics.CRM.account'.")

    return rule


def add_column(sandbox: Sandbox) -> None:
    schema = with_column(sandbox.store.schema, "account", Column("new_code", "String"))
    sandbox.store.change_schema(schema)


def test_a_new_column_that_not_every_server_knows_is_waited_for(
    sandbox: Sandbox, run: Run, new_pipeline: NewPipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_runs, "WAITS", (0.0, 0.0, 0.0))
    run("accounts", "contacts")
    add_column(sandbox)
    with rewriting(unknown_column([4])):
        run("accounts", "contacts")
    assert "new_code" in new_pipeline().default_schema.tables["accounts"]["columns"]


def test_a_column_that_queries_refuse_is_left_out_and_tried_again(
    sandbox: Sandbox,
    run: Run,
    new_pipeline: NewPipeline,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(table_runs, "WAITS", (0.0, 0.0, 0.0))
    run("accounts", "contacts")
    add_column(sandbox)
    left = [10**6]
    with rewriting(unknown_column(left)):
        run("accounts", "contacts")
        assert "read without the column new_code" in caplog.text
        assert_equal(new_pipeline(), sandbox, "accounts")
        key = sandbox.store.rows("account")[0]["accountid"]
        sandbox.store.update("account", key, {"name": "changed"})
        before = left[0]
        run("accounts", "contacts")
        assert before - left[0] == 1  # one request, to try it again
        assert destination_rows(new_pipeline(), "accounts", "accountid")[key]["name"] == "changed"
    sandbox.store.update("account", key, {"new_code": "now"})
    run("accounts", "contacts")
    assert destination_rows(new_pipeline(), "accounts", "accountid")[key]["new_code"] == "now"


def test_a_column_that_only_some_web_servers_know(
    sandbox: Sandbox, run: Run, new_pipeline: NewPipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_runs, "WAITS", (0.0, 0.0, 0.0))
    run("accounts", "contacts")
    sandbox.add_column("account", Column("new_code", "String"), known_to=())
    run("accounts", "contacts")
    assert_equal(new_pipeline(), sandbox, "accounts")
    assert "new_code" not in new_pipeline().default_schema.tables["accounts"]["columns"]
    sandbox.spread_columns()
    run("accounts", "contacts")
    assert "new_code" in new_pipeline().default_schema.tables["accounts"]["columns"]


@pytest.mark.parametrize("form", ["403", "403_page", "503"])
def test_administration_mode(
    sandbox: Sandbox, run: Run, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    monkeypatch.setattr("dataverse_source.client.retry.MAX_WAIT", 0.0)
    monkeypatch.setattr("dataverse_source.client.retry.MIN_WAIT", 0.0)
    sandbox.switches = sandbox.switches.changed(administration_mode=form)
    sandbox.administration_mode = True
    with pytest.raises(DataverseError) as failed:
        run("accounts")
    assert "admin centre" in str(failed.value)
    assert "security roles" not in str(failed.value)


@pytest.mark.parametrize(
    ("status", "words", "what"),
    [
        (403, "The environment is in administration mode and the user is no administrator.",
         "in administration mode"),
        (503, "The organization is disabled. Reason: it is being restored.", "is disabled"),
        (403, "The trial for this environment has expired.", "has expired"),
    ],
)  # fmt: skip
def test_a_closed_environment_is_said_to_be_closed(
    run: Run, monkeypatch: pytest.MonkeyPatch, status: int, words: str, what: str
) -> None:
    monkeypatch.setattr("dataverse_source.client.retry.MAX_WAIT", 0.0)
    monkeypatch.setattr("dataverse_source.client.retry.MIN_WAIT", 0.0)
    answer = refusal(status, "0x80048d18", words)
    with rewriting(lambda _, __: answer), pytest.raises(DataverseError) as failed:
        run("accounts")
    text = str(failed.value)
    assert what in text.splitlines()[0]
    assert "Power Platform admin centre" in text
    assert "security roles" not in text
