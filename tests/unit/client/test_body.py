"""Bodies of answers, received in one piece."""

from __future__ import annotations

import gzip
import io
import random
import threading
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from http.client import HTTPResponse
from typing import Any

import pytest
import requests
import urllib3

from dataverse_source.client import body
from dataverse_source.client.body import MOST_BYTES, decompressed, receive
from dataverse_source.client.responses import Response
from dataverse_source.errors import MalformedBodyError


class _Socket:
    """A connection that has sent all it will send."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, *_: Any) -> io.BytesIO:
        return io.BytesIO(self._data)


def answer(body: bytes, encoding: str | None = None, length: int | None = None) -> Any:
    """An answer whose headers have been read."""
    lines = ["HTTP/1.1 200 OK", f"Content-Length: {len(body) if length is None else length}"]
    lines += [f"Content-Encoding: {encoding}"] if encoding else []
    head = "\r\n".join([*lines, "", ""]).encode()
    plain = HTTPResponse(_Socket(head + body))  # type: ignore[arg-type]
    plain.begin()
    raw = urllib3.HTTPResponse(
        plain,
        headers=dict(plain.headers),
        status=200,
        preload_content=False,
        original_response=plain,
        request_method="GET",
    )
    made = requests.Response()
    made.raw, made.status_code = raw, 200
    made.headers.update(raw.headers)
    return made


def response(body: bytes, encoding: str | None = None) -> Response:
    """An answer whose body has been received."""
    made = answer(body, encoding)
    return Response("https://a/b", 200, made.headers, receive(made, MOST_BYTES))


@pytest.mark.parametrize("encoding", [None, "gzip", "GZIP", "deflate"])
@pytest.mark.parametrize("body", [b"", b"x", b"page" * 100_000])
def test_the_body_arrives(body: bytes, encoding: str | None) -> None:
    sent = body
    if encoding == "deflate":
        sent = zlib.compress(body)
    elif encoding:
        sent = gzip.compress(body)
    assert response(sent, encoding).parsed(bytes) == body


def test_an_empty_body_may_call_itself_compressed() -> None:
    assert response(b"", "gzip").parsed(bytes) == b""


def test_a_body_that_is_shorter_than_announced() -> None:
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        receive(answer(b"half", length=8), MOST_BYTES)


@pytest.mark.parametrize("damage", [lambda data: data[:-9], lambda data: b"no gzip at all"])
def test_a_compressed_body_that_is_cut_or_none(damage: Any) -> None:
    received = response(damage(gzip.compress(b"page" * 1000)), "gzip")
    with pytest.raises(MalformedBodyError):
        received.parsed(bytes)


@pytest.mark.parametrize("parts", [[b"first ", b"two"], [b"one", b"two"], [b"one"] * 3, [b""] * 2])
def test_members_follow_each_other(parts: list[bytes]) -> None:
    assert decompressed(b"".join(map(gzip.compress, parts))) == b"".join(parts)


def test_a_body_that_becomes_very_long() -> None:
    assert decompressed(gzip.compress(b"0" * 10_000_000)) == b"0" * 10_000_000


def test_large_bodies_are_decompressed_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body, "_turns", threading.Semaphore(2))
    data = random.Random(1).randbytes(body.LARGE * 2)
    lock, under_way, most = threading.Lock(), 0, 0

    def parse(body: bytes) -> bool:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        time.sleep(0.02)
        with lock:
            under_way -= 1
        return body == data

    def take(_: int) -> bool:
        return response(gzip.compress(data), "gzip").parsed(parse)

    with ThreadPoolExecutor(8) as crew:
        assert all(crew.map(take, range(16)))
    assert most == 2


def test_a_body_that_fails_gives_its_turn_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body, "_turns", threading.Semaphore(1))
    data = gzip.compress(random.Random(1).randbytes(body.LARGE * 2))
    for sent in (data[:-9], data[:-9], data):
        received = response(sent, "gzip")
        with nullcontext() if sent is data else pytest.raises(MalformedBodyError):
            assert received.parsed(len) == body.LARGE * 2
