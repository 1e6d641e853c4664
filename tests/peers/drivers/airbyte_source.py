"""Lets Airbyte's source run its own command line: a line of JSON in for each run, one out.

Two things are set from outside. The source has the sign-in host as a literal: the authenticator
it makes is pointed at the sandbox's token endpoint. And Airbyte's kit sends requests past the
variables that name a certificate authority: the sandbox's takes the place of the list that
comes with requests.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
from pathlib import Path
from typing import Any

import requests.adapters
import source_microsoft_dataverse.dataverse  # type: ignore[import-not-found,unused-ignore]
import source_microsoft_dataverse.source  # type: ignore[import-not-found,unused-ignore]
from airbyte_cdk.entrypoint import (  # type: ignore[import-not-found,unused-ignore]
    launch,
)


def sign_in_at(token_url: str) -> None:
    """Sends the source's sign-in to ``token_url``."""
    made = source_microsoft_dataverse.dataverse.get_auth

    def get_auth(config: Any) -> Any:
        authenticator = made(config)
        authenticator._token_refresh_endpoint = token_url
        return authenticator

    source_microsoft_dataverse.dataverse.get_auth = get_auth
    source_microsoft_dataverse.source.get_auth = get_auth


def trust(ca_bundle: str) -> None:
    """Lets requests without a setting of their own trust a certificate authority."""
    requests.adapters.DEFAULT_CA_BUNDLE_PATH = ca_bundle


def run(folder: Path, command: str, files: dict[str, Any]) -> list[Any]:
    """The messages of one run; ``files`` holds what it is given, by option."""
    arguments = [command]
    for option, content in files.items():
        path = folder / f"{option}.json"
        path.write_text(json.dumps(content), encoding="utf-8")
        arguments += [f"--{option}", str(path)]
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        launch(source_microsoft_dataverse.source.SourceMicrosoftDataverse(), arguments)
    lines = printed.getvalue().splitlines()
    return [json.loads(line) for line in lines if line.startswith("{")]


def answer(folder: Path, config: dict[str, Any], question: dict[str, Any]) -> dict[str, Any]:
    """The answer to one question."""
    files = {"config": {**config, "odata_maxpagesize": 50}, **question["options"]}
    try:
        return {"result": run(folder, question["call"], files)}
    except (Exception, SystemExit) as error:
        return {"error": {"kind": type(error).__name__, "message": str(error)}}


def main() -> None:
    """Answers until there are no more questions."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what packages log is no answer
    connection = json.loads(sys.stdin.readline())
    trust(connection["ca_bundle"])
    tenant, host = connection["tenant_id"], connection["authority_host"]
    sign_in_at(f"{host}/{tenant}/oauth2/v2.0/token")
    config = {
        "url": connection["environment_url"],
        "tenant_id": tenant,
        "client_id": connection["client_id"],
        "client_secret_value": connection["client_secret"],
    }
    for line in sys.stdin:
        answers.write(json.dumps(answer(Path(sys.argv[1]), config, json.loads(line))) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
