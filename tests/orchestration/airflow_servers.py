"""Airflow as in production: scheduler, DAG processor and API server, tables in PostgreSQL."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.destinations.servers import free_port, postgres, wait
from tests.orchestration.environments import environment_with

PACKAGES = ("apache-airflow>=3.1,<4", "asyncpg", "psycopg2-binary")
PATIENCE = 900
"""Seconds; far above what a run takes, also on a machine that has other things to do."""
SERVERS: Sequence[Sequence[str]] = (("api-server",), ("scheduler",), ("dag-processor",))
ENDED = ("success", "failed")


@dataclass
class Airflow:
    """A running Airflow.

    Attributes:
        programs: folder of its programs.
        home: its folder.
        address: of its database.
        variables: of its processes.
    """

    programs: Path
    home: Path
    address: str
    variables: dict[str, str]

    def command(self, *arguments: str) -> str:
        """Runs one of Airflow's commands; returns what it prints."""
        done = subprocess.run(
            [str(self.programs / "airflow"), *arguments],
            cwd=self.home,
            env=self.variables,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout

    def rows(self, sql: str, *values: Any) -> list[Any]:
        """Asks Airflow's database."""
        import psycopg2

        with closing(psycopg2.connect(self.address)) as database, database.cursor() as cursor:
            cursor.execute(sql, values)
            return list(cursor.fetchall())

    def wait_for(self, sql: str, *values: Any) -> list[Any]:
        """The rows of a query, as soon as there are any."""
        ends = time.monotonic() + PATIENCE
        while time.monotonic() < ends:
            found = self.rows(sql, *values)
            if found:
                return found
            time.sleep(1)
        pytest.fail(f"Airflow does not get as far as {sql} {values}: {self.logs()[-6000:]}")

    def known(self, *dags: str) -> None:
        """Waits until the DAG processor has parsed these DAGs."""
        for one in dags:
            self.wait_for("SELECT 1 FROM serialized_dag WHERE dag_id = %s", one)

    def start(self, dag: str, run: str) -> None:
        """Has the scheduler run a DAG."""
        self.command("dags", "trigger", dag, "--run-id", run)

    def ended(self, dag: str, run: str) -> dict[tuple[str, int], str]:
        """The state of each task when a run has ended, by task and map index."""
        self.wait_for(
            "SELECT state FROM dag_run WHERE dag_id = %s AND run_id = %s AND state IN %s",
            *(dag, run, ENDED),
        )
        sql = (
            "SELECT task_id, map_index, state FROM task_instance WHERE dag_id = %s AND run_id = %s"
        )
        return {(task, index): state for task, index, state in self.rows(sql, dag, run)}

    def log_of(self, dag: str, run: str, task: str, index: int = -1) -> str:
        """What all attempts of a task have logged."""
        folder = self.home / "logs" / f"dag_id={dag}" / f"run_id={run}" / f"task_id={task}"
        folder = folder if index < 0 else folder / f"map_index={index}"
        return "".join(one.read_text("utf-8", "replace") for one in sorted(folder.glob("*.log")))

    def logs(self) -> str:
        """What the servers and the tasks have written."""
        files = [*self.home.glob("*.log"), *(self.home / "logs").rglob("attempt=*.log")]
        return "\n".join(one.read_text("utf-8", "replace")[-3000:] for one in files)


@contextmanager
def airflow(folder: Path, dags: Path, variables: dict[str, str]) -> Iterator[Airflow]:
    """Airflow with its own scheduler and the LocalExecutor; it parses the folder of DAGs."""
    programs = environment_with(*PACKAGES)
    import psycopg2

    with ExitStack() as stack:
        server = stack.enter_context(postgres())
        with closing(psycopg2.connect(server)) as database:
            database.autocommit = True
            database.cursor().execute("CREATE DATABASE airflow")
        address = f"{server.rpartition('/')[0]}/airflow"
        home = folder / "airflow"
        home.mkdir()
        port = free_port()
        own = {
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
            "AIRFLOW__CORE__PARALLELISM": "4",
            "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": address.replace("://", "+psycopg2://"),
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__PORT": str(port),
            "AIRFLOW__API__WORKERS": "1",
            "AIRFLOW__API_AUTH__JWT_SECRET": "a secret of this test alone, and long enough for it "
            * 2,
            "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "5",
            "AIRFLOW__DAG_PROCESSOR__DAG_FILE_PROCESSOR_TIMEOUT": "300",
            "AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT": "300",
            "PATH": f"{programs}{os.pathsep}{variables['PATH']}",
        }
        running = Airflow(programs, home, address, {**variables, **own})
        running.command("db", "migrate")
        for arguments in SERVERS:
            log = stack.enter_context((home / f"{arguments[0]}.log").open("w+b"))
            process = subprocess.Popen(
                [str(programs / "airflow"), *arguments],
                cwd=home,
                env=running.variables,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
            stack.callback(_end, process)
            if arguments == SERVERS[0]:  # tasks fail whose worker finds nobody to report to
                wait(process, lambda: socket.create_connection(("127.0.0.1", port)).close(), log)
        yield running


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, 9)
        process.wait()
