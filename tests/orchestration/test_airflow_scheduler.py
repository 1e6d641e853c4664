"""Both Airflow DAGs under Airflow's own scheduler, with the LocalExecutor and PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest

from dataverse_source.sandbox import Sandbox
from dataverse_source.sandbox.schema import schema_changes
from dataverse_source.sandbox.schema.tables import Column
from tests.orchestration.airflow_servers import Airflow, airflow
from tests.orchestration.runs import EXAMPLES, check_equal, with_few_buckets

pytest.importorskip("psycopg2", reason="uv run --group destinations pytest -m orchestration")

pytestmark = [pytest.mark.orchestration, pytest.mark.slow]

TABLES, PARTS, BACKFILL = "dataverse_tables", "dataverse_table_in_parts", "dataverse_backfill"

KILL = """
    import os, signal
    from pathlib import Path
    from {module} import {name}
    mark = Path({folder!r}) / "{name}.killed"
    if {condition} and not mark.exists():
        mark.touch()
        {name}.{method} = lambda *_args, **_kwargs: os.kill(os.getpid(), signal.SIGKILL)
"""
"""Lines of a task that end its first attempt by SIGKILL in the middle of its work."""

BACKFILL_DAG = """
import os
from datetime import datetime, timezone
for name in ("ONLY_TOML_FRAGMENTS", "ONLY_SECRETS"):
    os.environ.setdefault(f"PROVIDERS__AIRFLOW_SECRETS__{name}", "true")
from airflow.sdk import dag, task, CronDataIntervalTimetable

@task
def load_range(name: str) -> None:
    import dlt
    from dataverse_source import dataverse, load
    ours = dlt.sources.incremental[datetime]("modifiedon", allow_external_schedulers=True)
    source = dataverse(tables=["accounts"])
    source.accounts.apply_hints(incremental=ours)
    pipeline = dlt.pipeline(name, destination="duckdb", dataset_name="dataverse")
    print(load(pipeline, source))

for name, schedule in (
    ("dataverse_backfill", CronDataIntervalTimetable("0 0 * * *", timezone="UTC")),
    ("dataverse_backfill_of_nothing", "0 0 * * *"),
):
    @dag(dag_id=name, schedule=schedule, start_date=datetime(2020, 1, 1, tzinfo=timezone.utc),
         catchup=False, max_active_runs=1, is_paused_upon_creation=True)
    def backfill() -> None:
        load_range(name)

    backfill()
