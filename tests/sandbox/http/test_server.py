from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from dataverse_source.sandbox.http.messages import Request
from dataverse_source.sandbox.http.server import Server
from dataverse_source.sandbox.http.wire import Answer


def echo(request: Request) -> Answer:
    text = f"{request.method} {request.path}?{request.query} {request.body.decode()}"
    return Answer(200, text.encode())


@contextmanager
def connected() -> Iterator[tuple[Server, socket.socket]]:
    server = Server(echo)
    server.start()
    try:
        with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
            yield server, connection
    finally:
        server.stop()


def exchange(sent: bytes) -> bytes:
    with connected() as (_, connection):
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def test_several_requests_on_one_connection() -> None:
    received = exchange(b"GET /a?b=%20 HTTP/1.1\r\nHost: x\r\n\r\n" * 3)
    assert received.count(b"HTTP/1.1 200 OK") == 3
    assert received.count(b"GET /a?b=%20 ") == 3


def test_body_by_length_and_in_chunks() -> None:
    assert exchange(b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello").endswith(b" hello")
    chunks = b"2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\n\r\n"
    received = exchange(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks)
    assert received.endswith(b" hello")


def test_expect_continue() -> None:
    head = b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"
    with connected() as (_, connection):
        connection.sendall(head)
        assert connection.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"hi")
        assert connection.recv(1000).endswith(b" hi")


@pytest.mark.parametrize(
    "head", [b"GET / HTTP/1.0\r\n\r\n", b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n"]
)
def test_closes_when_asked(head: bytes) -> None:
    with connected() as (_, connection):
        connection.sendall(head)
        received = b"".join(iter(lambda: connection.recv(65536), b""))
    assert b"Connection: close" in received


@pytest.mark.parametrize(
    "sent",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/2\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: many\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nshort",
    ],
)
def test_refuses_what_is_not_http(sent: bytes) -> None:
    assert exchange(sent).startswith(b"HTTP/1.1 400 ")


def test_repeated_headers_are_joined() -> None:
    seen: list[Request] = []

    def remember(request: Request) -> Answer:
        seen.append(request)
        return Answer(204)

    server = Server(remember)
    server.start()
    try:
        with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nPrefer: a\r\nHost: h:1\r\nPREFER: b\r\n\r\n")
            assert b"Content-Length" not in connection.recv(1000)
    finally:
        server.stop()
    assert seen[0].headers["prefer"] == "a, b"
    assert seen[0].base_url == "http://h:1"


def test_stop_ends_open_connections_and_threads() -> None:
    before = set(threading.enumerate())
    with connected() as (server, connection):
        connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert connection.recv(1000)
        server.stop()
        assert connection.recv(1000) == b""
        server.stop()
    assert set(threading.enumerate()) <= before


def test_a_client_that_never_shakes_hands_keeps_nobody_waiting() -> None:
    with (
        connected() as (server, _),
        socket.create_connection(("127.0.0.1", server.port), timeout=30) as other,
    ):
        other.sendall(b"GET /quick HTTP/1.1\r\n\r\n")
        assert b"/quick" in other.recv(1000)
