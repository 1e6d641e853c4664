"""Functions that clients call first, and what the sandbox lacks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from dataverse_source.sandbox import Sandbox, Switches
from tests.support.sandbox.user_clients import api, signed_in


@pytest.fixture(scope="module")
def crm() -> Iterator[tuple[Sandbox, requests.Session]]:
    with Sandbox(rows={"account": 3}) as sandbox, signed_in(sandbox) as session:
        yield sandbox, session


@pytest.mark.parametrize(
    ("call", "member", "value"),
    [
        ("RetrieveAvailableLanguages()", "LocaleIds", [1033]),
        ("RetrieveProvisionedLanguages()", "RetrieveProvisionedLanguages", [1033]),
        ("RetrieveInstalledLanguagePacks()", "RetrieveInstalledLanguagePacks", [1033]),
        (
            "RetrieveOrganizationInfo()",
            "organizationInfo",
            {"InstanceType": "Customer", "Solutions": []},
        ),
    ],
)
def test_about_the_organization(crm: Any, call: str, member: str, value: Any) -> None:
    sandbox, session = crm
    answer = session.get(api(sandbox, call)).json()
    assert answer[member] == value
    assert answer["@odata.context"].endswith(f"CRM.{call[:-2]}Response")


@pytest.mark.parametrize(
    "call",
    [
        "GetValidManyToMany()",
        "GetValidReferencedEntities(ReferencingEntityName='account')",
        "GetValidReferencingEntities(ReferencedEntityName='account')",
    ],
)
def test_tables_that_can_be_related(crm: Any, call: str) -> None:
    sandbox, session = crm
    names = session.get(api(sandbox, call)).json()["EntityNames"]
    assert {"account", "contact"} <= set(names)
    assert "accountleads" not in names


def test_a_table_that_is_not_there(crm: Any) -> None:
    sandbox, session = crm
    for call in (
        "RetrieveTotalRecordCount(EntityNames=['nothing'])",
        "GetValidReferencedEntities(ReferencingEntityName='nothing')",
    ):
        answer = session.get(api(sandbox, call))
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "0x80040203")


def test_counts_may_be_zero(crm: Any) -> None:
    sandbox, session = crm
    call = api(sandbox, "RetrieveTotalRecordCount(EntityNames=['account'])")
    counted = session.get(call).json()["EntityRecordCountCollection"]
    assert counted["Values"] == [3]
    sandbox.switches = Switches().changed(total_record_count="zero")
    assert session.get(call).json()["EntityRecordCountCollection"]["Values"] == [0]
    sandbox.switches = Switches()


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("RetrieveDuplicates()", 501),
        ("Search()", 501),
        ("ExecuteCosmosSqlQuery()", 501),
        ("accounts?sql=SELECT name FROM account", 501),
        ("bulkdeletefailures", 501),
        ("bulkdeletefailures(11111111-1111-1111-1111-111111111111)", 501),
        ("nothings", 404),
        ("RetrieveNothing()", 404),
    ],
)
def test_what_is_lacking_says_so(crm: Any, path: str, status: int) -> None:
    sandbox, session = crm
    assert session.get(api(sandbox, path)).status_code == status
