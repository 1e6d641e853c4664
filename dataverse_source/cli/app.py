"""The program ``dataverse-source``: its commands, exit codes and error output.

Each command's module is imported when the command is used: importing dlt, pyarrow and MSAL takes
seconds, and ``--help`` and shell completion must not wait for them.
"""

from __future__ import annotations

import importlib
import io
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

import click

from dataverse_source.cli.failures import (
    FAILED,
    INTERRUPTED,
    WRONG,
    exit_code,
    known_error,
    report_error,
)
from dataverse_source.cli.screen import Screen, discard_stdout

NAME = "dataverse-source"

COMMANDS = {
    "check": "Check settings, sign-in, permissions and tables.",
    "tables": "List the tables of the environment.",
    "describe": "Show a table's columns, types, choices, keys and sync mode.",
    "preview": "Show a few rows of a table as they would be loaded.",
    "run": "Sync tables to the destination.",
    "plan": "Plan the first load of a huge table in parts, and forecast it.",
    "part": "Read one part of a plan; many processes may read at once.",
    "finish": "Load the parts of a plan, and what has changed since.",
    "status": "Show the sync state of each table; sends no request.",
    "history": "Show the last runs, or the last runs of a table.",
    "report": "Write the history of runs to an HTML file to look at.",
    "freshness": "Tell how old the tables are; the exit code is for alerts.",
    "verify": "Compare loaded tables with Dataverse, row by row.",
    "reset": "Force a full reload of tables on the next run.",
    "sandbox": "Start a local Dataverse for trials and tests.",
    "init": "Create a starter pipeline in a folder.",
    "completion": "Print the completion script for a shell.",
}
"""Name and purpose of each command, the most needed first; its module has the same name. The
purposes are here so that ``--help`` imports no command."""

ANYWHERE = ("--no-color", "--traceback")
"""Options of the program that may stand after the command, too."""

EPILOG = """\
Exit codes: 0 success; 1 the run or some tables failed; 2 wrong usage or configuration; 130
interrupted.

Settings come from .dlt/config.toml, .dlt/secrets.toml and environment variables, as for any dlt
pipeline."""


class Commands(click.Group):
    """The group of commands; each is imported when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """All names, the most needed first."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The command of this name, None if there is none."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"dataverse_source.cli.commands.{cmd_name}")
        command: click.Command = module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that the arguments begin with.

        Raises:
            UsageError: there is no such command; the message suggests the nearest one.
        """
        from dataverse_source.errors import did_you_mean

        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            text = f"{error.message.rstrip('.')}. {did_you_mean(args[0], COMMANDS)}"
            raise click.UsageError(text.rstrip(), ctx) from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """The list in the help text."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """The end of the help text."""
        for paragraph in EPILOG.split("\n\n"):
            formatter.write_paragraph()
            formatter.write_text(paragraph.replace("\n", " "))


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80},
)
@click.version_option(None, "-V", "--version", package_name="dlt-dataverse", prog_name=NAME)
@click.option("--no-color", is_flag=True, help="Print without colours; NO_COLOR=1 does the same.")
@click.option("--traceback", is_flag=True, help="Show the traceback of an error.")
@click.pass_context
def program(ctx: click.Context, no_color: bool, traceback: bool) -> None:
    """Load Microsoft Dataverse into DuckDB or any other dlt destination."""
    screen = ctx.find_object(Screen)
    if screen is not None:
        screen.no_color |= no_color
        screen.traceback |= traceback


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and end the process with its exit code."""
    os.umask(0o077)  # files with rows, state and settings are for this user only
    for stream in (sys.stdout, sys.stderr):
        # A character that the terminal cannot show must not end the program.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    code = run(arguments)
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        discard_stdout()
    sys.exit(code)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    screen = Screen()
    try:
        _refuse_secrets(sys.argv[1:] if arguments is None else arguments)
        return _run(arguments, screen)
    except (KeyboardInterrupt, click.Abort):
        click.echo("Stopped.", err=True)
        return INTERRUPTED
    except BrokenPipeError:  # of click's own output, as for --help | head
        discard_stdout()
        return 0
    except SystemExit:  # click, without standalone mode, ends only when its output is closed
        discard_stdout()
        return 0
    except Exception as error:
        if screen.traceback:
            raise
        found = known_error(error)
        report_error(screen, found)
        return exit_code(found)


def _refuse_secrets(arguments: Sequence[str]) -> None:
    """Checks that no secret is on the command line: names there are printed, made and stored.

    Raises:
        ConfigurationError: one is.
    """
    from dataverse_source.errors import ConfigurationError, has_secret

    if "sandbox" in arguments[:1]:  # its --client-secret is for a local environment only
        return
    for number, text in enumerate(arguments, 1):
        if has_secret(text):
            raise ConfigurationError(
                "The command line contains a secret",
                where=f"argument {number}",
                remedy="Set client_secret in .dlt/secrets.toml, and make a new secret: this one is "
                "in your shell's history.",
            )


def _run(arguments: Sequence[str] | None, screen: Screen) -> int:
    given = sys.argv[1:] if arguments is None else list(arguments)
    own = [one for one in given if one in ANYWHERE]
    try:
        code = program.main(
            [*own, *(one for one in given if one not in ANYWHERE)],
            prog_name=NAME,
            standalone_mode=False,
            obj=screen,
        )
    except click.ClickException as error:
        error.show()
        return WRONG if isinstance(error, click.UsageError) else FAILED
    except click.exceptions.Exit as end:
        return end.exit_code
    return code if isinstance(code, int) else 0
