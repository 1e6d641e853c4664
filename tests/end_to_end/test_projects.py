"""A project is a folder: its pipeline, state and DuckDB file are its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dlt
import duckdb
import pytest

from dataverse_source import OtherEnvironmentError, dataverse, load, project_pipeline
from dataverse_source.sandbox import Sandbox
from tests.support.command_line import Cli
from tests.support.settings import settings_of

pytestmark = pytest.mark.slow

At = Callable[[str], Path]


@pytest.fixture
def at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> At:
    """Goes to a folder of a machine whose user has set nothing of dlt's."""
    monkeypatch.delenv("DLT_DATA_DIR")
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home" / "data"))
    monkeypatch.setattr(os, "geteuid", lambda: 1000, raising=False)  # dlt's folder of root is /var

    def go(name: str) -> Path:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        monkeypatch.chdir(folder)
        monkeypatch.setenv("DLT_PROJECT_DIR", str(folder))
        return folder

    return go


def use(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tables: str = "accounts") -> None:
    """Has the settings lead to a sandbox."""
    for name, value in settings_of(sandbox).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("SOURCES__DATAVERSE__TABLES", tables)


def accounts(file: Path) -> int:
    with duckdb.connect(str(file), read_only=True) as database:
        ((rows,),) = database.execute("SELECT count(*) FROM dataverse.accounts").fetchall()
    return int(rows)


def read(report: dict[str, Any]) -> int:
    return sum(one["rows_read"] for one in report["tables"] if one["name"] == "accounts")


@pytest.fixture
def other() -> Any:
    """Another environment, as a real one beside the sandbox."""
    with Sandbox(rows={"account": 30}, seed=2) as running:
        running.copy_over(rows={"account": 30}, seed=2)  # with an organization id of its own
        yield running


