from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import msal
import pytest
import requests

from tests.support.places import SHARED

COMMAND = [sys.executable, "-W", "error", "-m", "dataverse_source.sandbox"]


def test_serves_until_it_is_stopped() -> None:
    arguments = ["--rows", "accounts=7", "--rows", "contact=3", "--seed", "2"]
    with subprocess.Popen(
        [*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        told = json.loads(process.stdout.readline())
        try:
            assert whole_way(told) == 200
        finally:
            process.send_signal(signal.SIGTERM)
            errors = process.stderr.read()
        assert process.wait(60) == 0
        assert errors == ""
        assert not Path(told["ca_bundle"]).exists()


def test_all_options_together() -> None:
    arguments = [
        *("--rows", "accounts=3", "--client-secret", "mine", "--token-lifetime", "60"),
        *("--limits", "requests=9,window_seconds=60.5", "--latency", "0.001", "--prerender"),
        *("--control-port", "0", "--control-token", "known", "--switch", "gzip=never"),
        *("--host-name", "contoso.crm.dynamics.com"),
    ]
    with subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        told = json.loads(process.stdout.readline())
        try:
            assert told["client_secret"] == "mine"
            assert whole_way(told) == 200
            with requests.Session() as session:
                session.trust_env = False
                session.headers["Authorization"] = f"Bearer {told['control_token']}"
                limits = session.get(f"{told['control_url']}/limits").json()["settings"]
                latency = session.get(f"{told['control_url']}/latency").json()
                switches = session.get(f"{told['control_url']}/switches").json()
        finally:
            process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    assert (limits["enforced"], limits["requests"], limits["window_seconds"]) == (True, 9, 60.5)
    assert (latency["scale"], switches["gzip"]) == (0.001, "never")


def test_tables_of_a_recorded_environment() -> None:
    shared = SHARED
    schema = shared / "corpus" / "csdl" / "spice-2020-06-24.xml.gz"
    if not schema.exists():
        pytest.skip("the recorded $metadata files are not here")
    arguments = ["--schema", str(schema), "--rows", "accounts=5"]
    with subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        told = json.loads(process.stdout.readline())
        try:
            assert whole_way(told, "accounts?$select=spice_parcelidnumber") == 200
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


def whole_way(told: dict[str, Any], path: str = "") -> int:
    with requests.Session() as session:
        session.trust_env = False
        session.verify = told["ca_bundle"]
        client = msal.ConfidentialClientApplication(
            told["client_id"],
            authority=f"{told['authority_host']}/{told['tenant_id']}",
            instance_discovery=False,
            client_credential=told["client_secret"],
            http_client=session,
        )
        token = client.acquire_token_for_client([f"{told['environment_url']}/.default"])
        return session.get(
            f"{told['environment_url']}/api/data/v9.2/{path}",
            headers={"Authorization": f"Bearer {token['access_token']}"},
        ).status_code


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--rows", "acounts=7"], "Did you mean 'accounts'?"),
        (["--rows", "accounts"], "not of the form NAME=VALUE"),
        (["--rows", "accounts=many"], "not a number of rows"),
        (["--switch", "gzip=often"], "gzip can't be 'often'"),
        (["--switch", "nothing=1"], "no switch 'nothing'"),
        (["--port", "x"], "invalid int"),
        (["--limits", "request=1"], "no limit 'request'"),
        (["--limits", "requests=few"], "Limit requests can't be 'few'"),
        (["--schema", "no/such/file.xml"], "Can't read the schema no/such/file.xml"),
    ],
)
def test_says_what_is_wrong(arguments: list[str], said: str) -> None:
    finished = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, check=False)
    assert finished.returncode == 2
    assert said in finished.stderr
    assert "Traceback" not in finished.stderr


def test_says_which_extra_is_missing() -> None:
    code = (
        "import sys, importlib.util as util\n"
        "find = util.find_spec\n"
        "util.find_spec = lambda name, *rest: None if name == 'lark' else find(name, *rest)\n"
        "from dataverse_source.sandbox.__main__ import main\n"
        "sys.exit(main([]))"
    )
    finished = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert finished.returncode == 2
    assert 'pip install "dlt-dataverse[sandbox]"' in finished.stderr
