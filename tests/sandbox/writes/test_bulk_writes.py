from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from dataverse_source.sandbox.http.messages import Response
from dataverse_source.sandbox.schema.tables import AlternateKey
from tests.support.sandbox.reading import ROOT, Reading, reading, small_schema

MAKER = {"@odata.type": "Microsoft.Dynamics.CRM.new_maker"}
FIRST = "00000000-0000-0000-0000-000000000001"
MISSING = "00000000-0000-0000-0000-000000000099"


@pytest.fixture
def side() -> Iterator[Reading]:
    """Widgets, and makers with an alternate key."""
    base = small_schema("Restrict")
    widget, maker = base.tables
    keyed = replace(maker, keys=(AlternateKey("named", ("new_name",)),))
    with reading(replace(base, tables=(widget, keyed))) as made:
        yield made


def act(side: Reading, action: str, *targets: Any) -> Response:
    body = {"Targets": [{**MAKER, **target} for target in targets]}
    return side.ask(f"new_makers/Microsoft.Dynamics.CRM.{action}", method="POST", body=body)


def names(side: Reading) -> dict[str, str]:
    return {row["new_makerid"]: row["new_name"] for row in side.store.rows("new_maker")}


def test_create(side: Reading) -> None:
    given = [{"new_name": "a", "new_makerid": FIRST}, {"new_name": "b"}]
    answer = act(side, "CreateMultiple", *given)
    body = json.loads(answer.body)
    assert answer.status == 200
    assert body["@odata.context"] == (
        f"{ROOT}$metadata#Microsoft.Dynamics.CRM.CreateMultipleResponse"
    )
    assert body["Ids"][0] == FIRST
    assert names(side) == dict(zip(body["Ids"], "ab", strict=True))


def test_update(side: Reading) -> None:
    first, second = json.loads(
        act(side, "CreateMultiple", {"new_name": "a"}, {"new_name": "b"}).body
    )["Ids"]
    by_name = {"@odata.id": "new_makers(new_name='b')", "new_name": "d"}
    answer = act(side, "UpdateMultiple", {"new_makerid": first, "new_name": "c"}, by_name)
    assert (answer.status, answer.body) == (204, b"")
    assert names(side) == {first: "c", second: "d"}


def test_upsert(side: Reading) -> None:
    made = json.loads(act(side, "CreateMultiple", {"new_name": "a"}).body)["Ids"]
    by_key = {"new_makerid": FIRST, "new_name": "new"}
    by_name = [{"@odata.id": f"new_makers(new_name='{name}')"} for name in ("a", "it''s/so")]
    answer = act(side, "UpsertMultiple", by_key, {**by_name[0], "new_name": "b"}, by_name[1])
    assert (answer.status, answer.body) == (204, b"")
    found = names(side)
    assert (found.pop(FIRST), found.pop(made[0])) == ("new", "b")
    assert list(found.values()) == ["it's/so"]


@pytest.mark.parametrize(
    ("action", "target", "status"),
    [
        ("CreateMultiple", {"nothing": 1}, 400),
        ("CreateMultiple", {"@odata.type": "Microsoft.Dynamics.CRM.new_widget"}, 400),
        ("UpdateMultiple", {"new_makerid": MISSING, "new_name": "c"}, 404),
        ("UpdateMultiple", {"@odata.id": "new_makers(new_name='no')", "new_name": "c"}, 404),
        ("UpdateMultiple", {"new_name": "c"}, 400),
        ("UpsertMultiple", {"@odata.id": f"new_widgets({FIRST})"}, 400),
    ],
)
def test_all_or_none(side: Reading, action: str, target: dict[str, Any], status: int) -> None:
    act(side, "CreateMultiple", {"new_name": "a", "new_makerid": FIRST})
    good = {**MAKER, "new_name": "b"}
    if action != "CreateMultiple":
        good["new_makerid"] = FIRST
    found = side.fault(
        f"new_makers/Microsoft.Dynamics.CRM.{action}",
        method="POST",
        body={"Targets": [good, {**MAKER, **target}]},
    )
    assert found[0] == status
    assert names(side) == {FIRST: "a"}


@pytest.mark.parametrize("body", [{}, {"Targets": []}, {"Targets": [1]}, {"Targets": "a"}])
def test_targets_must_be_rows(side: Reading, body: dict[str, Any]) -> None:
    path = "new_makers/Microsoft.Dynamics.CRM.CreateMultiple"
    assert side.fault(path, method="POST", body=body)[0] == 400
