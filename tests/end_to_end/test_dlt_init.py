"""``dlt init dataverse <destination> --location <checkout>`` makes a project that runs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dataverse_source.sandbox import Sandbox
from tests.support.places import ROOT

pytestmark = pytest.mark.slow


def test_the_project_asks_for_settings_and_loads(tmp_path: Path, sandbox: Sandbox) -> None:
    programs = Path(sys.executable).parent
    # dlt looks at the checkout's state with git, which refuses a folder of another user
    git = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*"}
    environment = {**os.environ, **git, "DLT_DATA_DIR": str(tmp_path / "dlt")}
    environment.pop("DLT_PROJECT_DIR", None)
    project = tmp_path / "project"
    project.mkdir()

    def run(*command: str, text: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=project,
            env=environment,
            input=text,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    place = ("--location", str(ROOT))
    done = run(str(programs / "dlt"), "init", "dataverse", "duckdb", *place, text="y\n" * 9)
    assert done.returncode == 0, done.stderr + done.stdout
    config, secrets = (project / ".dlt" / f"{name}.toml" for name in ("config", "secrets"))
    settings, signs_in = config.read_text(encoding="utf-8"), secrets.read_text(encoding="utf-8")
    assert "[sources.dataverse]" in settings
    assert "environment_url" in settings
    for name in ("tenant_id", "client_id", "client_secret"):
        assert name in signs_in
    assert "dlt-dataverse" in (project / "requirements.txt").read_text(encoding="utf-8")

    command = (sys.executable, "dataverse_pipeline.py")
    refused = run(*command)
    assert refused.returncode != 0
    assert "environment_url" in refused.stderr
    config.write_text(
        f'[sources.dataverse]\nenvironment_url = "{sandbox.environment_url}"\n'
        f'ca_bundle = "{sandbox.ca_bundle}"\n',
        encoding="utf-8",
    )
    secrets.write_text(
        "[sources.dataverse.credentials]\n"
        f'tenant_id = "{sandbox.tenant_id}"\nclient_id = "{sandbox.client_id}"\n'
        f'client_secret = "{sandbox.client_secret}"\n'
        f'authority_host = "{sandbox.authority_host}"\n',
        encoding="utf-8",
    )
    loaded = run(*command)
    assert loaded.returncode == 0, loaded.stderr
    assert "accounts: 60 inserted" in loaded.stdout
