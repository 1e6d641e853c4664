"""Asks an MCP server over its standard input and output, as assistants do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.peers.cloud import Cloud
from tests.peers.conversation import ClientFailed, ClientProcess, environment

PROTOCOL = "2024-11-05"


class McpServer(ClientProcess):
    """The server mcp-dataverse, signed in with a client secret.

    Args:
        command: what starts it.
        cloud: what it works against.
        folder: its home, and place of what it writes to its error output.
    """

    def __init__(self, command: list[str], cloud: Cloud, folder: Path) -> None:
        connection = cloud.connection
        own = {
            "DATAVERSE_ENV_URL": connection["environment_url"],
            "AUTH_METHOD": "client-credentials",
            "AZURE_TENANT_ID": connection["tenant_id"],
            "AZURE_CLIENT_ID": connection["client_id"],
            "AZURE_CLIENT_SECRET": connection["client_secret"],
            "HOME": str(folder),
            "USERPROFILE": str(folder),
        }
        env = {**environment(cloud), **own}
        super().__init__(command, folder / "errors.txt", env, folder)
        self._asked = 0
        hello = {"clientInfo": {"name": "tests", "version": "1"}, "capabilities": {}}
        self._ask("initialize", {"protocolVersion": PROTOCOL, **hello})
        self._send({"method": "notifications/initialized"})

    def tools(self) -> list[str]:
        """The names of its tools."""
        return [tool["name"] for tool in self._ask("tools/list", {})["tools"]]

    def use(self, tool: str, /, **arguments: Any) -> Any:
        """What a tool answers as data.

        Raises:
            ClientFailed: the tool shows an error.
        """
        answer = self._ask("tools/call", {"name": f"dataverse_{tool}", "arguments": arguments})
        text = answer["content"][0]["text"]
        if answer.get("isError"):
            raise ClientFailed({"kind": "ToolError", "message": text})
        shown = json.loads(text)
        return shown.get("data", shown)

    def _stop(self) -> None:
        self._process.terminate()

    def _ask(self, method: str, params: dict[str, Any]) -> Any:
        self._asked += 1
        self._send({"id": self._asked, "method": method, "params": params})
        while True:  # it may tell of other things first
            answer = json.loads(self._line())
            if answer.get("id") == self._asked:
                return answer["result"]

    def _send(self, message: dict[str, Any]) -> None:
        self._write({"jsonrpc": "2.0", **message})
