"""`init` writes what a newcomer can run at once; `sandbox` starts what it runs against."""

from __future__ import annotations

import ast
import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]

from dataverse_source.config.project_names import pipeline_name
from dataverse_source.sandbox import Sandbox
from tests.support.command_line import Cli
from tests.support.servers import Answer, serving
from tests.support.settings import settings_of
from tests.support.terminal import Terminal

FILES = ["pipeline.py", ".dlt/config.toml", ".dlt/secrets.toml", ".gitignore"]


def start(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """A Python process with nothing but the folder's settings, and these variables."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith("SOURCES__")}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={
            **kept,
            "DLT_PROJECT_DIR": str(folder),
            "DLT_DATA_DIR": str(folder / "dlt"),
            **variables,
        },
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_files(cli: Cli, folder: Path) -> None:
    told = cli("init", "new")
    assert told.code == 0, told.err
    written = [str(one.relative_to("new")) for one in Path("new").rglob("*") if one.is_file()]
    assert sorted(written) == sorted(FILES)
    ignored = (folder / "new" / ".gitignore").read_text().splitlines()
    assert ".dlt/secrets.toml" in ignored
    assert "wrote new/pipeline.py" in told.out


def test_options(cli: Cli, folder: Path) -> None:
    url = "https://contoso.crm4.dynamics.com"
    told = cli("init", "--environment-url", url, "--table", "leads", "--table", "new_*", "--json")
    assert told.json() == {"written": FILES}
    config = (folder / ".dlt" / "config.toml").read_text()
    assert f'\nenvironment_url = "{url}"\n' in config
    assert '\ntables = ["leads", "new_*"]\n' in config


def test_lines_are_added_to_a_gitignore(cli: Cli, folder: Path) -> None:
    (folder / ".gitignore").write_text("build/\n.venv/\n# mine")
    told = cli("init")
    assert told.code == 0, told.err
    lines = (folder / ".gitignore").read_text().splitlines()
    assert lines[:4] == ["build/", ".venv/", "# mine", ".dlt/secrets.toml"]
    assert lines.count(".venv/") == 1
    assert ".dlt/pipelines/" in lines


def test_the_pipeline_is_named_after_the_folder(cli: Cli, folder: Path) -> None:
    assert cli("init", "My CRM 2").code == 0
    config = (folder / "My CRM 2" / ".dlt" / "config.toml").read_text()
    assert '\npipeline = "my_crm_2"\n' in config


@pytest.mark.parametrize("name", [one for one in FILES if one != ".gitignore"])
def test_never_over_a_file(cli: Cli, folder: Path, name: str) -> None:
    (folder / ".dlt").mkdir()
    (folder / name).write_text("mine")
    told = cli("init")
    assert told.code == 2
    assert name in told.err
    assert (folder / name).read_text() == "mine"
    assert [one.name for one in folder.rglob("*") if one.is_file()] == [Path(name).name]


def test_a_folder_that_is_a_file(cli: Cli, folder: Path) -> None:
    (folder / "new").write_text("mine")
    assert cli("init", "new").code == 2
    (folder / ".dlt").write_text("mine")
    told = cli("init")
    assert told.code == 2
    assert (folder / ".dlt").read_text() == "mine"


@pytest.mark.slow
def test_what_it_writes_runs(cli: Cli, folder: Path) -> None:
    assert cli("init").code == 0
    done = start(folder, "pipeline.py")
    assert done.returncode == 0, done.stderr
    assert "accounts: 5,000 inserted" in done.stdout
    assert cli("status", "--json").json()["tables"][0]["rows"] == 5000


def test_secrets_are_for_this_user_only(cli: Cli, folder: Path) -> None:
    before = os.umask(0)
    try:
        assert cli("init").code == 0
    finally:
        os.umask(before)
    file = folder / ".dlt" / "secrets.toml"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_in_a_folder_that_uv_and_git_have_made(cli: Cli, folder: Path) -> None:
    made = {
        "main.py": "print()\n",
        "pyproject.toml": "[project]\n",
        "README.md": "",
        ".gitignore": "dist/\n",
    }
    for name, text in made.items():
        (folder / name).write_text(text)
    assert cli("init").code == 0
    ignored = (folder / ".gitignore").read_text()
    assert ignored.startswith("dist/\n.dlt/secrets.toml\n")
    assert {name: (folder / name).read_text() for name in made} == made | {".gitignore": ignored}


@pytest.mark.slow
def test_it_asks_on_a_terminal(folder: Path, sandbox: Sandbox) -> None:
    project = folder / "my crm"
    secret = str(sandbox.client_secret)
    with Terminal(
        "init", str(project), "--with", "cron", folder=folder, sandbox=sandbox
    ) as terminal:
        terminal.until("Address of the environment")
        terminal.type(f"{sandbox.environment_url}/main.aspx?appid=1")
        terminal.until("Directory")
        terminal.type(str(sandbox.tenant_id))
        terminal.until("Application")
        terminal.type("aaa8Q~" + "b" * 34)
        terminal.until("This is a client secret")
        terminal.type(str(sandbox.client_id))
        terminal.until("Client secret")
        terminal.type(str(sandbox.client_id))
        terminal.until("Value of the client secret")  # it is not shown from here on
        terminal.type(secret)
        terminal.until("dataverse-source check")
        assert terminal.end() == 0
        assert secret not in terminal.raw.decode()
    assert secret in (project / ".dlt" / "secrets.toml").read_text()
    needed = {
        name: text
        for name, text in settings_of(sandbox).items()
        if name.endswith(("CA_BUNDLE", "AUTHORITY_HOST"))
    }
    done = start(project, "-m", "dataverse_source", "check", **needed)
    assert done.returncode == 0, done.stdout + done.stderr
    # the line for cron, as cron runs it: by sh, with its variables and the project's settings
    lines = (project / "crontab").read_text().splitlines()
    variables = dict(line.split("=", 1) for line in lines if line.startswith("PRO"))
    command = lines[-1].split(None, 5)[5]
    kept = {name: text for name, text in os.environ.items() if not name.startswith("SOURCES__")}
    # the test's own project would be found first
    kept = {name: text for name, text in kept.items() if name != "DLT_PROJECT_DIR"}
    ran = subprocess.run(
        ["/bin/sh", "-c", command],
        env={**kept, **variables, **needed, "DLT_DATA_DIR": str(folder / "dlt")},
        cwd="/", capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    assert (project / "my_crm.duckdb").exists()


def test_nothing_is_asked_of_scripts(folder: Path, sandbox: Sandbox) -> None:
    with Terminal("init", "--no-input", folder=folder, sandbox=sandbox) as terminal:
        assert terminal.end() == 0
    assert 'environment_url = "sandbox"' in (folder / ".dlt" / "config.toml").read_text()


def test_more_files(cli: Cli, folder: Path) -> None:
    words = "cron,github,docker,airflow,dagster,kubernetes,spark"
    told = cli(
        "init", "--with", words, "--with", "prefect", "--table", "leads", "--table", "tasks",
        "--environment-url", "https://contoso.crm4.dynamics.com/", "--client-id", "the-client",
    )  # fmt: skip
    assert told.code == 0, told.err
    for name in ("airflow_dag.py", "dagster_assets.py", "prefect_flow.py", "pipeline.py"):
        text = (folder / name).read_text()
        ast.parse(text)
        named = f'PIPELINE = "{pipeline_name(folder.name)}"' in text
        assert named == (name != "pipeline.py")
    for name in ("airflow_parts_dag.py", "spark_parts.py"):
        ast.parse((folder / name).read_text())
    kinds = [one["kind"] for one in yaml.safe_load_all((folder / "kubernetes.yml").read_text())]
    assert kinds == ["CronJob", "Job"]
    assert f"PROJECT={folder}\n" in (folder / "crontab").read_text()
    workflow = yaml.safe_load((folder / ".github" / "workflows" / "dataverse.yml").read_text())
    assert workflow["permissions"]["id-token"] == "write"
    job = workflow["jobs"]["run"]
    assert job["env"]["SOURCES__DATAVERSE__CREDENTIALS__CLIENT_ID"] == "the-client"
    assert not any("CLIENT_SECRET" in name for name in job["env"])
    lines = (folder / "Dockerfile").read_text().splitlines()
    words_of = [line.split()[0] for line in lines]
    assert "-slim" in lines[words_of.index("FROM")]
    assert words_of.index("RUN") < words_of.index("USER") < words_of.index("ENTRYPOINT")
    assert lines[words_of.index("USER")] != "USER root"
    kept = (folder / ".dockerignore").read_text().splitlines()
    copied = lines[words_of.index("COPY")].split()[1]
    assert kept == ["*", f"!{copied}"]
    assert (folder / copied).is_file()


@pytest.mark.skipif(not all(map(shutil.which, ("bash", "curl"))), reason="bash and curl are needed")
def test_the_step_that_asks_github_for_a_token(cli: Cli, folder: Path) -> None:
    assert cli("init", "--with", "github").code == 0
    workflow = yaml.safe_load((folder / ".github" / "workflows" / "dataverse.yml").read_text())
    (step,) = (one for one in workflow["jobs"]["run"]["steps"] if "GitHub" in one.get("name", ""))
    body = json.dumps({"value": "the.job.token"}).encode()
    with serving(lambda _: Answer(200, body)) as github:
        done = subprocess.run(
            ["bash", "-e", "-o", "pipefail", "-c", step["run"]],
            env={
                "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
                "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "ask",
                "ACTIONS_ID_TOKEN_REQUEST_URL": f"{github.url}/token?api-version=2.0",
                "RUNNER_TEMP": str(folder),
                "GITHUB_ENV": str(folder / "env"),
            },
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        (asked,) = github.received
    assert (done.returncode, done.stderr) == (0, "")
    assert asked.headers["authorization"] == "bearer ask"
    assert asked.target.endswith("audience=api://AzureADTokenExchange")
    name, path = (folder / "env").read_text().strip().split("=")
    assert name == "SOURCES__DATAVERSE__CREDENTIALS__ASSERTION_PATH"
    assert Path(path).read_text() == "the.job.token\n"
    assert stat.S_IMODE(Path(path).stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--with", "jenkins"), "choose from cron"),
        (("--client-id", "aaa8Q~" + "b" * 34), "The command line contains a secret"),
        (("--environment-url", "http://contoso.crm4.dynamics.com"), "Use https://"),
    ],
)
def test_what_it_refuses(cli: Cli, folder: Path, arguments: tuple[str, ...], words: str) -> None:
    told = cli("init", *arguments)
    assert told.code == 2
    assert words in told.err
    assert "bbbb" not in told.err
    assert not list(folder.iterdir())


def test_options_of_the_sandbox(cli: Cli) -> None:
    told = cli("sandbox", "--help")
    assert told.code == 0
    assert "--limits" in told.out
    assert cli("sandbox", "--rows", "nonsense").code == 2
