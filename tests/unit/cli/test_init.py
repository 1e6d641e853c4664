"""`init` writes what a newcomer can run at once; `sandbox` starts what it runs against."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.command_line import Cli

FILES = ["pipeline.py", ".dlt/config.toml", ".dlt/example.secrets.toml", ".gitignore"]


def start(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A Python process with nothing but the folder's settings."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith("SOURCES__")}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**kept, "DLT_PROJECT_DIR": str(folder), "DLT_DATA_DIR": str(folder / "dlt")},
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


def test_options_of_the_sandbox(cli: Cli) -> None:
    told = cli("sandbox", "--help")
    assert told.code == 0
    assert "--limits" in told.out
    assert cli("sandbox", "--rows", "nonsense").code == 2
