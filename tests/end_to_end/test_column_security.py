"""Columns that column security hides or masks: named once; the table is read again on a change."""

from __future__ import annotations

from collections.abc import Callable

import dlt
import pytest

from dataverse_source.sandbox import Sandbox
from dataverse_source.sandbox.http.messages import Request, Response
from dataverse_source.sandbox.schema.schema_changes import with_column_changed
from tests.support.comparing import destination_rows
from tests.support.loads import Run
from tests.support.rewriting import refusal, rewriting

NewPipeline = Callable[[], dlt.Pipeline]


def secure(sandbox: Sandbox, *, secured: bool) -> None:
    schema = with_column_changed(sandbox.store.schema, "account", "telephone1", secured=secured)
    sandbox.store.change_schema(schema)


def phones(pipeline: dlt.Pipeline) -> set[object]:
    return {
        row["telephone1"] for row in destination_rows(pipeline, "accounts", "accountid").values()
    }


def fill(sandbox: Sandbox) -> None:
    for number, row in enumerate(sandbox.store.rows("account")):
        sandbox.store.update("account", row["accountid"], {"telephone1": f"555-{number}"})


@pytest.mark.parametrize("sync", ["changes", "cursor", "full"])
def test_a_column_becomes_hidden_and_visible_again(
    sandbox: Sandbox,
    run: Run,
    new_pipeline: NewPipeline,
    caplog: pytest.LogCaptureFixture,
    sync: str,
) -> None:
    fill(sandbox)
    run(sync=sync)
    assert len(phones(new_pipeline())) == 60
    secure(sandbox, secured=True)
    run(sync=sync)
    assert phones(new_pipeline()) == {None}
    assert "hidden for the application user: new_taxnumber, telephone1" in caplog.text
    caplog.clear()
    run(sync=sync)
    assert "telephone1" not in caplog.text  # it is named once
    secure(sandbox, secured=False)
    run(sync=sync)
    assert len(phones(new_pipeline())) == 60


@pytest.mark.parametrize("sync", ["changes", "cursor"])
def test_the_first_column_of_a_table_becomes_hidden(
    sandbox: Sandbox, run: Run, new_pipeline: NewPipeline, sync: str
) -> None:
    """The state of a table without hidden columns says nothing of them."""

    def birthdates() -> set[object]:
        rows = destination_rows(new_pipeline(), "contacts", "contactid").values()
        return {row["birthdate"] for row in rows}

    run("contacts", sync=sync)
    assert birthdates() != {None}
    schema = with_column_changed(sandbox.store.schema, "contact", "birthdate", secured=True)
    sandbox.store.change_schema(schema)
    run("contacts", sync=sync)
    assert birthdates() == {None}
    profile = frozenset({"contact.birthdate"})
    sandbox.users.change(sandbox.client_id, readable_columns=profile)
    run("contacts", sync=sync)
    assert birthdates() != {None}
    sandbox.users.change(sandbox.client_id, readable_columns=frozenset())
    run("contacts", sync=sync)
    assert birthdates() == {None}


def test_rows_are_read_again_once_it_is_known_what_was_hidden(
    sandbox: Sandbox, run: Run, new_pipeline: NewPipeline, caplog: pytest.LogCaptureFixture
) -> None:
    def rule(request: Request, rest: str) -> Response | None:
        if rest == "$batch" and b"maskingrules" in request.body:
            return refusal(403, "0x80040220", "Batches are not allowed here")
        return None

    fill(sandbox)
    secure(sandbox, secured=True)
    with rewriting(rule):
        run()
        assert phones(new_pipeline()) == {None}
        profile = frozenset({"account.telephone1"})
        sandbox.users.change(sandbox.client_id, readable_columns=profile)
        caplog.clear()
        run()
        assert "read again" not in caplog.text
    run()
    assert len(phones(new_pipeline())) == 60
    assert "column security has changed; all its rows are read again" in caplog.text
    caplog.clear()
    run()
    assert "read again" not in caplog.text


def test_a_masked_column_is_named(
    sandbox: Sandbox, run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    secure(sandbox, secured=True)

    def rule(request: Request, rest: str) -> Response | None:
        if rest == "attributemaskingrules":
            rules = [{"entityname": "account", "attributelogicalname": "telephone1"}]
            return Response.of_json({"value": rules})
        if "telephone1%20eq%20null" in request.query or "telephone1+eq+null" in request.query:
            return Response.of_json({"value": []})  # a profile lets the user read the column
        return None

    with rewriting(rule):
        run()
    assert "masked for the application user: telephone1" in caplog.text


def test_without_secured_columns_nothing_is_asked(sandbox: Sandbox, run: Run) -> None:
    run("contacts", "systemusers")
    assert not [one for one in sandbox.requests if "maskingrules" in one.path]
    assert len(sandbox.requests.matching("/$batch")) == 2  # permissions; rights


def test_a_table_without_secured_columns_is_not_read_again(
    sandbox: Sandbox, run: Run, new_pipeline: NewPipeline
) -> None:
    run("contacts")
    stored = new_pipeline().state["sources"]["dataverse"]["resources"]["contacts"]["tables"]
    assert stored["contact"]["hidden_columns"] == {}
    assert "refused_columns" not in stored["contact"]
    run("contacts")
    assert sum("/contacts" in one.path for one in sandbox.requests) == 1
