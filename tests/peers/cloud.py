"""The cloud's host names, led to a sandbox by an ordinary HTTP proxy.

Some clients have the sign-in host as a literal, or accept only addresses in the cloud. Behind the
proxy they need no change: they ask for a tunnel to the host that they believe in, and meet the
sandbox, whose certificate is for that name too. All other hosts are out of reach.
"""

from __future__ import annotations

import selectors
import socket
import socketserver
import threading
from types import TracebackType

from dataverse_source.sandbox import Sandbox

ENVIRONMENT = "contoso.crm4.dynamics.com"
SIGN_IN = "login.microsoftonline.com"
HOST_NAMES = (ENVIRONMENT, SIGN_IN)


class Cloud:
    """A proxy that knows only ``HOST_NAMES``.

    Args:
        sandbox: where all tunnels end; it has to be started with ``host_names=HOST_NAMES``.

    Attributes:
        refused: the other hosts that clients asked for.
    """

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self.refused: list[str] = []
        self._server = _Proxy(sandbox, self.refused)
        self._serving = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def proxy_url(self) -> str:
        """What ``HTTPS_PROXY`` has to be."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def sandbox_port(self) -> int:
        """The port where the tunnels end."""
        return self._server.sandbox_port

    @property
    def connection(self) -> dict[str, str]:
        """What a client needs to connect: the cloud's addresses."""
        addresses = {
            "environment_url": f"https://{ENVIRONMENT}",
            "authority_host": f"https://{SIGN_IN}",
        }
        return {**self._sandbox.connection, **addresses}

    def __enter__(self) -> Cloud:
        self._serving.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._serving.join()
        self._server.server_close()


class _Proxy(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def __init__(self, sandbox: Sandbox, refused: list[str]) -> None:
        super().__init__(("127.0.0.1", 0), _Tunnel)
        self.sandbox_port = int(sandbox.environment_url.rpartition(":")[2])
        self.refused = refused


class _Tunnel(socketserver.StreamRequestHandler):
    rbufsize = 0  # what follows the request's head belongs to the tunnel
    server: _Proxy

    def handle(self) -> None:
        method, target = self.rfile.readline().decode("latin-1").split()[:2]
        while self.rfile.readline().strip():
            pass
        name = target.rpartition(":")[0]
        if method != "CONNECT" or name not in HOST_NAMES:
            self.server.refused.append(target)
            self.wfile.write(b"HTTP/1.1 403 Forbidden\r\n\r\n")
            return
        with socket.create_connection(("127.0.0.1", self.server.sandbox_port)) as other:
            self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            _carry(self.connection, other)


def _carry(one: socket.socket, other: socket.socket) -> None:
    """Passes bytes on in both directions until either side ends."""
    with selectors.DefaultSelector() as selector:
        selector.register(one, selectors.EVENT_READ, other)
        selector.register(other, selectors.EVENT_READ, one)
        while True:
            for key, _ in selector.select():
                assert isinstance(key.fileobj, socket.socket)
                try:
                    content = key.fileobj.recv(65536)
                    key.data.sendall(content)
                except OSError:
                    return
                if not content:
                    return
