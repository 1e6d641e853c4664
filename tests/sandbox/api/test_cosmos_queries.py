from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from dataverse_source.sandbox.environment.environment import Caller
from dataverse_source.sandbox.schema.catalog import default_schema
from tests.support.sandbox.reading import USER, Reading, reading

FROM = "from c where c.props.new_deviceid = 'a'"
READINGS: tuple[tuple[str, str, str | None, dict[str, Any] | str | None], ...] = (
    # partition, device, value, payload
    ("p1", "a", "1.5", {"power": 6, "unit": {"name": "kW"}}),
    ("p1", "a", "2", {"power": 60, "on": True}),
    ("p1", "b", None, {"power": "much"}),
    ("p2", "a", "3", None),
    ("p2", "c", "4", "no JSON"),
)


@pytest.fixture(scope="module")
def crm() -> Iterator[Reading]:
    with reading(default_schema()) as side:
        for partition, device, value, payload in READINGS:
            values = {"partitionid": partition, "new_deviceid": device, "new_value": value}
            text = payload if isinstance(payload, str) else payload and json.dumps(payload)
            side.store.create("new_sensorreading", {**values, "new_payload": text})
        yield side


def call(text: str, **more: Any) -> str:
    arguments = {"QueryText": text, "EntityLogicalName": "new_sensorreading", **more}
    names = ",".join(f"{name}=@{name}" for name in arguments)
    shown = (
        (name, json.dumps(value) if isinstance(value, dict | int) else _quoted(value))
        for name, value in arguments.items()
    )
    aliases = "&".join(f"@{name}={value}" for name, value in shown)
    return f"ExecuteCosmosSqlQuery({names})?{aliases}"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def found(crm: Reading, text: str, **more: Any) -> list[dict[str, Any]]:
    rows = crm.json(call(text, **more))["Result"]
    assert all(row.pop("@odata.type") == "#Microsoft.Dynamics.CRM.expando" for row in rows)
    return list(rows)


def test_columns_and_members_of_json(crm: Reading) -> None:
    text = f"SELECT c.props.new_value AS v, c.props.new_Payload.unit.name {FROM}"
    shown = [{name: str(value) for name, value in row.items()} for row in found(crm, text)]
    assert shown == [{"v": "1.5", "name": "kW"}, {"v": "2.0"}, {"v": "3.0"}]


@pytest.mark.parametrize(
    ("where", "devices"),
    [
        ("c.props.new_payload.power > 5", "aa"),
        ("c.props.new_payload.power = 'much'", "b"),
        ("c.props.new_payload.power != 6", "a"),
        ("c.props.new_payload.on = true", "a"),
        ("c.props.new_payload.power <= 6 or c.props.new_deviceid = 'c'", "ac"),
        ("(c.props.new_deviceid = 'a' or c.props.new_deviceid = 'b') and c.props.new_value < 3",
         "aa"),
        ('c.props.new_deviceid = "c"', "c"),
        ("c.props.new_deviceid = 'A'", ""),
        ("c.props.nothing = 1", ""),
    ],
)  # fmt: skip
def test_conditions(crm: Reading, where: str, devices: str) -> None:
    rows = found(crm, f"select c.props.new_deviceid as d from c where {where}")
    assert "".join(row["d"] for row in rows) == devices


def test_parameters_and_partitions(crm: Reading) -> None:
    text = "select c.props.new_deviceid as d from c where c.props.new_payload.power >= @power"
    values = [{"Type": "System.Int32", "Value": "60"}]
    parameters = {"Count": 0, "IsReadOnly": False, "Keys": ["@power"], "Values": values}
    assert found(crm, text, QueryParameters=parameters) == [{"d": "a"}]
    every = "select c.props.new_deviceid as d from c"
    assert [row["d"] for row in found(crm, every, PartitionId="p2")] == ["a", "c"]
    assert crm.fault(call(text))[0] == 400


def test_pages(crm: Reading) -> None:
    text = "select c.props.new_deviceid as d from c"
    pages, cookie = [], ""
    while True:
        more = {"PagingCookie": cookie} if cookie else {}
        answer = crm.json(call(text, PageSize=2, **more))
        pages.append([row["d"] for row in answer["Result"]])
        cookie = answer["PagingCookie"]
        assert answer["HasMore"] is bool(cookie)
        if not cookie:
            break
    assert pages == [["a", "a"], ["b", "a"], ["c"]]


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        ({"QueryText": "select c.props.new_deviceid from c order by c.id"}, 501),
        ({"QueryText": "select value count(1) from c"}, 501),
        ({"QueryText": "select c.props.ownerid from c"}, 501),
        ({"QueryText": "select c.id from c"}, 501),
        ({"QueryText": "select d.props.new_deviceid from c"}, 400),
        ({"EntityLogicalName": "account"}, 400),
        ({"EntityLogicalName": "nothing"}, 400),
        ({"PagingCookie": "x"}, 400),
        ({"PageSize": -1}, 400),
        ({"QueryParameters": {"Keys": ["@a"], "Values": []}}, 400),
    ],
)
def test_what_is_refused(crm: Reading, arguments: dict[str, Any], status: int) -> None:
    asked = {"QueryText": "select c.props.new_deviceid from c", **arguments}
    text = asked.pop("QueryText")
    assert crm.fault(call(text, **asked))[0] == status


def test_reading_needs_the_privilege(crm: Reading) -> None:
    caller = Caller(USER, "", readable_tables=frozenset({"account"}))
    text = "select c.props.new_deviceid from c"
    assert crm.fault(call(text), caller=caller)[0] == 403
    assert crm.fault("ExecuteCosmosSqlQuery(EntityLogicalName='new_sensorreading')")[0] == 400
