"""``dataverse-source init``: creates a starter pipeline with its settings in a folder."""

from __future__ import annotations

import importlib.util
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dataverse_source.cli.options import json_option
from dataverse_source.cli.screen import Screen

if TYPE_CHECKING:
    from dataverse_source.cli.starter_files import Answers

SANDBOX = "sandbox"
WORDS = ("cron", "github", "docker", "kubernetes", "airflow", "dagster", "prefect", "spark")


def _extras(_: click.Context, __: click.Parameter, given: tuple[str, ...]) -> tuple[str, ...]:
    """The words of ``--with``, apart by commas or each in an option of its own."""
    words = [word.strip() for text in given for word in text.split(",") if word.strip()]
    unknown = [word for word in words if word not in WORDS]
    if unknown:
        raise click.BadParameter(f"{', '.join(unknown)}: choose from {', '.join(WORDS)}.")
    return tuple(dict.fromkeys(words))


@click.command("init")
@click.argument("folder", default=".", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--environment-url",
    metavar="URL",
    help="The environment to read from.  [default: asked for, else sandbox]",
)
@click.option("--tenant-id", metavar="ID", help="Directory (tenant) ID.")
@click.option("--client-id", metavar="ID", help="Application (client) ID.")
@click.option(
    "--table",
    "tables",
    metavar="NAME",
    multiple=True,
    default=["accounts"],
    show_default=True,
    help="A table or pattern; repeat the option for more.",
)
@click.option(
    "--with",
    "extras",
    metavar="WORDS",
    multiple=True,
    callback=_extras,
    help=f"More files, of {', '.join(WORDS)}; apart by commas.",
)
@click.option("--no-input", is_flag=True, help="Ask nothing, also on a terminal.")
@json_option
@click.pass_obj
def command(
    screen: Screen,
    folder: Path,
    environment_url: str | None,
    tenant_id: str | None,
    client_id: str | None,
    tables: tuple[str, ...],
    extras: tuple[str, ...],
    no_input: bool,
) -> None:
    """Create a starter pipeline, its settings and secrets.toml in FOLDER.

    On a terminal it asks for the environment, the tenant, the client id and the secret, which is
    not shown and goes to .dlt/secrets.toml, readable for you alone. Existing files are never
    overwritten: if one exists, nothing is written. Only lines that .gitignore lacks are added.
    """
    from dataverse_source.cli.starter_files import Answers, add_to_gitignore, starter_files, write

    given = {"environment_url": environment_url, "tenant_id": tenant_id, "client_id": client_id}
    asked = not (no_input or screen.json) and sys.stdin.isatty()
    for name, text in given.items():
        if text:
            given[name] = CHECKS[name](text)
    answers = Answers(tables=tables, **(_ask(given) if asked else _plain(given)))
    files = starter_files(folder, answers, extras)
    write(folder, files)
    shown = [str(folder / name) for name in (*files, *add_to_gitignore(folder))]
    screen.show({"written": shown}, lambda _: _tell(shown, answers))


def _plain(given: dict[str, str | None]) -> dict[str, str]:
    return {"environment_url": SANDBOX} | {name: text for name, text in given.items() if text}


def _ask(given: dict[str, str | None]) -> dict[str, str]:
    """Asks for what is not given; only the environment if that is the sandbox."""
    found = {name: text for name, text in given.items() if text}
    if "environment_url" not in found:
        question = "Address of the environment (sandbox: a local one with made-up rows)"
        found["environment_url"] = click.prompt(
            question, default=SANDBOX, value_proc=CHECKS["environment_url"]
        )
    if found["environment_url"] == SANDBOX:
        return found
    for name, question in (
        ("tenant_id", "Directory (tenant) ID (empty: the environment is asked for it)"),
        ("client_id", "Application (client) ID"),
    ):
        if name not in found:
            found[name] = click.prompt(
                question, default="", show_default=False, value_proc=CHECKS[name]
            )
    found["client_secret"] = _secret()
    return found


def _secret() -> str:
    """The secret, which is not shown while it is typed; empty: there is none."""
    question = "Client secret (not shown; empty: another way to sign in, or later)"
    while True:
        secret: str = click.prompt(question, default="", show_default=False, hide_input=True)
        if not _is_id(secret.strip()):
            return secret.strip()
        click.echo("This is the secret's id. Entra shows the value only once: make a new one.")
        question = "Value of the client secret"


def _environment(text: str) -> str:
    from dataverse_source.client.urls import environment_base
    from dataverse_source.errors import ConfigurationError

    text = _no_secret(text)
    try:
        return text if text == SANDBOX else environment_base(text)
    except ConfigurationError as error:
        raise click.UsageError(f"{error.what}. {error.remedy or ''}".rstrip()) from error


def _no_secret(text: str) -> str:
    from dataverse_source.errors import has_secret

    if has_secret(text):
        raise click.UsageError("This is a client secret. It is asked for last, and never shown.")
    return text.strip()


CHECKS: dict[str, Callable[[str], str]] = {
    "environment_url": _environment,
    "tenant_id": _no_secret,
    "client_id": _no_secret,
}
"""What makes each answer of what was typed; raises click.UsageError, which has it asked again."""


def _is_id(text: str) -> bool:
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True


def _tell(written: list[str], answers: Answers) -> None:
    for name in written:
        click.echo(f"wrote {name}")
    if answers.environment_url == SANDBOX:
        if importlib.util.find_spec("trustme") is None:
            click.echo("\nThe sandbox needs more packages: pip install 'dlt-dataverse[sandbox]'")
        click.echo("\nNow, in that folder: dataverse-source run")
        return
    if not answers.client_secret:
        click.echo("\nNow say in .dlt/secrets.toml who signs in.")
    click.echo("\nNow, in that folder: dataverse-source check")
