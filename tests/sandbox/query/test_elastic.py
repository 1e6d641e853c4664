from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from dataverse_source.sandbox import Sandbox, Switches
from dataverse_source.sandbox.environment.clock import Clock
from tests.support.sandbox.user_clients import api, signed_in

SET = "new_sensorreadings"
TABLE = "new_sensorreading"
KEY = "new_sensorreadingid"
NAME = "new_name"
SHARED = "5f0ec9b5-6d9e-4f0b-8f3e-111111111111"


class Readings:
    """A sandbox's elastic table, asked over HTTPS."""

    def __init__(self, sandbox: Sandbox, session: requests.Session) -> None:
        self.sandbox, self.session = sandbox, session

    def create(self, name: str, partition: str, **values: Any) -> str:
        return self.sandbox.store.create(TABLE, {NAME: name, "partitionid": partition, **values})

    def ask(self, path: str, **headers: str) -> requests.Response:
        return self.session.get(
            api(self.sandbox, path), headers={n.replace("_", "-"): t for n, t in headers.items()}
        )

    def names(self, path: str) -> list[str]:
        answer = self.ask(path)
        assert answer.status_code == 200, answer.text
        return [row[NAME] for row in answer.json()["value"]]


@pytest.fixture
def readings() -> Iterator[Readings]:
    with (
        Sandbox(rows={}, clock=Clock(frozen=True)) as sandbox,
        signed_in(sandbox) as session,
    ):
        yield Readings(sandbox, session)


def test_pages_have_500_rows(readings: Readings) -> None:
    readings.sandbox.store.seed(TABLE, 1201)
    sizes, keys = [], set()
    url: str | None = api(readings.sandbox, f"{SET}?$select={NAME}")
    while url is not None:
        page = readings.session.get(url, headers={"Prefer": "odata.maxpagesize=5000"}).json()
        sizes.append(len(page["value"]))
        keys |= {(row[KEY], row["partitionid"]) for row in page["value"]}
        url = page.get("@odata.nextLink")
    assert sizes == [500, 500, 201]
    assert len(keys) == 1201


def test_one_key_in_several_partitions(readings: Readings) -> None:
    for name in "abcde":
        readings.create(name, f"device-{name}", **{KEY: SHARED})
    seen, url = [], api(readings.sandbox, f"{SET}?$select={NAME}")
    while url:
        page = readings.session.get(url, headers={"Prefer": "odata.maxpagesize=2"}).json()
        seen += [(row[NAME], row[KEY], row["partitionid"]) for row in page["value"]]
        url = page.get("@odata.nextLink", "")
    assert seen == [(name, SHARED, f"device-{name}") for name in "abcde"]
    assert readings.names(f"{SET}?partitionId=device-b") == ["b"]
    assert readings.names(f"{SET}?$filter=partitionid eq 'device-c'") == ["c"]
    one = readings.ask(f"{SET}({KEY}={SHARED},partitionid='device-d')").json()
    assert one[NAME] == "d"
    assert readings.ask(f"{SET}({SHARED})?partitionId=device-e").json()[NAME] == "e"
    missing = readings.ask(f"{SET}({KEY}={SHARED},partitionid='device-x')")
    assert missing.status_code == 404


def test_writes_go_to_one_partition(readings: Readings) -> None:
    for name in "ab":
        readings.create(name, f"device-{name}", **{KEY: SHARED})
    url = api(readings.sandbox, f"{SET}({KEY}={SHARED},partitionid='device-a')")
    changed = readings.session.patch(url, json={NAME: "A"})
    assert changed.status_code == 204
    assert changed.headers["x-ms-session-token"]
    assert readings.names(SET) == ["A", "b"]
    again = readings.ask(SET, MSCRM_SessionToken=changed.headers["x-ms-session-token"])
    assert again.status_code == 200
    assert "x-ms-session-token" not in readings.session.get(api(readings.sandbox, SET)).headers
    made = readings.session.patch(
        api(readings.sandbox, f"{SET}({SHARED})?partitionId=device-c"), json={NAME: "c"}
    )
    assert made.status_code == 204
    assert readings.names(SET) == ["A", "b", "c"]
    deleted = readings.session.delete(
        api(readings.sandbox, f"{SET}({SHARED})?partitionId=device-b")
    )
    assert deleted.status_code == 204
    assert readings.names(SET) == ["A", "c"]


