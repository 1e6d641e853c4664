"""The listener: HTTPS (or HTTP) on loopback, one thread a connection, with a clean stop."""

from __future__ import annotations

import selectors
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import BinaryIO

from dataverse_source.sandbox.http.messages import Request
from dataverse_source.sandbox.http.wire import Answer, BadRequest, read_request, write_answer

IDLE_SECONDS = 120.0
STOP_SECONDS = 60.0
_LINGER_NONE = struct.pack("ii", 1, 0)

Handler = Callable[[Request], Answer]


class Server:
    """Answers requests on one loopback port.

    Args:
        handler: turns a request into an answer; called on the connection's own thread.
        stopping: set by ``stop``; a handler that waits should wait on it.
        tls: the TLS context; None for plain HTTP.
        host: address to listen on.
        port: port to listen on; 0 for any free one.
    """

    def __init__(
        self,
        handler: Handler,
        *,
        stopping: threading.Event | None = None,
        tls: ssl.SSLContext | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self._handler = handler
        self._tls = tls
        self.stopping = stopping or threading.Event()
        self._lock = threading.Lock()
        self._open: dict[threading.Thread, socket.socket] = {}
        self._listener = socket.create_server((host, port), backlog=256)
        self._wake_receiver, self._wake_sender = socket.socketpair()
        self._accepting = threading.Thread(target=self._accept, name="sandbox-accept", daemon=True)

    @property
    def port(self) -> int:
        """The port that the server listens on."""
        return int(self._listener.getsockname()[1])

    @property
    def scheme(self) -> str:
        """``https`` or ``http``."""
        return "https" if self._tls else "http"

    def start(self) -> None:
        """Starts to accept connections."""
        self._accepting.start()

    def stop(self) -> None:
        """Ends every connection and thread, and frees the port. Safe to call twice."""
        if self.stopping.is_set():
            return
        self.stopping.set()
        self._wake_sender.send(b"x")
        if self._accepting.is_alive():
            self._accepting.join(STOP_SECONDS)
        with self._lock:
            threads = list(self._open)
            for connection in self._open.values():
                with suppress(OSError):
                    socket.socket.shutdown(connection, socket.SHUT_RDWR)
        for thread in threads:
            thread.join(STOP_SECONDS)
        for each in (self._listener, self._wake_receiver, self._wake_sender):
            each.close()

    def _accept(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._listener, selectors.EVENT_READ)
            selector.register(self._wake_receiver, selectors.EVENT_READ)
            while not self.stopping.is_set():
                ready = [key.fileobj for key, _ in selector.select()]
                if self._wake_receiver in ready:
                    return
                with suppress(OSError):
                    connection, _ = self._listener.accept()
                    self._begin(connection)

    def _begin(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.settimeout(IDLE_SECONDS)
        thread = threading.Thread(
            target=self._serve, args=(connection,), name="sandbox-connection", daemon=True
        )
        with self._lock:
            self._open[thread] = connection
        thread.start()

    def _serve(self, connection: socket.socket) -> None:
        thread = threading.current_thread()
        try:
            if self._tls is not None:
                # Here and not while accepting: a client that is slow to shake hands
                # must not keep the others waiting.
                connection = self._tls.wrap_socket(connection, server_side=True)
                with self._lock:
                    self._open[thread] = connection
            with connection.makefile("rb") as stream:
                while not self.stopping.is_set() and self._one_request(stream, connection):
                    pass
        except OSError:
            pass  # The client closed the connection, or the handshake failed.
        finally:
            with self._lock:
                self._open.pop(thread, None)
            connection.close()

    def _one_request(self, stream: BinaryIO, connection: socket.socket) -> bool:
        try:
            request = read_request(stream, connection, self.scheme)
        except BadRequest:
            write_answer(connection, Answer(400, ending="close"), "GET")
            return False
        if request is None:
            return False
        answer = self._handler(request)
        if request.headers.get("connection", "").lower() == "close" and answer.ending == "keep":
            answer.ending = "close"
        sent = write_answer(connection, answer, request.method)
        if answer.stall:
            self.stopping.wait(answer.stall)
        if answer.sent is not None:
            answer.sent(sent)
        if answer.ending == "reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NONE)
        return answer.ending == "keep"
