"""Every code block of README.md and docs/ does what it is for."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml  # type: ignore[import-untyped]
from dlt.common.configuration.container import Container
from dlt.common.configuration.providers import ConfigTomlProvider, SecretsTomlProvider
from dlt.common.configuration.providers.toml import StringTomlProvider
from dlt.common.configuration.specs.pluggable_run_context import PluggableRunContext

from dataverse_source.loading.configuration import configured, resolved
from dataverse_source.sandbox import Sandbox
from tests.docs.blocks import NEED_A_TENANT, NOT_RUN, Block, blocks
from tests.support.places import ROOT
from tests.support.servers import CLIENT
from tests.support.sign_in_material import assertion, certificate, key_pem, pem, written

LANGUAGES = {"json", "python", "sh", "sql", "toml", "yaml"}
SECTION = "SOURCES__DATAVERSE__"
NEEDED = {
    "environment_url": "https://contoso.crm4.dynamics.com",
    "tables": ["accounts", "contacts"],
}
CREDENTIALS = {"client_id": CLIENT, "client_secret": "the secret's value"}

# uv would make an environment of its own; here the one of the tests stands in for it.
UV = """#!/bin/sh
shift
case "$1" in
  *.py) exec python "$@" ;;
  *) exec "$@" ;;
esac
"""
CHECK_SETTINGS = """
from dataverse_source.loading.configuration import configured, resolved
settings, credentials = configured(None, **resolved())
print(settings.environment_url, *settings.tables)
"""


def named(found: list[Block]) -> list[object]:
    return [pytest.param(block, id=block.name) for block in found]


def runnable(language: str) -> list[Block]:
    """The blocks that are run, each text once."""
    found = {one.text: one for one in blocks(language) if not one.begins_like(NOT_RUN)}
    return list(found.values())


def test_there_is_a_test_for_each_language() -> None:
    assert {block.language for block in blocks()} == LANGUAGES


@pytest.mark.parametrize("beginning", [*NOT_RUN, *NEED_A_TENANT])
def test_what_is_listed_is_there(beginning: str) -> None:
    assert any(block.text.startswith(beginning) for block in blocks())


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with Sandbox(rows={"account": 20, "contact": 10}, control_port=0) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def second() -> Iterator[Sandbox]:
    """Another environment, for the pages that name two."""
    with Sandbox(rows={"account": 10, "contact": 5}) as sandbox:
        yield sandbox


@pytest.fixture
def environment(running: Sandbox, second: Sandbox, tmp_path: Path) -> dict[str, str]:
    """A scratch folder like a clone of the repository, with settings that lead to the sandbox."""
    (tmp_path / "pipelines").symlink_to(ROOT / "pipelines")
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "uv").write_text(UV, encoding="utf-8")
    (programs / "uv").chmod(stat.S_IRWXU)
    path = os.pathsep.join((str(programs), str(Path(sys.executable).parent), os.environ["PATH"]))
    kept = {name: text for name, text in os.environ.items() if not name.startswith("DLT_")}
    return {
        **kept,
        "PATH": path,
        "DLT_DATA_DIR": str(tmp_path / "dlt"),
        "CONTROL_TOKEN": running.control_token,
        **settings_of(running, SECTION),
        **settings_of(running, "SOURCES__EU__"),
        **settings_of(second, "SOURCES__US__"),
    }


def settings_of(sandbox: Sandbox, section: str) -> dict[str, str]:
    return {
        f"{section}ENVIRONMENT_URL": sandbox.environment_url,
        f"{section}TABLES": "accounts,contacts",
        f"{section}CA_BUNDLE": sandbox.ca_bundle,
        f"{section}CREDENTIALS__TENANT_ID": sandbox.tenant_id,
        f"{section}CREDENTIALS__CLIENT_ID": sandbox.client_id,
        f"{section}CREDENTIALS__CLIENT_SECRET": sandbox.client_secret,
        f"{section}CREDENTIALS__AUTHORITY_HOST": sandbox.authority_host,
    }


def run(command: list[str], folder: Path, environment: dict[str, str]) -> str:
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("block", named(runnable("python")))
def test_python(block: Block, environment: dict[str, str], tmp_path: Path) -> None:
    printed = run([sys.executable, "-c", block.text], tmp_path, environment)
    assert bool(printed) is ("print(" in block.text)


@pytest.mark.parametrize("block", named(blocks("python")))
def test_python_is_python(block: Block) -> None:
    ast.parse(block.text)


@pytest.mark.slow
@pytest.mark.skipif(
    not all(map(shutil.which, ("bash", "curl", "jq", "openssl"))),
    reason="bash, curl, jq and openssl are needed",
)
@pytest.mark.parametrize("block", named(runnable("sh")))
def test_shell(block: Block, environment: dict[str, str], running: Sandbox, tmp_path: Path) -> None:
    script = block.text
    if block.begins_like(NEED_A_TENANT):
        exports = (line for line in script.splitlines() if line.startswith("export "))
        script = "\n".join((*exports, f"python -c '{CHECK_SETTINGS}'"))
    # any free port will do: tests run side by side
    script = script.replace("--control-port 8444", "--control-port 0 --rows accounts=10")
    script = script.replace("localhost:8444", str(running.control_url).removeprefix("http://"))
    if re.search("source (status|report)", script) and " run" not in script:
        script = f"dataverse-source run accounts > /dev/null\n{script}"
    printed = run(["bash", "-euo", "pipefail", "-c", script], tmp_path, environment)
    if block.begins_like(NEED_A_TENANT):
        assert printed == "https://contoso.crm4.dynamics.com accounts contacts\n"


@pytest.mark.parametrize("block", named(blocks("sh")))
def test_shell_is_shell(block: Block) -> None:
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("bash is needed")
    run([bash, "-n", "-c", block.text], ROOT, dict(os.environ))


@pytest.mark.parametrize("block", named(blocks("toml")))
def test_toml_is_taken_as_settings(
    block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    written(tmp_path / "dataverse.pem", key_pem(), pem(certificate()))
    written(tmp_path / "federated-token", assertion().encode())
    content = StringTomlProvider.loads(block.text).unwrap()
    if "sources" not in content:  # dlt's own settings
        assert content.keys() <= {"data_writer", "destination", "load", "normalize", "runtime"}
        return
    for section, own in content["sources"].items():
        text = block.text
        if len(content["sources"]) > 1:
            (text,) = (one for one in text.split("\n\n") if f"[sources.{section}]" in one)
        text = text.replace(f"[sources.{section}", "[sources.dataverse")
        is_taken(text, own, tmp_path, monkeypatch)


def is_taken(
    text: str, own: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = "secrets.toml" if "credentials" in own else "config.toml"
    (tmp_path / file).write_text(text, encoding="utf-8")
    providers = [SecretsTomlProvider(str(tmp_path)), ConfigTomlProvider(str(tmp_path))]
    monkeypatch.setattr(Container()[PluggableRunContext].providers, "providers", providers)
    given = {name: value for name, value in NEEDED.items() if name not in own}
    settings, _ = configured(None if "credentials" in own else CREDENTIALS, **resolved(**given))
    for name in own.keys() & {"labels", "deletes", "max_rows_per_load", "page_size"}:
        assert getattr(settings.defaults, name) == own[name]
    assert settings.table_settings.keys() == own.get("table_settings", {}).keys()


@pytest.mark.parametrize("block", named(blocks("json")))
def test_json(block: Block) -> None:
    json.loads(block.text)


@pytest.mark.parametrize("block", named(blocks("yaml")))
def test_yaml(block: Block) -> None:
    assert yaml.safe_load(block.text)


@pytest.mark.parametrize("block", named(blocks("sql")))
def test_sql(block: Block) -> None:
    with duckdb.connect() as database:
        database.execute("CREATE SCHEMA dataverse")
        database.execute(
            "CREATE TABLE dataverse.accounts "
            "(accountid TEXT, name TEXT, industrycode BIGINT, parentaccountid TEXT, "
            "_dataverse_environment TEXT, _dataverse_valid_to TIMESTAMPTZ, "
            "_dataverse_seen_at TIMESTAMPTZ, "
            "_dataverse_snapshot BOOLEAN, _dataverse_deleted BOOLEAN)"
        )
        database.execute(
            'CREATE TABLE dataverse._dataverse_choices ("table" TEXT, "column" TEXT, value BIGINT, '
            "label TEXT, language BIGINT)"
        )
        database.execute(
            'CREATE TABLE dataverse._dataverse_run_tables ("table" TEXT, started_at TIMESTAMPTZ, '
            "inserted BIGINT, updated BIGINT, deleted BIGINT)"
        )
        database.execute("CREATE TABLE dataverse.emails (activityid TEXT, subject TEXT)")
        database.execute(
            "CREATE TABLE dataverse.activityparties (activityid TEXT, partyid TEXT, "
            "partyidtype TEXT, participationtypemaskname TEXT)"
        )
        database.execute("CREATE TABLE dataverse.accounts_retained (accountid TEXT, name TEXT)")
        database.execute(
            'CREATE TABLE dataverse._dataverse_deletions ("table" TEXT, key TEXT, '
            "seen_at TIMESTAMPTZ)"
        )
        database.execute(
            'CREATE TABLE dataverse._dataverse_files ("table" TEXT, key TEXT, "column" TEXT, '
            "status TEXT, name TEXT, size BIGINT, url TEXT)"
        )
        database.execute("CREATE TABLE dataverse.audits (auditid TEXT, createdon TIMESTAMPTZ)")
        database.execute(
            'CREATE TABLE dataverse.audit_changes (auditid TEXT, "column" TEXT, "table" TEXT, '
            "key TEXT, old_value TEXT, new_value TEXT)"
        )
        database.execute(
            "CREATE TABLE dataverse._dlt_loads "
            "(load_id TEXT, status BIGINT, inserted_at TIMESTAMPTZ)"
        )
        database.execute(block.text)
