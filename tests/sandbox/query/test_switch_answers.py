"""Switches whose every value shows in one answer."""

from __future__ import annotations

import re

import pytest

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
