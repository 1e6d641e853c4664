"""Users who see fewer rows: depth of the read privilege over owners and business units."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from dataverse_source.sandbox import Sandbox
from tests.support.sandbox.user_clients import api, signed_in

FETCH = "<fetch><entity name='account'><attribute name='name'/></entity></fetch>"


class Company:
    """A root unit with a sales unit below, and a unit below that one; the app is of sales."""

    def __init__(self, sandbox: Sandbox, session: requests.Session) -> None:
        self.sandbox, self.session = sandbox, session
        store, client = sandbox.store, sandbox.client_id
        self.root = str(store.rows("businessunit")[0]["businessunitid"])
        self.sales = self.unit("Sales", self.root)
        self.north = self.unit("North", self.sales)
        self.other = self.unit("Other", self.root)
        self.app = str(sandbox.users.of_client(client).user_id)  # type: ignore[union-attr]
        store.update("systemuser", self.app, {"businessunitid": self.sales})
        self.colleague = store.create("systemuser", {"businessunitid": self.sales})
        self.person = store.create("systemuser", {"businessunitid": self.north})
        for name, owner, unit in (
            ("own", self.app, self.sales),
            ("colleague's", self.colleague, self.sales),
            ("north's", self.person, self.north),
            ("other's", self.person, self.other),
        ):
            self.account(name, owner, unit)

    def unit(self, name: str, parent: str) -> str:
        values = {"name": name, "parentbusinessunitid": parent}
        return self.sandbox.store.create("businessunit", values)

    def account(self, name: str, owner: str, unit: str, kind: str = "systemuser") -> str:
        values = {"name": name, "ownerid": owner, "ownerid@table": kind, "owningbusinessunit": unit}
        return self.sandbox.store.create("account", values)

    def allow(self, **rights: Any) -> None:
        self.sandbox.users.change(self.sandbox.client_id, **rights)

    def names(self, query: str = "accounts?$select=name") -> set[str]:
        answer = self.session.get(api(self.sandbox, query))
        assert answer.status_code == 200, answer.text
        return {row["name"] for row in answer.json()["value"]}


@pytest.fixture(scope="module")
def running() -> Iterator[Company]:
    with Sandbox(rows={}) as sandbox, signed_in(sandbox) as session:
        yield Company(sandbox, session)


@pytest.fixture
def company(running: Company) -> Iterator[Company]:
    yield running
    running.allow(read_depths={}, organization_read=True)


DEPTHS = {
    "user": {"own"},
    "business_unit": {"own", "colleague's"},
    "parent_child": {"own", "colleague's", "north's"},
    "organization": {"own", "colleague's", "north's", "other's"},
}


@pytest.mark.parametrize(("depth", "seen"), DEPTHS.items())
def test_every_way_to_read_shows_the_same_rows(
    company: Company, depth: str, seen: set[str]
) -> None:
    company.allow(read_depths={"account": depth})
    session, sandbox = company.session, company.sandbox
    assert company.names() == seen
    assert company.names(f"accounts?fetchXml={FETCH}") == seen
    assert company.names("accounts?$filter=contains(name,'s') or name eq 'own'") == seen
    counted = session.get(api(sandbox, "accounts/$count"))
    assert int(counted.content.decode("utf-8-sig")) == len(seen)
    counted = session.get(api(sandbox, "accounts?$count=true&$top=1"))
    assert counted.json()["@odata.count"] == len(seen)
    (total,) = session.get(api(sandbox, "accounts?$apply=aggregate($count as n)")).json()["value"]
    assert total["n"] == len(seen)
    aggregate = (
        "<fetch aggregate='true'><entity name='account'>"
        "<attribute name='accountid' aggregate='count' alias='n'/></entity></fetch>"
    )
    (total,) = session.get(api(sandbox, f"accounts?fetchXml={aggregate}")).json()["value"]
    assert total["n"] == len(seen)


def test_related_rows_that_are_not_seen(company: Company) -> None:
    sandbox, session = company.sandbox, company.session
    parent = company.account("parent", company.app, company.sales)
    for name in ("north's", "own"):
        key = next(r["accountid"] for r in sandbox.store.rows("account") if r["name"] == name)
        sandbox.store.update("account", key, {"parentaccountid": parent})
    company.allow(read_depths={"account": "user"})
    expand = "$expand=account_parent_account($select=name)"
    found = session.get(api(sandbox, f"accounts({parent})?$select=name&{expand}")).json()
    assert [row["name"] for row in found["account_parent_account"]] == ["own"]
    children = f"accounts({parent})/account_parent_account?$select=name"
    assert company.names(children) == {"own"}
    some = "account_parent_account/any(a:a/name eq %27north%27%27s%27)"
    assert company.names(f"accounts?$select=name&$filter={some}") == set()
    link = (
        "<fetch><entity name='account'><attribute name='name'/><link-entity name='account' "
        "from='parentaccountid' to='accountid'/></entity></fetch>"
    )
    assert company.names(f"accounts?fetchXml={link}") == {"parent"}
    sandbox.store.delete("account", parent)


def test_a_row_that_is_not_seen_is_refused(company: Company) -> None:
    sandbox, session = company.sandbox, company.session
    company.allow(read_depths={"*": "business_unit"})
    keys = {row["name"]: row["accountid"] for row in sandbox.store.rows("account")}
    assert session.get(api(sandbox, f"accounts({keys['own']})")).status_code == 200
    refused = session.get(api(sandbox, f"accounts({keys['other' + chr(39) + 's']})"))
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "0x80040220")
    assert "prvReadAccount" in refused.json()["error"]["message"]
    missing = session.get(api(sandbox, f"accounts({company.root})"))
    assert missing.status_code == 404
    call = "RetrievePrincipalAccess(Target=@t)"
    target = f"%7B%27@odata.id%27:%27accounts({keys['north' + chr(39) + 's']})%27%7D"
    path = f"systemusers({company.app})/Microsoft.Dynamics.CRM.{call}?@t={target}"
    access = session.get(api(sandbox, path)).json()["AccessRights"]
    assert "ReadAccess" not in access


def test_teams_own_rows_too(company: Company) -> None:
    team = company.sandbox.store.create("team", {"name": "t", "businessunitid": company.other})
    company.sandbox.store.create("teammembership", {"systemuserid": company.app, "teamid": team})
    key = company.account("team's", team, company.other, "team")
    company.allow(read_depths={"account": "user"})
    assert company.names() == {"own", "team's"}
    company.sandbox.store.delete("account", key)
    company.sandbox.store.delete("team", team)


def test_tables_of_the_organization_have_no_owners(company: Company) -> None:
    company.allow(read_depths={"*": "user"})
    found = company.session.get(api(company.sandbox, "transactioncurrencies")).json()["value"]
    assert len(found) == 1
    prefer = {"Prefer": "odata.track-changes"}
    refused = company.session.get(api(company.sandbox, "accounts?$select=name"), headers=prefer)
    assert refused.status_code == 403


def test_privileges_tell_the_depth(company: Company) -> None:
    company.allow(read_depths={"account": "business_unit", "contact": "user"})
    url = f"systemusers({company.app})/Microsoft.Dynamics.CRM.RetrieveUserPrivileges()"
    told = company.session.get(api(company.sandbox, url)).json()["RolePrivileges"]
    depths = {one["PrivilegeName"]: one["Depth"] for one in told}
    assert depths["prvReadAccount"] == "Local"
    assert depths["prvReadContact"] == "Basic"
    assert depths["prvReadTask"] == "Global"


def test_a_role_changes_between_two_pages(company: Company) -> None:
    sandbox, session = company.sandbox, company.session

    def narrow() -> None:
        company.allow(read_depths={"account": "user"})

    sandbox.hooks.on("/accounts", narrow)
    prefer = {"Prefer": "odata.maxpagesize=1"}
    page = session.get(api(sandbox, "accounts?$select=name"), headers=prefer).json()
    names = [row["name"] for row in page["value"]]
    while "@odata.nextLink" in page:
        page = session.get(page["@odata.nextLink"], headers=prefer).json()
        names += [row["name"] for row in page["value"]]
    assert names == ["own"]


def test_an_impersonated_user_sees_what_both_may(company: Company) -> None:
    sandbox, session = company.sandbox, company.session
    sandbox.users.limit(company.person, read_depths={"account": "user"})
    headers = {"MSCRMCallerID": company.person}
    answer = session.get(api(sandbox, "accounts?$select=name"), headers=headers)
    assert {row["name"] for row in answer.json()["value"]} == {"north's", "other's"}


def test_an_unknown_depth_is_refused(company: Company) -> None:
    with pytest.raises(ValueError, match="user, business_unit, parent_child, organization"):
        company.allow(read_depths={"account": "deep"})
