from __future__ import annotations

from collections.abc import Iterator

import pytest

from dataverse_source.sandbox.schema.catalog import default_schema
from tests.support.sandbox.reading import Reading, reading

ALL_RIGHTS = (
    "ReadAccess, WriteAccess, AppendAccess, AppendToAccess, CreateAccess, DeleteAccess, "
    "ShareAccess, AssignAccess"
)
NOBODY = "99999999-0000-0000-0000-000000000000"


@pytest.fixture
def crm() -> Iterator[Reading]:
    with reading(default_schema()) as side:
        yield side


def access(crm: Reading, user: str, target: str) -> str:
    path = f"systemusers({user})/Microsoft.Dynamics.CRM.RetrievePrincipalAccess(Target=@t)"
    answer = crm.json(f"{path}?@t={{'@odata.id':'{target}'}}")
    assert answer["@odata.context"].endswith(
        "#Microsoft.Dynamics.CRM.RetrievePrincipalAccessResponse"
    )
    return str(answer["AccessRights"])


def test_what_a_user_may_do_with_a_row(crm: Reading) -> None:
    user = crm.store.create("systemuser", {"fullname": "A"})
    account = f"accounts({crm.store.create('account', {'name': 'A'})})"
    unit = f"businessunits({crm.store.create('businessunit', {'name': 'A'})})"
    assert access(crm, user, account) == ALL_RIGHTS
    assert access(crm, user, unit).endswith("DeleteAccess")
    crm.environment.users.limit(user, may_write=False)
    assert access(crm, user, account) == "ReadAccess"
    crm.environment.users.limit(user, may_write=False, readable_tables=frozenset({"contact"}))
    assert access(crm, user, account) == "None"


def test_the_target_may_be_given_inline(crm: Reading) -> None:
    user = crm.store.create("systemuser", {"fullname": "A"})
    key = crm.store.create("account", {"name": "A"})
    call = "Microsoft.Dynamics.CRM.RetrievePrincipalAccess"
    for target in (f"{{'@odata.id':'accounts({key})'}}", f'{{"@odata.id":"accounts({key})"}}'):
        answer = crm.json(f"systemusers({user})/{call}(Target={target})")
        assert answer["AccessRights"] == ALL_RIGHTS


def test_what_is_refused(crm: Reading) -> None:
    user = crm.store.create("systemuser", {"fullname": "A"})
    team = crm.store.create("team", {"name": "A"})
    key = crm.store.create("account", {"name": "A"})
    call = "Microsoft.Dynamics.CRM.RetrievePrincipalAccess(Target=@t)?@t={'@odata.id':'%s'}"
    to_account = call % f"accounts({key})"
    assert crm.fault(f"systemusers({NOBODY})/{to_account}")[0] == 404
    assert crm.fault(f"systemusers({user})/{call % f'accounts({NOBODY})'}")[0] == 404
    assert crm.fault(f"systemusers({user})/{call % 'nothing(1)'}")[0] == 400
    assert crm.fault(f"systemusers({user})/{to_account.partition('?')[0]}")[0] == 400
    assert crm.fault(f"teams({team})/{to_account}")[0] == 501


def test_minutes_of_a_case(crm: Reading) -> None:
    key = crm.store.create("incident", {"title": "A"})
    other = crm.store.create("incident", {"title": "B"})
    path = f"incidents({key})/Microsoft.Dynamics.CRM.CalculateTotalTimeIncident()"
    assert crm.json(path)["TotalTime"] == 0
    done = {"statecode": 1, "statuscode": 5, "actualdurationminutes": 20}
    of_case = {"regardingobjectid": key, "regardingobjectid@table": "incident"}
    crm.store.create("task", {**of_case, **done})
    crm.store.create("phonecall", {**of_case, **done, "statuscode": 2, "actualdurationminutes": 7})
    crm.store.create("task", {**of_case, "actualdurationminutes": 100})
    crm.store.create("task", {**of_case, **done, "isbilled": True})
    crm.store.create("task", {**of_case, **done, "regardingobjectid": other})
    assert crm.json(path)["TotalTime"] == 27
    assert crm.fault(path.replace(key, NOBODY))[0] == 404


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [
        ("GetAllTimeZonesWithDisplayName(LocaleId=1033)", "GET", 501),
        ("RetrieveTimestamp", "GET", 501),
        ("BulkDelete", "POST", 501),
        ("accounts(%s)/Microsoft.Dynamics.CRM.RetrieveUserQueues()", "GET", 501),
        ("accounts/Microsoft.Dynamics.CRM.RetrieveUnpublishedMultiple()", "GET", 501),
        ("accounts(%s)/Microsoft.Dynamics.CRM.Nope()", "GET", 404),
        ("Nope()", "GET", 404),
        ("Nope", "POST", 404),
        ("bulkdelete", "POST", 404),
    ],
)
def test_what_is_lacking_says_so(crm: Reading, path: str, method: str, status: int) -> None:
    key = crm.store.create("account", {"name": "A"})
    found = crm.fault(path.replace("%s", key), method=method)
    assert found[0] == status
    if status == 501:
        assert found[2].startswith("The sandbox has no ")


def test_codes_of_time_zones(crm: Reading) -> None:
    call = "GetTimeZoneCodeByLocalizedName(LocalizedStandardName='%s',LocaleId=%s)"
    assert crm.json(call % ("W. Europe Standard Time", 1033))["TimeZoneCode"] == 110
    assert crm.fault(call % ("Nowhere Standard Time", 1033))[0] == 400
    assert crm.fault(call % ("W. Europe Standard Time", 1031))[0] == 400
    assert crm.fault("GetTimeZoneCodeByLocalizedName(LocaleId=1033)")[0] == 400
