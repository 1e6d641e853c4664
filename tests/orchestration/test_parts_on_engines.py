"""A table's parts on the workers of Spark and Ray, of which one is killed by SIGKILL."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest

from dataverse_source.sandbox import Sandbox
from tests.orchestration.environments import environment_with
from tests.orchestration.runs import EXAMPLES, check_two_runs, start

pytestmark = [pytest.mark.orchestration, pytest.mark.slow]

KILLED = """
            import os, signal
            from pathlib import Path
            from dataverse_source.loading.parts.landing import Landing
            mark = Path({mark!r})
            if number == 1 and not mark.exists():
                mark.touch()
                Landing.put = lambda *_args: os.kill(os.getpid(), signal.SIGKILL)
"""
"""Ends the worker that reads part 1 for the first time, before its manifest is written."""

RAY = """
import os
import ray
from dataverse_source import finish_load, plan_load, project_pipeline, read_part

@ray.remote(max_retries=3)
def part(plan, number):
    if True:
        if True:{killed}
    return read_part(plan, number)

ray.init(num_cpus=2, include_dashboard=False, configure_logging=False, _node_ip_address="127.0.0.1")
with project_pipeline("dataverse_accounts") as pipeline:
    plan = plan_load("accounts", pipeline, 3)
    ray.get([part.remote(plan, number) for number in plan["numbers"]])
    print(finish_load(plan, pipeline))
"""


@pytest.fixture
def accounts(tmp_path: Path) -> dict[str, Path]:
    return {"accounts": tmp_path / "all.duckdb"}


def test_spark(
    organization: Sandbox, variables: dict[str, str], tmp_path: Path, accounts: dict[str, Path]
) -> None:
    if shutil.which("java") is None:
        pytest.skip("java is not there")
    programs = environment_with("pyspark>=4,<5", "pandas>=2.2")
    mark, script = tmp_path / "killed", tmp_path / "spark_parts.py"
    text = (EXAMPLES / "spark_parts.py").read_text("utf-8")
    reading = "                report = read_part(plan, number)\n"
    assert reading in text
    killed = KILLED.format(mark=str(mark)).replace("\n    ", "\n        ")
    text = text.replace(reading, f"{killed}\n{reading}").replace("PARTS = 64", "PARTS = 3")
    script.write_text(text, "utf-8")
    python = str(programs / "python")
    variables |= {"PYSPARK_PYTHON": python, "PYSPARK_DRIVER_PYTHON": python}
    variables |= {"SPARK_LOCAL_IP": "127.0.0.1", "SPARK_LOCAL_DIRS": str(tmp_path / "spark")}

    def run() -> None:
        command = [str(programs / "spark-submit"), "--master", "local[2,4]", str(script)]
        start(command, tmp_path, variables)

    check_two_runs(run, organization, accounts)
    assert mark.exists()
    assert not list((tmp_path / "landing").rglob("*.parquet"))


def test_ray(
    organization: Sandbox, variables: dict[str, str], tmp_path: Path, accounts: dict[str, Path]
) -> None:
    programs = environment_with("ray>=2.40,<3")
    mark, script = tmp_path / "killed", tmp_path / "ray_parts.py"
    script.write_text(RAY.format(killed=KILLED.format(mark=str(mark))), "utf-8")

    def run() -> None:
        with tempfile.TemporaryDirectory(
            prefix="ray-"
        ) as short:  # of sockets, whose paths are short
            own = {"RAY_TMPDIR": short, "RAY_USAGE_STATS_ENABLED": "0"}
            start([str(programs / "python"), str(script)], tmp_path, {**variables, **own})

    check_two_runs(run, organization, accounts)
    assert mark.exists()