def test_two_projects(
    at: At, cli: Cli, sandbox: Sandbox, other: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        a = at("a-crm")
        use(sandbox, monkeypatch)
        first = cli("run", "--json").json()
        b = at("b-crm")
        use(other, monkeypatch)
        second = cli("run", "--json").json()
    assert (read(first), read(second)) == (0, 0)
    assert first["destination"] == str(a / "a_crm.duckdb")
    assert second["destination"] == str(b / "b_crm.duckdb")
    assert accounts(a / "a_crm.duckdb") == 60
    assert accounts(b / "b_crm.duckdb") == 30
    assert not list((a.parent / "home").rglob("pipelines"))
    assert cli("status", "--json").json()["pipeline"] == "b_crm"


def test_a_renamed_folder_goes_on(
    at: At, cli: Cli, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(sandbox, monkeypatch)
    before = at("crm")
    assert cli("run").code == 0
    after = before.with_name("crm2")
    before.rename(after)
    at("crm2")
    report = cli("run", "--json").json()
    assert report["destination"] == str(after / "crm.duckdb")
    assert read(report) == 0
    assert cli("status", "--json").json()["tables"][0]["rows"] == 60
    assert not before.exists()


def test_a_clone_has_its_own_file(
    at: At, cli: Cli, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(sandbox, monkeypatch)
    first = at("crm")
    assert cli("run").code == 0
    (first / "clones").mkdir()
    second = at("crm/clones") / "crm"
    second.mkdir()
    at("crm/clones/crm")
    report = cli("run", "--json").json()
    assert report["destination"] == str(second / "crm.duckdb")
    assert read(report) == 60


@pytest.mark.parametrize("missing", ["ENVIRONMENT_URL", "CREDENTIALS__CLIENT_SECRET"])
def test_nothing_stays_of_a_run_that_is_refused(
    at: At, cli: Cli, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    use(sandbox, monkeypatch)
    monkeypatch.delenv(f"SOURCES__DATAVERSE__{missing}")
    folder = at("crm")
    assert cli("run").code == 2
    assert list(folder.rglob("*")) == []
    assert cli("status").code == 2
    assert list(folder.rglob("*")) == []


@pytest.mark.parametrize(
    "wrong", [("acounts",), ("accounts", "--destination", "postgres"), ("--destination", "duckbd")]
)
def test_nothing_stays_of_wrong_names(
    at: At, cli: Cli, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, wrong: tuple[str, ...]
) -> None:
    use(sandbox, monkeypatch)
    folder = at("crm")
    told = cli("run", *wrong)
    assert told.code == 2, told.err
    if "postgres" in wrong:
        assert "DESTINATION__POSTGRES__CREDENTIALS__PASSWORD" in told.err
        assert len(told.err.splitlines()) < 8
    assert list(folder.rglob("*")) == []


def test_a_locked_file_names_the_process(
    at: At, cli: Cli, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(sandbox, monkeypatch)
    folder = at("crm")
    assert cli("run").code == 0
    hold = "import duckdb, sys; held = duckdb.connect(sys.argv[1])"
    wait = "print('held', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", f"{hold}; {wait}", str(folder / "crm.duckdb")]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        process.stdout.readline()
        ran, shown = cli("run"), cli("status")
        process.stdin.close()
    assert "accounts" in shown.out  # what the working folder knows
    for told in (ran, shown):
        assert told.code == 1
        assert f"(PID {process.pid})" in told.err.partition("what to do:")[2]
        assert str(folder / "crm.duckdb") in told.err


def test_a_refused_run_keeps_what_was_there(
    at: At, cli: Cli, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(sandbox, monkeypatch)
    folder = at("crm")
    assert cli("run").code == 0
    assert cli("run", "acounts").code == 2
    assert accounts(folder / "crm.duckdb") == 60
    assert read(cli("run", "--json").json()) == 0


def test_the_scripts_and_the_command_line_have_one_pipeline(
    at: At, cli: Cli, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(sandbox, monkeypatch)
    at("crm")
    with project_pipeline() as pipeline:
        load(pipeline, dataverse(tables=["accounts"]))
    status = cli("status", "--json").json()
    assert (status["pipeline"], status["tables"][0]["rows"]) == ("crm", 60)
    assert read(cli("run", "accounts", "--json").json()) == 0


@pytest.mark.parametrize("where", ["here", "--pipeline", "PIPELINE"])
def test_a_fresh_container_shows_what_is_in_the_destination(
    at: At, cli: Cli, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    use(sandbox, monkeypatch)
    folder = at("crm")
    monkeypatch.setenv("DESTINATION__DUCKDB__CREDENTIALS", str(folder / "rows.duckdb"))
    options = ["--pipeline", "mine"] if where == "--pipeline" else []
    if where == "PIPELINE":
        monkeypatch.setenv("SOURCES__DATAVERSE__PIPELINE", "mine")
    assert cli("run", *options, "--dataset", "raw").code == 0
    shutil.rmtree(folder / ".dlt")
    assert cli("status", *options).code == 2  # in another dataset
    assert not (folder / ".dlt").exists()
    status = cli("status", *options, "--dataset", "raw", "--json").json()
    assert status["pipeline"] == ("crm" if where == "here" else "mine")
    assert status["tables"][0]["rows"] == 60


def test_several_environments_by_name(
    at: At, cli: Cli, sandbox: Sandbox, other: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(sandbox, monkeypatch)
    folder = at("crm")
    monkeypatch.delenv("SOURCES__DATAVERSE__ENVIRONMENT_URL")
    for name, one in (("SALES", sandbox), ("SERVICE", other)):
        for variable, value in settings_of(one).items():
            own = variable.replace("SOURCES__DATAVERSE__", f"SOURCES__DATAVERSE__{name}__")
            monkeypatch.setenv(own, value)
    assert cli("run").code == 2
    for name in ("sales", "service"):
        assert cli("run", "--name", name).code == 0, name
    assert cli("status", "--name", "service", "--json").json()["tables"][0]["rows"] == 30
    assert read(cli("run", "accounts", "--name", "sales", "--json").json()) == 0
    assert sorted(one.name for one in folder.glob("*.duckdb")) == [
        "crm_sales.duckdb",
        "crm_service.duckdb",
    ]


def test_a_shared_data_folder_has_no_pipeline_of_two_projects(
    at: At, cli: Cli, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    use(sandbox, monkeypatch)
    monkeypatch.setenv("DLT_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("SOURCES__DATAVERSE__PIPELINE", "sales")
    first = at("a")
    assert cli("run").code == 0
    at("b")
    told = cli("run")
    assert told.code == 2
    assert f"that of another project, {first}" in told.err
    first.rename(tmp_path / "c")
    at("c")
    assert read(cli("run", "--json").json()) == 0


def test_the_pipeline_of_an_earlier_version_goes_on(
    at: At, cli: Cli, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(sandbox, monkeypatch)
    folder = at("crm")
    for name, other in (("dataverse_environment", "elsewhere"), ("dataverse_accounts", "crm")):
        at(other)
        made = dlt.pipeline(name, destination="duckdb", dataset_name="dataverse")
        made.set_local_state_val("initial_cwd", str(Path.cwd()))
        file = dlt.destinations.duckdb(str(Path.cwd() / f"{name}.duckdb"))
        made = dlt.pipeline(name, destination=file, dataset_name="dataverse")
        load(made, dataverse(tables=["accounts"]))
    at("crm")
    report = cli("run", "--json").json()
    assert read(report) == 0
    assert report["destination"] == str(folder / "dataverse_accounts.duckdb")
    assert (folder / ".dlt" / "pipelines" / "dataverse_accounts").is_dir()
    assert cli("status", "--json").json()["pipeline"] == "dataverse_accounts"


@pytest.mark.parametrize("setting", ["", "DELETES=keep", "HISTORY=true"])
def test_from_the_sandbox_to_a_real_environment(
    at: At,
    cli: Cli,
    sandbox: Sandbox,
    other: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    setting: str,
) -> None:
    name, _, value = setting.partition("=")
    if name:
        monkeypatch.setenv(f"SOURCES__DATAVERSE__{name}", value)
    use(sandbox, monkeypatch)
    folder = at("crm")
    assert cli("run").code == 0
    use(other, monkeypatch)
    told = cli("run")
    assert told.code == 2
    assert "--start-over" in told.err
    assert accounts(folder / "crm.duckdb") == 60
    with pytest.raises(OtherEnvironmentError), project_pipeline() as pipeline:
        load(pipeline, dataverse())
    report = cli("run", "--start-over", "--json").json()
    assert read(report) == 30
    assert accounts(folder / "crm.duckdb") == 30
    assert read(cli("run", "--json").json()) == 0
    with duckdb.connect(str(folder / "crm.duckdb"), read_only=True) as database:
        found = database.execute("SELECT table_name FROM duckdb_tables()").fetchall()
        if ("_dataverse_deletions",) in found:
            kept = database.execute("SELECT * FROM dataverse._dataverse_deletions")
            assert kept.fetchall() == []


def test_an_environment_with_a_new_address_goes_on(
    at: At, cli: Cli, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(sandbox, monkeypatch)
    at("crm")
    assert cli("run").code == 0
    with Sandbox(rows={"account": 60}, seed=1) as renamed:
        use(renamed, monkeypatch)
        told = cli("run")
        assert told.code == 0, told.err
