"""Switches whose every value shows in one answer."""

from __future__ import annotations

import re

import pytest
import requests

from dataverse_source.sandbox import LimitSettings, Sandbox, Switches
from dataverse_source.sandbox.environment.clock import Clock
from tests.support.sandbox.reading import small_schema
from tests.support.sandbox.user_clients import api, signed_in


@pytest.mark.parametrize("code", ["0x80060888", "0x8006088a"])
def test_an_entity_set_that_does_not_exist(code: str) -> None:
    switches = Switches().changed(unknown_segment_code=code)
    with (
        Sandbox(rows={}, schema=small_schema(), switches=switches) as sandbox,
        signed_in(sandbox) as session,
    ):
        for path in ("nothings", "new_widgets/nothing"):
            answer = session.get(api(sandbox, path))
            assert answer.status_code == 404
            assert answer.json()["error"] == {
                "code": code,
                "message": f"Resource not found for the segment '{path.rpartition('/')[2]}'.",
            }


@pytest.mark.parametrize(
    ("form", "content_type", "retry_after"),
    [
        ("json_seconds", "application/json", r"\d+"),
        ("json_decimal_seconds", "application/json", r"\d+\.\d{3}"),
        ("json_http_date", "application/json", r"\w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT"),
        ("json_no_header", "application/json", None),
        ("html", "text/html", r"\d+"),
    ],
)
def test_a_limit_that_is_reached(form: str, content_type: str, retry_after: str | None) -> None:
    limits = LimitSettings(enforced=True, requests=2, servers=1)
    switches = Switches().changed(throttle_form=form)
    with (
        Sandbox(
            rows={}, schema=small_schema(), switches=switches, limits=limits,
            clock=Clock(frozen=True),
        ) as sandbox,
        signed_in(sandbox) as session,
    ):  # fmt: skip
        for _ in range(2):
            assert session.get(api(sandbox, "WhoAmI")).status_code == 200
        answer = session.get(api(sandbox, "WhoAmI"))
        assert answer.status_code == 429
        assert answer.headers["Content-Type"].startswith(content_type)
        found = answer.headers.get("Retry-After")
        if retry_after is None:
            assert found is None
        else:
            assert re.fullmatch(retry_after, found or "")
        if content_type == "application/json":
            assert answer.json()["error"]["code"] == "0x80072322"


@pytest.mark.parametrize(("budget", "refused"), [("per_server", False), ("all_servers", True)])
def test_a_budget_of_each_server_or_of_all(budget: str, refused: bool) -> None:
    limits = LimitSettings(enforced=True, requests=6, servers=4)
    with (
        Sandbox(
            rows={}, schema=small_schema(), limits=limits, clock=Clock(frozen=True),
            switches=Switches().changed(budget=budget),
        ) as sandbox,
        signed_in(sandbox) as session,
    ):  # fmt: skip
        left: dict[str, int] = {}
        statuses = []
        for _ in range(7):
            session.cookies.clear()
            answer = session.get(api(sandbox, "WhoAmI"))
            statuses.append(answer.status_code)
            left[answer.cookies["ARRAffinity"]] = int(
                answer.headers["x-ms-ratelimit-burst-remaining-xrm-requests"]
            )
        assert (429 in statuses) is refused
        spent = sum(6 - each for each in left.values())
        assert spent == 7 if budget == "per_server" else min(left.values()) == 0


def test_server_names_that_never_repeat() -> None:
    limits = LimitSettings(servers=2)
    with (
        Sandbox(rows={}, schema=small_schema(), limits=limits) as sandbox,
        signed_in(sandbox) as session,
    ):
        for names, most in (("of_servers", 2), ("never_repeat", 12)):
            sandbox.switches = Switches().changed(affinity_names=names)
            found = set()
            for _ in range(12):
                session.cookies.clear()
                found.add(session.get(api(sandbox, "WhoAmI")).cookies["ARRAffinity"])
            assert len(found) == most


@pytest.mark.parametrize("prefer", ["odata.maxpagesize=2", "odata.track-changes"])
def test_more_records_without_a_link(prefer: str) -> None:
    schema = small_schema()
    with (
        Sandbox(rows={"new_widget": 5}, schema=schema) as sandbox,
        signed_in(sandbox) as session,
    ):
        headers = {"Prefer": f"{prefer},odata.maxpagesize=2"}
        url = api(sandbox, "new_widgets?$select=new_name")
        page = session.get(url, headers=headers).json()
        assert "@odata.nextLink" in page
        assert "@Microsoft.Dynamics.CRM.morerecords" not in page
        sandbox.switches = Switches().changed(next_link="flag_only")
        page = session.get(url, headers=headers).json()
        assert len(page["value"]) == 2
        assert "@odata.nextLink" not in page
        assert page["@Microsoft.Dynamics.CRM.morerecords"] is True
        headers = {"Prefer": prefer.replace("2", "5")}
        page = session.get(url, headers=headers).json()
        assert "@Microsoft.Dynamics.CRM.morerecords" not in page


def test_levels_of_metadata_in_rows() -> None:
    with (
        Sandbox(rows={}, schema=small_schema()) as sandbox,
        signed_in(sandbox) as session,
    ):
        maker = sandbox.store.create("new_maker", {"new_name": "m"})
        values = {"new_name": "w", "new_price": "12345678901.10", "new_makerid": maker}
        key = sandbox.store.create("new_widget", values)
        url = api(sandbox, "new_widgets?$select=new_name,new_price,_new_makerid_value&$count=true")
        prefer = {"Prefer": 'odata.include-annotations="*"'}

        def asked(level: str) -> requests.Response:
            accept = f"application/json;odata.metadata={level}"
            return session.get(url, headers={"Accept": accept, **prefer})

        usual = session.get(url, headers=prefer)
        assert asked("minimal").text == usual.text
        none = asked("none")
        assert "odata.metadata=none" in none.headers["Content-Type"]
        assert "@odata.context" not in none.json()
        assert none.json()["@odata.count"] == 1
        assert "@odata.etag" not in none.json()["value"][0]
        full = asked("full")
        assert "odata.metadata=full" in full.headers["Content-Type"]
        (row,) = full.json()["value"]
        assert row["@odata.type"] == "#Microsoft.Dynamics.CRM.new_widget"
        assert row["@odata.id"] == api(sandbox, f"new_widgets({key})")
        assert row["new_price@odata.type"] == "#Decimal"
        assert row["_new_makerid_value@odata.type"] == "#Guid"
        link = row["new_MakerId@odata.navigationLink"]
        assert session.get(link).json()["new_name"] == "m"
        for answer in (none, full):
            assert '"new_price":12345678901.10' in answer.text
        one = session.get(
            api(sandbox, f"new_widgets({key})"),
            headers={"Accept": "application/json;odata.metadata=none"},
        )
        assert not [name for name in one.json() if "@odata" in name]
        sandbox.switches = Switches().changed(metadata_level="ignored")
        assert asked("full").text == session.get(url, headers=prefer).text
