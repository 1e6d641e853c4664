"""Secured columns: hidden, allowed by a profile, masked by a rule, shown in clear on demand."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from dataverse_source.sandbox import Sandbox, Switches
from dataverse_source.sandbox.changes import apply
from dataverse_source.sandbox.environment.profiles import (
    grant_column,
    mask_column,
    secure_column,
)
from tests.support.sandbox.security_tables import with_security_tables
from tests.support.sandbox.user_clients import api, signed_in

NUMBER = "123-45-5353"
SSN = r"\d(?=\d{0,2}-\d{2}-\d{4})|\d(?=\d?-\d{4})"


class Clerk:
    """A client that asks for one account with a secured telephone number."""

    def __init__(self, sandbox: Sandbox, session: requests.Session) -> None:
        self.sandbox, self.session = sandbox, session
        self.key = sandbox.store.create("account", {"name": "a", "telephone1": NUMBER})
        secure_column(sandbox.environment, "account", "telephone1")
        self.user = str(sandbox.users.of_client(sandbox.client_id).user_id)  # type: ignore[union-attr]

    def ask(self, path: str) -> Any:
        return self.session.get(api(self.sandbox, path)).json()

    def one(self, options: str = "") -> Any:
        return self.ask(f"accounts({self.key})?$select=name,telephone1{options}")

    def all(self, options: str = "") -> Any:
        return self.ask(f"accounts?$select=name,telephone1{options}")["value"][0]

    def grant(self, unmasked: int = 0) -> str:
        environment = self.sandbox.environment
        return grant_column(environment, self.user, "account", "telephone1", unmasked=unmasked)

    def mask(self) -> str:
        return mask_column(self.sandbox.environment, "account", "telephone1", SSN)


@pytest.fixture
def clerk() -> Iterator[Clerk]:
    schema = with_security_tables()
    with Sandbox(rows={}, schema=schema) as sandbox, signed_in(sandbox) as session:
        yield Clerk(sandbox, session)


def test_a_secured_column_is_hidden_until_a_profile_allows_it(clerk: Clerk) -> None:
    assert clerk.one()["telephone1"] is None
    clerk.sandbox.switches = Switches().changed(secured_columns="omitted")
    assert "telephone1" not in clerk.all()
    refused = clerk.ask("accounts?$filter=telephone1 eq 'x'")
    assert refused["error"]["code"] == "0x8004F504"
    permission = clerk.grant()
    assert clerk.one()["telephone1"] == clerk.all()["telephone1"] == NUMBER
    assert len(clerk.ask(f"accounts?$filter=telephone1 eq '{NUMBER}'")["value"]) == 1
    fetch = "<fetch><entity name='account'><attribute name='telephone1'/></entity></fetch>"
    assert clerk.ask(f"accounts?fetchXml={fetch}")["value"][0]["telephone1"] == NUMBER
    clerk.sandbox.store.delete("fieldpermission", permission)
    assert "telephone1" not in clerk.all()
    assert "telephone1" not in clerk.ask(f"accounts?fetchXml={fetch}")["value"][0]


def test_a_profile_of_a_team_counts(clerk: Clerk) -> None:
    store = clerk.sandbox.store
    permission = clerk.grant()
    (member,) = store.rows("systemuserprofiles")
    store.delete("systemuserprofiles", member["systemuserprofileid"])
    assert clerk.all()["telephone1"] is None
    team = store.create("team", {"name": "t"})
    store.create("teammembership", {"systemuserid": clerk.user, "teamid": team})
    profile = member["fieldsecurityprofileid"]
    store.create("teamprofiles", {"teamid": team, "fieldsecurityprofileid": profile})
    assert clerk.all()["telephone1"] == NUMBER
    assert store.row("fieldpermission", permission) is not None


def test_rights_may_allow_a_column_without_rows(clerk: Clerk) -> None:
    columns = frozenset({"account.telephone1"})
    clerk.sandbox.users.change(clerk.sandbox.client_id, readable_columns=columns)
    assert clerk.all()["telephone1"] == NUMBER


@pytest.mark.parametrize(
    ("unmasked", "one", "many"),
    [(0, "***-**-5353", "***-**-5353"), (1, NUMBER, "***-**-5353"), (3, NUMBER, NUMBER)],
)
def test_a_masked_column_and_unmasked_data(
    clerk: Clerk, unmasked: int, one: str, many: str
) -> None:
    clerk.grant(unmasked)
    rule = clerk.mask()
    assert clerk.one()["telephone1"] == clerk.all()["telephone1"] == "***-**-5353"
    value = clerk.ask(f"accounts({clerk.key})/telephone1")
    assert value["value"] == "***-**-5353"
    assert clerk.one("&UnMaskedData=true")["telephone1"] == one
    assert clerk.all("&UnMaskedData=true")["telephone1"] == many
    clerk.sandbox.store.delete("attributemaskingrule", rule)
    assert clerk.all()["telephone1"] == NUMBER


def test_a_rule_alone_allows_nothing(clerk: Clerk) -> None:
    clerk.mask()
    assert clerk.all("&UnMaskedData=true")["telephone1"] is None


def test_the_switch_masks_all_secured_texts(clerk: Clerk) -> None:
    clerk.sandbox.switches = Switches().changed(masked_columns="all_secured")
    assert clerk.all()["telephone1"] == "*" * len(NUMBER)


def test_the_same_as_changes(clerk: Clerk) -> None:
    name = {"column": "telephone1"}
    grant, mask = apply(
        clerk.sandbox,
        [
            {"grant": "account", "user": clerk.user, **name},
            {"mask": "account", "expression": "[0-9]", "character": "#", **name},
        ],
    )
    assert clerk.all()["telephone1"] == "###-##-####"
    apply(
        clerk.sandbox,
        [
            {"delete": "attributemaskingrule", "key": mask},
            {"delete": "fieldpermission", "key": grant},
            {"secure": "account", "secured": False, **name},
        ],
    )
    assert clerk.all()["telephone1"] == NUMBER
    secured = "EntityDefinitions(LogicalName='account')/Attributes(LogicalName='telephone1')"
    assert clerk.ask(f"{secured}?$select=IsSecured")["IsSecured"] is False
