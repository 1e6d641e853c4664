"""Tables that are not like others: activities with their parties, elastic tables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from dataverse_source.sandbox import Sandbox
from tests.support.comparing import assert_equal
from tests.support.loads import NewPipeline, Run
from tests.support.places import ROOT

ACTIVITIES = ("emails", "activitypointers", "activityparties")


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    rows = {"account": 3, "contact": 4, "email": 4, "task": 3, "activityparty": 12}
    with Sandbox(rows=rows, seed=1) as running:
        yield running


def sql_of_docs(beginning: str) -> str:
    """The SQL block of the page that contains these words."""
    page = (ROOT / "docs" / "special-tables.md").read_text(encoding="utf-8")
    blocks = [one.partition("```")[0] for one in page.split("```sql")[1:]]
    (found,) = [one for one in blocks if beginning in one]
    return found


def test_activities_and_their_parties(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline
) -> None:
    store = sandbox.store
    settings: dict[str, Any] = {"labels": True, "reconcile_interval": 0}
    run("contacts", *ACTIVITIES, **settings)
    contact = store.create("contact", {"fullname": "Ann", "firstname": "Ann"})
    email = store.create("email", {"subject": "Offer"})
    for role in (1, 2):
        values: dict[str, Any] = {"activityid": email, "activityid@table": "activitypointer"}
        values |= {"partyid": contact, "partyid@table": "contact", "participationtypemask": role}
        store.create("activityparty", values)
    emails = {one["activityid"] for one in store.rows("email")} - {email}
    activities = [one["activityid"] for one in store.rows("activityparty")]
    gone = next(one for one in activities if one in emails)
    parties = [one for one in store.rows("activityparty") if one["activityid"] == gone]
    store.delete("email", gone)
    assert all(store.row("activityparty", one["activitypartyid"]) is None for one in parties)
    report = run("contacts", *ACTIVITIES, **settings)
    modes = {one.name: one.mode for one in report.tables}
    assert (modes["emails"], modes["activityparties"]) == ("changes", "cursor")
    for table in ACTIVITIES:
        assert_equal(new_pipeline(), sandbox, table)
    pipeline = new_pipeline()
    with pipeline.sql_client() as client:
        found = client.execute_sql(sql_of_docs("participationtypemaskname"))
    offers = {(role, kind) for subject, role, kind, _ in found or () if subject == "Offer"}
    assert offers == {("Sender", "contact"), ("To Recipient", "contact")}


def test_a_partition_of_an_elastic_table(
    run: Run, sandbox: Sandbox, new_pipeline: NewPipeline
) -> None:
    store, table = sandbox.store, "new_sensorreading"
    for number in range(6):
        store.create(table, {"new_name": str(number), "partitionid": f"device-00{number % 2}"})
    own = {"new_sensorreadings": {"filter": "partitionid eq 'device-001'"}}
    run("new_sensorreadings", table_settings=own)

    def loaded() -> set[str]:
        with new_pipeline().sql_client() as client:
            found = client.execute_sql("SELECT new_name FROM new_sensorreadings")
            return {name for (name,) in found or ()}

    assert loaded() == {"1", "3", "5"}
    (first,) = [row for row in store.rows(table) if row["new_name"] == "1"]
    store.delete(table, first["new_sensorreadingid"], partition_id="device-001")
    run("new_sensorreadings", table_settings=own)
    assert loaded() == {"3", "5"}
