"""The files that ``init`` writes: the recipes beside this module, filled in."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dataverse_source import __version__
from dataverse_source.config.project_names import pipeline_name
from dataverse_source.errors import ConfigurationError

RECIPES = Path(__file__).parent / "recipes"

EXTRAS: Mapping[str, Mapping[str, str]] = {
    "cron": {"crontab": "crontab"},
    "github": {".github/workflows/dataverse.yml": "github.yml"},
    "docker": {"Dockerfile": "Dockerfile", ".dockerignore": "dockerignore"},
    "kubernetes": {
        "kubernetes.yml": "kubernetes.yml",
        "Dockerfile": "Dockerfile",
        ".dockerignore": "dockerignore",
    },
    "airflow": {
        "airflow_dag.py": "airflow_dag.py",
        "airflow_parts_dag.py": "airflow_parts_dag.py",
    },
    "dagster": {"dagster_assets.py": "dagster_assets.py"},
    "prefect": {"prefect_flow.py": "prefect_flow.py"},
    "spark": {"spark_parts.py": "spark_parts.py"},
}
"""Files in the project, each with the recipe that it is made of, by the word of ``--with``."""

ALWAYS = {
    "pipeline.py": "pipeline.py",
    ".dlt/config.toml": "config.toml",
    ".dlt/secrets.toml": "secrets.toml",
}

BUCKET_RECIPES = ("airflow_dag.py", "dagster_assets.py", "prefect_flow.py")
_SECRET_FILES = (".dlt/secrets.toml",)
_NO_ID = "00000000-0000-0000-0000-000000000000"


@dataclass(frozen=True)
class Answers:
    """What is known of the project; empty texts are not known.

    Attributes:
        environment_url: the environment's address, or ``sandbox``.
        tables: names or patterns.
        tenant_id: of the app registration.
        client_id: likewise.
        client_secret: likewise.
    """

    environment_url: str
    tables: Sequence[str]
    tenant_id: str = ""
    client_id: str = ""
    client_secret: str = ""


def starter_files(folder: Path, answers: Answers, extras: Sequence[str]) -> dict[str, str]:
    """The text of each file, by its name in the folder."""
    recipes = dict(ALWAYS)
    for one in extras:
        recipes |= EXTRAS[one]
    return {name: _filled(recipe, folder, answers) for name, recipe in recipes.items()}


def write(folder: Path, files: Mapping[str, str]) -> None:
    """Writes all files or none; only this user may read those with secrets.

    Raises:
        ConfigurationError: one of them exists, or the folder is not writable.
    """
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
            mode = 0o600 if name in _SECRET_FILES else 0o666
            made = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
            with os.fdopen(made, "w", encoding="utf-8", newline="\n") as stream:
                stream.write(text)
    except OSError as error:
        raise ConfigurationError(
            "The files cannot be written", where=str(folder), why=str(error)
        ) from error


def add_to_gitignore(folder: Path) -> list[str]:
    """Adds the lines that .gitignore lacks; returns its name if there are any."""
    path = folder / ".gitignore"
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    wanted = (RECIPES / "gitignore").read_text(encoding="utf-8").splitlines()
    missing = [one for one in wanted if one not in text.splitlines()]
    if not missing:
        return []
    between = "" if not text or text.endswith("\n") else "\n"
    with path.open("a", encoding="utf-8", newline="\n") as stream:
        stream.write(between + "\n".join(missing) + "\n")
    return [path.name]


def _filled(recipe: str, folder: Path, answers: Answers) -> str:
    text = (RECIPES / recipe).read_text(encoding="utf-8")
    for old, new in _values(recipe, folder.resolve(), answers).items():
        if old not in text:
            raise AssertionError(f"{recipe} has no {old!r}")
        text = text.replace(old, new)
    return text


def _values(recipe: str, folder: Path, answers: Answers) -> dict[str, str]:
    """What takes the place of the recipe's examples."""
    if recipe == "config.toml":
        url = _text(answers.environment_url)
        return {
            'pipeline = "dataverse"': f"pipeline = {_text(pipeline_name(folder.name))}",
            '\nenvironment_url = "sandbox"': f"\nenvironment_url = {url}",
            '["accounts"]': _list(answers.tables),
        }
    if recipe == "secrets.toml":
        names = ("tenant_id", "client_id", "client_secret")
        known = {name: str(getattr(answers, name)) for name in names}
        return {f'# {name} = ""': f"{name} = {_text(text)}" for name, text in known.items() if text}
    if recipe == "crontab":
        return {
            "PROJECT=/srv/crm": f"PROJECT={folder}",
            f"PROGRAM={_EXAMPLE}": f"PROGRAM={_program(folder)}",
        }
    if recipe == "github.yml":
        pinned = {"'dlt-dataverse'": f"'dlt-dataverse=={__version__}'"}
        ids = {"TENANT_ID": answers.tenant_id, "CLIENT_ID": answers.client_id}
        return pinned | {
            f"{name}: {_NO_ID}": f"{name}: {text}" for name, text in ids.items() if text
        }
    if recipe == "Dockerfile":
        return {"'dlt-dataverse'": f"'dlt-dataverse=={__version__}'"}
    if recipe in BUCKET_RECIPES:
        name = _text(pipeline_name(folder.name))
        return {'PIPELINE = "dataverse"': f"PIPELINE = {name}"}
    return {}


_EXAMPLE = "/srv/crm/.venv/bin/dataverse-source"


def _program(folder: Path) -> Path:
    """The program in the project's environment, else in the one that runs now."""
    name = Path("bin", "dataverse-source")
    own = folder / ".venv" / name
    return own if own.exists() else Path(sys.executable).with_name(name.name)


def _text(text: str) -> str:
    """A text as TOML, Python and YAML write it."""
    return json.dumps(text, ensure_ascii=False)


def _list(names: Sequence[str]) -> str:
    return f"[{', '.join(map(_text, names))}]"