"""


def replaced(text: str, changes: dict[str, str]) -> str:
    for old, new in changes.items():
        assert old in text, old
        text = text.replace(old, new)
    return text


@pytest.fixture
def servers(variables: dict[str, str], tmp_path: Path) -> Iterator[Airflow]:
    """Airflow with the recipes; retries come at once, and some tasks are killed the first time."""
    dags = tmp_path / "dags"
    dags.mkdir()
    soon = {"timedelta(minutes=5)": "timedelta(seconds=1)"}
    tables = with_few_buckets("airflow_dag.py", dags)
    tables.write_text(replaced(tables.read_text("utf-8"), soon), "utf-8")
    reading = "dataverse_source.loading.parts.landing"
    part = KILL.format(
        module=reading, name="Landing", method="put", condition="number == 1", folder=str(tmp_path)
    )
    finish = KILL.format(
        module="dlt.load.load",
        name="Load",
        method="complete_package",
        condition="plan['numbers']",
        folder=str(tmp_path),
    )
    read = "    from dataverse_source import read_part\n"
    load = "    from dataverse_source import finish_load, project_pipeline\n"
    parts = replaced(
        (EXAMPLES / "airflow_parts_dag.py").read_text("utf-8"),
        {**soon, "PARTS = 64": "PARTS = 3", read: f"{read}{part}", load: f"{load}{finish}"},
    )
    database = tmp_path / "parts.duckdb"
    parts = parts.replace(
        "project_pipeline(PIPELINE)",
        f"project_pipeline(PIPELINE, destination=placed({str(database)!r}))",
    )
    parts += "\n\ndef placed(file):\n    import dlt\n    return dlt.destinations.duckdb(file)\n"
    (dags / "airflow_parts_dag.py").write_text(parts, "utf-8")
    (dags / "backfill.py").write_text(BACKFILL_DAG, "utf-8")
    variables["DATAVERSE_BACKFILL__DESTINATION__DUCKDB__CREDENTIALS"] = str(
        tmp_path / "backfill.duckdb"
    )
    with airflow(tmp_path, dags, variables) as running:
        running.known(TABLES, PARTS, BACKFILL)
        yield running


def test_recipes_under_the_scheduler(
    servers: Airflow, organization: Sandbox, tmp_path: Path
) -> None:
    """One test, as the servers take long to start."""
    everything = tmp_path / "all.duckdb"
    both = dict.fromkeys(("accounts", "contacts"), everything)
    servers.start(TABLES, "first")
    servers.start(TABLES, "second")
    states = servers.ended(TABLES, "first")
    assert sorted(states.values()) == ["skipped", "success", "success"]
    check_after(servers, organization, both)
    one_fails(servers, organization, everything)
    parts_with_kills(servers, organization, tmp_path)
    backfills(servers, organization, tmp_path)


def check_after(servers: Airflow, organization: Sandbox, files: dict[str, Path]) -> None:
    """Two runs that were started at once come one after the other; the second changes nothing."""
    states = servers.ended(TABLES, "second")
    assert set(states.values()) == {"skipped"}
    ((overlap,),) = servers.rows(
        "SELECT count(*) FROM dag_run a JOIN dag_run b ON a.dag_id = b.dag_id AND a.id < b.id "
        "WHERE a.dag_id = %s AND a.start_date < b.end_date AND b.start_date < a.end_date",
        TABLES,
    )
    assert overlap == 0
    check_equal(organization, files)
    # dlt asks Airflow for variables; one for each of its settings takes longer than the load
    asked = (servers.home / "api-server.log").read_text("utf-8").count("/execution/variables/")
    assert asked < 30 * 6, f"{asked} requests for variables"


def one_fails(servers: Airflow, organization: Sandbox, file: Path) -> None:
    """The task of one bucket fails, with our message in its log; the others load."""
    store = organization.store
    before = store.schema
    schema = before
    for name in ("new_code_", "new_codex"):
        schema = schema_changes.with_column(schema, "contact", Column(name, "String"))
    store.change_schema(schema)
    keys = sorted(str(row["accountid"]) for row in store.rows("account"))
    store.update("account", keys[0], {"name": "Changed"})
    servers.start(TABLES, "third")
    states = servers.ended(TABLES, "third")
    assert states == {("load", 0): "failed", ("load", 1): "skipped", ("load", 2): "success"}
    said = servers.log_of(TABLES, "third", "load", 0)
    assert "Columns new_code_ and new_codex of contacts" in said
    assert "what to do" in said
    check_equal(organization, {"accounts": file})
    store.change_schema(before)
    servers.start(TABLES, "fourth")
    assert servers.ended(TABLES, "fourth")["load", 0] in ("success", "skipped")
    check_equal(organization, dict.fromkeys(("accounts", "contacts"), file))


def parts_with_kills(servers: Airflow, organization: Sandbox, folder: Path) -> None:
    """A part and finish are killed by SIGKILL and tried again; then it is the ordinary run."""
    accounts = {"accounts": folder / "parts.duckdb"}
    servers.start(PARTS, "first")
    states = servers.ended(PARTS, "first")
    assert set(states.values()) == {"success"}, servers.logs()[-5000:]
    assert [states["part", number] for number in range(3)] == ["success"] * 3
    assert (folder / "Landing.killed").exists()
    assert (folder / "Load.killed").exists()
    check_equal(organization, accounts)
    keys = sorted(str(row["accountid"]) for row in organization.store.rows("account"))
    organization.store.update("account", keys[0], {"name": "Changed once more"})
    organization.store.delete("account", keys[1])
    servers.start(PARTS, "second")
    states = servers.ended(PARTS, "second")
    assert states["finish", -1] == "success"
    assert states["part", -1] == "skipped"
    check_equal(organization, accounts)


def backfills(servers: Airflow, organization: Sandbox, folder: Path) -> None:
    """A backfill loads the rows of its days; with a plain cron text it fails and says why."""
    moments = sorted(row["modifiedon"] for row in organization.store.rows("account"))
    first = moments[len(moments) // 2].replace(hour=0, minute=0, second=0, microsecond=0)
    last = first + timedelta(days=3)
    for name in (BACKFILL, "dataverse_backfill_of_nothing"):
        servers.command("dags", "unpause", name)
        servers.command(
            *("backfill", "create", "--dag-id", name, "--max-active-runs", "1"),
            *("--from-date", f"{first:%Y-%m-%d}", "--to-date", f"{last:%Y-%m-%d}"),
        )
    sql = (
        "SELECT run_id, state FROM dag_run WHERE dag_id = %s AND NOT EXISTS (SELECT 1 FROM dag_run "
        "d WHERE d.dag_id = dag_run.dag_id AND d.state NOT IN ('success', 'failed'))"
    )
    runs = servers.wait_for(sql, BACKFILL)
    assert {state for _, state in runs} == {"success"}, servers.logs()[-5000:]
    nothing = servers.wait_for(sql, "dataverse_backfill_of_nothing")
    assert {state for _, state in nothing} == {"failed"}
    said = servers.log_of("dataverse_backfill_of_nothing", nothing[0][0], "load_range")
    assert "range" in said
    days = servers.rows(
        "SELECT data_interval_start, data_interval_end FROM dag_run WHERE dag_id = %s", BACKFILL
    )
    assert len(days) >= 4
    wanted = {
        str(row["accountid"])
        for row in organization.store.rows("account")
        if any(start <= row["modifiedon"] < end for start, end in days)
    }
    assert wanted
    with duckdb.connect(str(folder / "backfill.duckdb"), read_only=True) as database:
        found = database.execute("SELECT accountid FROM dataverse.accounts").fetchall()
    assert {key for (key,) in found} == wanted
