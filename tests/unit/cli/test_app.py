"""The command line as a whole: help, exit codes, errors."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from dataverse_source.cli.app import COMMANDS, run
from dataverse_source.errors import (
    AuthenticationError,
    ConfigurationError,
    TablesFailedError,
    UnknownNameError,
)
from dataverse_source.sandbox import Sandbox
from tests.support.command_line import Cli

HEAVY = ("dlt", "pyarrow", "msal", "requests", "duckdb", "cryptography", "rich", "lark")


def python(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def failing_with(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Has the command ``init`` fail."""

    @click.command("init")
    def command() -> None:
        raise error

    monkeypatch.setattr(
        importlib.import_module("dataverse_source.cli.commands.init"), "command", command
    )


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from dataverse_source.cli.app import run; "
        "assert run(['--help']) == 0; "
        f"assert not any(run([name, '--help']) for name in {sorted({*COMMANDS} - {'sandbox'})!r}); "
        f"print(sorted(set(sys.modules) & set({HEAVY!r})), file=sys.stderr)"
    )
    done = python("-c", code)
    assert done.returncode == 0
    assert done.stderr.strip() == "[]"
    for name in COMMANDS:
        assert f"\n  {name} " in done.stdout


@pytest.mark.parametrize("name", [one for one in COMMANDS if one != "sandbox"])
def test_each_command_tells_what_it_does(cli: Cli, name: str) -> None:
    module = importlib.import_module(f"dataverse_source.cli.commands.{name}")
    assert module.command.name == name
    told = cli(name, "--help")
    assert told.code == 0
    assert f"Usage: dataverse-source {name}" in told.out
    assert ("--json" in told.out) == (name != "completion")  # a script is no value
    assert max(map(len, told.out.splitlines())) <= 80


def test_as_a_module() -> None:
    done = python("-m", "dataverse_source", "--version")
    assert done.returncode == 0
    assert done.stdout.startswith("dataverse-source, version ")


def test_completion() -> None:
    done = python("-m", "dataverse_source", "completion", "zsh")
    assert done.returncode == 0
    assert "_DATAVERSE_SOURCE_COMPLETE=zsh_complete dataverse-source" in done.stdout
    assert done.stdout.startswith("#compdef dataverse-source")
    words = {"COMP_WORDS": "dataverse-source res", "COMP_CWORD": "1"}
    done = python("-m", "dataverse_source", _DATAVERSE_SOURCE_COMPLETE="bash_complete", **words)
    assert done.stdout.split() == ["plain,reset"]


def test_a_command_that_there_is_not(cli: Cli) -> None:
    told = cli("descrbe")
    assert told.code == 2
    assert "No such command 'descrbe'. Did you mean 'describe'?" in told.err


def test_a_wrong_option(cli: Cli) -> None:
    told = cli("run", "--fast")
    assert told.code == 2
    assert "No such option" in told.err
    assert "--fast" in told.err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigurationError("A setting is wrong", remedy="Set it right."), 2),
        (UnknownNameError("There is no table 'acounts'"), 2),
        (AuthenticationError("The secret is wrong"), 1),
        (TablesFailedError({"leads": ConfigurationError("Wrong")}, 3), 1),
    ],
)
def test_errors_end_with_their_code(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, error: Exception, code: int
) -> None:
    failing_with(monkeypatch, error)
    told = cli("init")
    assert (told.code, told.out, told.err) == (code, "", f"error: {error}\n")


def test_an_error_for_machines(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    inner = ConfigurationError("page_size is too large", where="here", setting="page_size")

    def fail() -> None:
        raise TablesFailedError(
            {"leads": ConfigurationError("Two settings are wrong", problems=(inner, inner))}, 3
        )

    monkeypatch.setattr("dataverse_source.cli.starter_files.write", lambda *_: fail())
    told = cli("init", "--json")
    assert told.code == 1
    error = told.json()["error"]
    assert error["type"] == "TablesFailedError"
    assert error["what"] == "1 of 3 tables failed; the others are loaded"
    assert set(error) == {"type", "what", "where", "why", "remedy", "request_id", "tables"}
    problems = error["tables"]["leads"]["problems"]
    assert [one["where"] for one in problems] == ["here", "here"]


def test_an_error_that_nobody_expects(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    failing_with(monkeypatch, ZeroDivisionError("division by zero"))
    told = cli("init")
    assert told.code == 1
    assert told.err.startswith("error: Unexpected error.")
    assert "ZeroDivisionError: division by zero" in told.err
    assert "Traceback" not in told.err
    with pytest.raises(ZeroDivisionError):
        run(["--traceback", "init"])


def test_an_error_behind_another(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    outer = RuntimeError("something of dlt")
    outer.__cause__ = AuthenticationError("The secret is wrong")
    failing_with(monkeypatch, outer)
    assert cli("init").err == "error: The secret is wrong.\n"


def test_being_stopped(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    failing_with(monkeypatch, KeyboardInterrupt())
    told = cli("init")
    assert (told.code, told.out) == (130, "")
    assert told.err.strip() == "Stopped."


SECRET = "aaa8Q~" + "b" * 34


@pytest.mark.parametrize(
    "arguments",
    [
        (SECRET,),
        ("history", "--last", SECRET),
        ("freshness", "--warn", SECRET),
        ("status", "--pipeline", SECRET),
        ("run", "--dataset", SECRET),
        ("check", "--destination", SECRET),
        ("init", f"{SECRET}/crm"),
    ],
)
def test_a_secret_on_the_command_line(cli: Cli, folder: Path, arguments: tuple[str, ...]) -> None:
    told = cli(*arguments)
    assert told.code == 2
    assert "The command line contains a secret" in told.err
    assert "bbbb" not in told.out + told.err
    assert not list(folder.iterdir())


@pytest.mark.parametrize(
    ("variable", "words"),
    [
        ("SOURCES__DATAVERSE__PIPELINE", "Setting pipeline contains a secret"),
        ("DESTINATION__DUCKDB__CREDENTIALS", "The path of the DuckDB file contains a secret"),
        ("DESTINATION_TYPE", "dlt has no destination"),
        (f"SOURCES__DATAVERSE__CREDENTIALS__{SECRET}", "Unknown setting credentials"),
    ],
)
def test_a_secret_in_a_setting_of_the_project(
    cli: Cli,
    folder: Path,
    configured: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    words: str,
) -> None:
    monkeypatch.setenv(variable, SECRET)
    for command in ("run", "check"):
        told = cli(command, "accounts")
        assert told.code in (1, 2)
        assert words in " ".join((told.out + told.err).split())
        assert "bbbb" not in told.out + told.err
    assert not list(folder.rglob("*b"))


def test_options_of_the_program_after_the_command(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing_with(monkeypatch, ZeroDivisionError("division by zero"))
    with pytest.raises(ZeroDivisionError):
        run(["init", "--traceback"])
    assert cli("-V").out == cli("--version").out != ""
