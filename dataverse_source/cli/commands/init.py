"""``dataverse-source init``: creates a starter pipeline with its settings in a folder."""

from __future__ import annotations

from pathlib import Path

import click

from dataverse_source.cli.options import json_option
from dataverse_source.cli.screen import Screen
from dataverse_source.config.project_names import pipeline_name

PIPELINE_SCRIPT = '''\
"""Sync the tables that .dlt/config.toml names; run it as often as you like."""

import os
import sys

from dataverse_source import DataverseError, dataverse, load, project_pipeline


def main() -> int:
    """Run the pipeline; the exit code is 0 only if everything is loaded."""
    os.umask(0o077)  # files with rows and state are for this user only
    try:
        with project_pipeline() as pipeline:
            print(load(pipeline, dataverse()))
    except DataverseError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
'''

CONFIG = """\
[runtime]
log_level = "WARNING"
dlthub_telemetry = false

[load]
delete_completed_jobs = true  # else the working folder keeps a copy of every loaded row

[sources.dataverse]
# Names the pipeline and its DuckDB file; keep it when the folder is renamed.
pipeline = {pipeline}

# "sandbox" is a local Dataverse with made-up rows; a real environment looks like this:
# environment_url = "https://contoso.crm4.dynamics.com"
environment_url = {environment_url}

# Entity set names, logical names, or patterns such as "new_*".
tables = [{tables}]
"""

SECRETS = """\
# Copy to secrets.toml and fill in. secrets.toml is never committed.

[sources.dataverse.credentials]
tenant_id = "00000000-0000-0000-0000-000000000000"  # Directory (tenant) ID
client_id = "00000000-0000-0000-0000-000000000000"  # Application (client) ID
client_secret = "the secret's value, not its id"
"""

IGNORED = """\
.dlt/secrets.toml
.dlt/pipelines/
*.duckdb
*.duckdb.wal
*.pem
*.pfx
__pycache__/
.venv/
"""


@click.command("init")
@click.argument("folder", default=".", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--environment-url",
    metavar="URL",
    default="sandbox",
    show_default=True,
    help="The environment to read from.",
)
@click.option(
    "--table",
    "tables",
    metavar="NAME",
    multiple=True,
    default=["accounts"],
    show_default=True,
    help="A table or pattern; repeat the option for more.",
)
@json_option
@click.pass_obj
def command(screen: Screen, folder: Path, environment_url: str, tables: tuple[str, ...]) -> None:
    """Create a starter pipeline, its settings and example secrets in FOLDER.

    Existing files are never overwritten: if one exists, nothing is written. Only lines that
    .gitignore lacks are added to it.
    """
    files = {
        "pipeline.py": PIPELINE_SCRIPT,
        ".dlt/config.toml": CONFIG.format(
            pipeline=_toml(pipeline_name(folder.resolve().name)),
            environment_url=_toml(environment_url),
            tables=", ".join(map(_toml, tables)),
        ),
        ".dlt/example.secrets.toml": SECRETS,
    }
    _write(folder, files)
    shown = [str(folder / name) for name in (*files, *_ignore(folder))]
    screen.show({"written": shown}, lambda _: _tell(shown, environment_url))


def _write(folder: Path, files: dict[str, str]) -> None:
    """Writes all files or none.

    Raises:
        ConfigurationError: one of them exists, or the folder is not writable.
    """
    from dataverse_source.errors import ConfigurationError

    there = [name for name in files if (folder / name).exists()]
    if there:
        raise ConfigurationError(
            "Nothing was written, because these files already exist: " + ", ".join(there),
            where=str(folder),
            remedy="Choose another folder: dataverse-source init FOLDER.",
        )
    try:
        for name, text in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("x", encoding="utf-8", newline="\n") as stream:
                stream.write(text)
    except OSError as error:
        raise ConfigurationError(
            "The files cannot be written", where=str(folder), why=str(error)
        ) from error


def _ignore(folder: Path) -> list[str]:
    """Adds the lines that .gitignore lacks; returns its name if there are any."""
    path = folder / ".gitignore"
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    missing = [one for one in IGNORED.splitlines() if one not in text.splitlines()]
    if not missing:
        return []
    between = "" if not text or text.endswith("\n") else "\n"
    with path.open("a", encoding="utf-8", newline="\n") as stream:
        stream.write(between + "\n".join(missing) + "\n")
    return [path.name]


def _toml(text: str) -> str:
    """Text as a TOML string."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _tell(written: list[str], environment_url: str) -> None:
    for name in written:
        click.echo(f"wrote {name}")
    if environment_url != "sandbox":
        click.echo("\nNow copy .dlt/example.secrets.toml to .dlt/secrets.toml and fill it in;")
        click.echo("then, in that folder: dataverse-source check")
    else:
        click.echo("\nNow, in that folder: dataverse-source run")
