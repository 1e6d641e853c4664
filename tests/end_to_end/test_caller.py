"""Reading as another user: the setting ``caller``."""

from __future__ import annotations

import dlt
import pytest

from dataverse_source import AccessDeniedError, ConfigurationError
from dataverse_source.sandbox import Sandbox
from tests.support.comparing import all_rows, assert_equal
from tests.support.loads import NewPipeline, Run

pytestmark = pytest.mark.slow

PERSON = "e39c5d16-675b-48d1-8e67-667427e9c084"


@pytest.fixture
def person(sandbox: Sandbox) -> str:
    """The systemuserid of a user who may read its own accounts only, of which there are three."""
    values = {"fullname": "Person", "azureactivedirectoryobjectid": PERSON}
    user = sandbox.store.create("systemuser", values)
    sandbox.users.limit(user, read_depths={"account": "user"})
    for number in range(3):
        owner = {"ownerid": user, "ownerid@table": "systemuser"}
        sandbox.store.create("account", {"name": f"own {number}", **owner})
    return user


def names(pipeline: dlt.Pipeline) -> set[str]:
    return {str(row["name"]) for row in all_rows(pipeline, "accounts")}


def test_only_what_the_user_may_read(
    run: Run, person: str, sandbox: Sandbox, new_pipeline: NewPipeline
) -> None:
    assert person
    run("accounts", caller=PERSON.upper())
    assert names(new_pipeline()) == {"own 0", "own 1", "own 2"}
    sent = [one for one in sandbox.requests if "/api/data/" in one.path]
    assert sent
    assert {one.headers.get("callerobjectid") for one in sent} == {PERSON}
    signed_in = [one for one in sandbox.requests if "/oauth2/" in one.path]
    assert all("callerobjectid" not in one.headers for one in signed_in)


def test_another_caller_is_another_set_of_rights(
    run: Run, person: str, sandbox: Sandbox, new_pipeline: NewPipeline
) -> None:
    assert person
    run("accounts", sync="cursor")
    run("accounts", sync="cursor", caller=PERSON)
    assert names(new_pipeline()) == {"own 0", "own 1", "own 2"}
    run("accounts", sync="cursor", caller=PERSON)
    run("accounts", sync="cursor")
    assert_equal(new_pipeline(), sandbox, "accounts")


def test_the_privilege_is_missing(run: Run, person: str, sandbox: Sandbox) -> None:
    assert person
    sandbox.users.change(sandbox.client_id, may_impersonate=False)
    with pytest.raises(AccessDeniedError, match="may not act for another user") as told:
        run("accounts", caller=PERSON)
    assert "prvActOnBehalfOfAnotherUser" in (told.value.remedy or "")


def test_there_is_no_such_user(run: Run) -> None:
    with pytest.raises(AccessDeniedError, match=f"no user with the object id {PERSON}"):
        run("accounts", caller=PERSON)


def test_an_id_is_needed(run: Run) -> None:
    with pytest.raises(ConfigurationError, match="caller"):
        run("accounts", caller="person@contoso.com")
