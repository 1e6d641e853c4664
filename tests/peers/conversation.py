"""Talks with a client in a process of its own: a line of JSON for each question and answer."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from dataverse_source.sandbox import Sandbox
from tests.peers.cloud import HOST_NAMES, Cloud

C = TypeVar("C", bound="ClientProcess")

DRIVERS = Path(__file__).parent / "drivers"

_OF_THE_MACHINE = ("PROXY", "CA_BUNDLE", "CERT", "PYTHONPATH", "VIRTUAL_ENV", "NODE_OPTIONS")
"""Parts of names of variables that must not decide how a client reaches the sandbox."""


class ClientFailed(Exception):
    """What a client raised, as it showed it to its user."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(str(error))
        self.kind: str = error["kind"]
        self.message: str = error["message"]
        self.status: int | None = error.get("status")
        self.code: str | None = error.get("code")


class ClientProcess:
    """A process that is asked over its standard input, until the end of a ``with`` block.

    Args:
        command: what starts it.
        log: file for what it writes to its error output.
        env: its environment.
        folder: where it works; None: here.
    """

    def __init__(
        self, command: list[str], log: Path, env: Mapping[str, str], folder: Path | None = None
    ) -> None:
        self._log = log
        with log.open("wb") as errors:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                cwd=folder,
                env=env,
                encoding="utf-8",
            )

    def __enter__(self: C) -> C:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._stop()
        try:
            self._process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    def _stop(self) -> None:
        """Has the process end; most do when their input ends."""

    def _write(self, content: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(content) + "\n")
        self._process.stdin.flush()

    def _line(self) -> str:
        """The next line of its output."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            code = self._process.wait(timeout=30)
            said = self._log.read_text(encoding="utf-8", errors="replace")
            raise AssertionError(f"The process ended with {code}:\n{said[-4000:]}")
        return line


class Conversation(ClientProcess):
    """A driver script that waits for questions.

    Args:
        command: the interpreter and the script.
        target: what the client works against: a sandbox by its own address, or the cloud.
        log: file for what the process writes to its error output.
        without: variables that the client takes for something else.
    """

    def __init__(
        self,
        command: list[str],
        target: Sandbox | Cloud,
        log: Path,
        *,
        without: Iterable[str] = (),
    ) -> None:
        super().__init__(command, log, environment(target, without))
        self._write(target.connection)

    def ask(self, call: str, *arguments: Any, **options: Any) -> Any:
        """The client's answer to one call.

        Raises:
            ClientFailed: the client raised an error.
        """
        self._write({"call": call, "arguments": arguments, "options": options})
        answer = json.loads(self._line())
        if "error" in answer:
            raise ClientFailed(answer["error"])
        return answer.get("result")


def environment(target: Sandbox | Cloud, without: Iterable[str] = ()) -> dict[str, str]:
    """The variables of a client's process: it trusts the sandbox and reaches nothing else.

    Node.js 20 knows no variable for a proxy: a script that runs first leads the host names.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if not any(part in name.upper() for part in _OF_THE_MACHINE)
    }
    ca_bundle = target.connection["ca_bundle"]
    trusting = ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS")
    kept |= {**dict.fromkeys(trusting, ca_bundle), "PYTHONUTF8": "1"}
    if isinstance(target, Cloud):
        kept |= {
            "HTTPS_PROXY": target.proxy_url,
            "NO_PROXY": "127.0.0.1",
            "NODE_OPTIONS": f"--require {DRIVERS / 'lead_host_names.js'}",
            "LED_HOST_NAMES": f"{','.join(HOST_NAMES)}={target.sandbox_port}",
        }
    return {name: value for name, value in kept.items() if name not in without}
