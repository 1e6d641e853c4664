"""Small scripted HTTP and HTTPS servers on loopback, and a scripted login service."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import trustme

TENANT = "11111111-2222-3333-4444-555555555555"
CLIENT = "66666666-7777-8888-9999-000000000000"
SECRET = "Ab8Q~the-secret-value-that-nobody-may-see"


@dataclass(frozen=True)
class Received:
    """A request as it came over the wire; header names in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Answer:
    """What to send. ``cut`` bytes are left out at the end; ``drop`` closes without an answer."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: int = 0
    drop: bool = False


def json_answer(value: object, status: int = 200, **headers: str) -> Answer:
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return Answer(status, json.dumps(value).encode(), {"Content-Type": "application/json", **named})


def dataverse_error(status: int, code: str, message: str, **headers: str) -> Answer:
    return json_answer({"error": {"code": code, "message": message}}, status, **headers)


def script(*answers: Answer) -> Callable[[Received], Answer]:
    """Plays the answers one after the other; asking for more than there are is a 599."""
    left = iter(answers)
    lock = threading.Lock()

    def play(_: Received) -> Answer:
        with lock:
            return next(left, Answer(status=599, body=b"the script has come to its end"))

    return play


class ScriptedServer:
    """A server that asks a function for its answers and keeps what it received."""

    def __init__(self, answer: Callable[[Received], Answer], tls: ssl.SSLContext | None) -> None:
        self.received: list[Received] = []
        self._answer = answer
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._http.daemon_threads = True
        if tls is not None:
            self._http.socket = tls.wrap_socket(self._http.socket, server_side=True)
        self.port = int(self._http.server_address[1])
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        self._thread = threading.Thread(
            target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        )

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                self._reply()

            def do_POST(self) -> None:
                self._reply()

            def do_CONNECT(self) -> None:
                self._reply()

            def _reply(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                request = Received(
                    self.command,
                    self.requestline.split(" ", 1)[1].rsplit(" ", 1)[0],
                    {name.lower(): value for name, value in self.headers.items()},
                    self.rfile.read(length),
                )
                server.received.append(request)
                answer = server._answer(request)
                if answer.drop:
                    self.close_connection = True
                    return
                self.send_response_only(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer.body)))
                self.end_headers()
                self.wfile.write(answer.body[: len(answer.body) - answer.cut])
                self.close_connection = self.close_connection or answer.cut > 0

            def log_message(self, format: str, *args: Any) -> None:
                """Keeps quiet."""

        return Handler


@lru_cache(maxsize=1)
def authority() -> trustme.CA:
    """The certificate authority of all HTTPS servers of this process."""
    return trustme.CA()


def ca_file(folder: Path) -> str:
    path = folder / "ca.pem"
    authority().cert_pem.write_to_path(str(path))
    return str(path)


def tls_context(*names: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority().issue_cert(*(names or ("127.0.0.1", "localhost"))).configure_cert(context)
    return context


@contextmanager
def serving(
    answer: Callable[[Received], Answer], tls: ssl.SSLContext | None = None
) -> Iterator[ScriptedServer]:
    server = ScriptedServer(answer, tls)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def token_answer(token: str = "token-1", expires_in: object = 3599) -> Answer:
    return json_answer({"token_type": "Bearer", "expires_in": expires_in, "access_token": token})


def login_error(error: str, number: int, words: str, status: int = 400) -> Answer:
    """A refusal in the form of docs "client credentials flow", section error response."""
    return json_answer(
        {
            "error": error,
            "error_description": f"AADSTS{number}: {words} Trace ID: 0-1 Correlation ID: 2-3 "
            "Timestamp: 2026-01-02 03:04:05Z",
            "error_codes": [number],
            "timestamp": "2026-01-02 03:04:05Z",
            "trace_id": "0-1",
            "correlation_id": "2-3",
        },
        status,
    )


def login_service(token: Callable[[Received], Answer]) -> Callable[[Received], Answer]:
    """Answers discovery by itself, and token requests by ``token``."""

    def answer(request: Received) -> Answer:
        if request.method == "POST":
            return token(request)
        base = f"https://{request.headers['host']}/{TENANT}"
        return json_answer(
            {
                "issuer": f"{base}/v2.0",
                "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
                "token_endpoint": f"{base}/oauth2/v2.0/token",
            }
        )

    return answer


@contextmanager
def dripping(head: bytes, *, tls: bool = False) -> Iterator[str]:
    """A server that sends ``head`` and then a byte every 50 milliseconds, without an end."""
    listener = socket.create_server(("127.0.0.1", 0))
    over = threading.Event()

    def answer(connection: socket.socket) -> None:
        try:
            if tls:
                connection = tls_context().wrap_socket(connection, server_side=True)
            with connection:
                connection.recv(65536)
                connection.sendall(head)
                while not over.wait(0.05):
                    connection.sendall(b"x")
        except OSError:
            pass

    def serve() -> None:
        while not over.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(connection,), daemon=True).start()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        over.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()