def test_rows_print_what_only_elastic_rows_do(readings: Readings) -> None:
    readings.create("a", "device-a")
    (row,) = readings.ask(f"{SET}?$select={NAME}").json()["value"]
    assert set(row) == {
        "@odata.etag",
        NAME,
        KEY,
        "versionnumber",
        "partitionid",
        "_ownerid_value",
        "_owningbusinessunit_value",
    }
    assert row["versionnumber"] > 2**53
    etag = row["@odata.etag"]
    assert etag[:3] == 'W/"'
    assert len(etag.split("-")) == 5
    url = api(readings.sandbox, f"{SET}({KEY}={row[KEY]},partitionid='device-a')")
    one = readings.session.get(url)
    assert one.headers["ETag"] == one.json()["@odata.etag"] == etag
    stale = readings.session.patch(url, json={NAME: "b"}, headers={"If-Match": 'W/"0"'})
    assert stale.status_code == 412
    assert (
        readings.session.patch(url, json={NAME: "b"}, headers={"If-Match": etag}).status_code == 204
    )


@pytest.mark.parametrize(
    "query",
    [
        "$filter=owninguser/fullname eq 'x'",
        "$filter=new_name eq 'a' and not (createdby/fullname eq 'x')",
        "$filter=contains(createdby/fullname,'x')",
        "$filter=new_name eq new_deviceid",
        "$orderby=createdby/fullname",
        "$orderby=_ownerid_value",
    ],
)
def test_links_are_not_supported(readings: Readings, query: str) -> None:
    error = readings.ask(f"{SET}?{query}").json()["error"]
    assert error == {"code": "0x80048d0b", "message": "Link entities are not supported"}


@pytest.mark.parametrize(("kind", "status"), [("outer", 200), ("inner", 400)])
def test_outer_links_are_the_only_ones_of_fetchxml(
    readings: Readings, kind: str, status: int
) -> None:
    readings.create("a", "device-a")
    link = (
        f"<link-entity name='systemuser' from='systemuserid' to='owninguser' link-type='{kind}' "
        "alias='u'><attribute name='fullname'/></link-entity>"
    )
    attribute = f"<attribute name='{NAME}'/>"
    xml = f"<fetch><entity name='{TABLE}'>{attribute}{link}</entity></fetch>"
    answer = readings.ask(f"{SET}?fetchXml={xml}")
    assert answer.status_code == status
    if status == 200:
        assert [row[NAME] for row in answer.json()["value"]] == ["a"]


def test_change_tracking_is_a_switch(readings: Readings) -> None:
    track = {"Prefer": "odata.track-changes"}
    query = f"{SET}?$select={NAME}"
    readings.create("a", "device-a")
    refused = readings.ask(query, **track)
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "0x80072491")
    for setting, reported in (("ttl_silent", 0), ("ttl_tombstones", 1)):
        readings.sandbox.switches = Switches().changed(elastic_tracking=setting)
        key = readings.create("short-lived", "device-a", ttlinseconds=60)
        page = readings.ask(query, **track).json()
        assert [row[NAME] for row in page["value"]] == ["a", "short-lived"]
        other = readings.create("b", "device-b")
        readings.sandbox.clock.advance(59)
        link = page["@odata.deltaLink"]
        page = readings.session.get(link).json()
        assert [row[NAME] for row in page["value"]] == ["b"]
        readings.sandbox.clock.advance(1)
        page = readings.session.get(page["@odata.deltaLink"]).json()
        assert [row["id"] for row in page["value"]] == [key] * reported
        assert readings.names(query) == ["a", "b"]
        readings.sandbox.store.delete(TABLE, other)


def test_a_change_starts_the_time_to_live_anew(readings: Readings) -> None:
    key = readings.create("a", "device-a", ttlinseconds=60)
    readings.sandbox.clock.advance(50)
    readings.sandbox.store.update(TABLE, key, {NAME: "b"})
    readings.sandbox.clock.advance(50)
    assert readings.names(SET) == ["b"]
    readings.sandbox.clock.advance(10)
    assert readings.names(SET) == []
    assert readings.sandbox.store.count(TABLE) == 0
