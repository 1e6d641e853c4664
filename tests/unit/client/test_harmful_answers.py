"""Answers that would fill the memory, never end, or speak to the terminal."""

from __future__ import annotations

import gzip
import json
import re
import resource
import socket
import time
import zlib
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import pytest

from dataverse_source.client import body
from dataverse_source.client import client as client_module
from dataverse_source.client.body import TooLargeError, decompressed
from dataverse_source.client.deadline import Deadline, watch
from dataverse_source.client.retry import ONCE
from dataverse_source.client.session import new_session
from dataverse_source.errors import (
    AccessDeniedError,
    ConnectionFailedError,
    MalformedBodyError,
    ProtocolError,
    ResponseError,
)
from tests.support.clients import Bench, parse_page
from tests.support.servers import (
    Answer,
    ca_file,
    dataverse_error,
    dripping,
    json_answer,
    script,
    serving,
)

MEGABYTE = 2**20


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with new_session(ca_bundle=ca_file(tmp_path)) as session:
        yield Bench(session)


@lru_cache
def bomb(size: int, *, says: int | None = None) -> bytes:
    """A gzip body that becomes ``size`` MB of spaces; ``says``: the length that it claims."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    head = packer.compress(b"") + packer.flush(zlib.Z_FULL_FLUSH)
    piece = packer.compress(b" " * MEGABYTE) + packer.flush(zlib.Z_FULL_FLUSH)
    zeros = zlib.crc32(b" " * MEGABYTE * min(size, 100))
    end = b"\x03\x00" + zeros.to_bytes(4, "little")
    claimed = size * MEGABYTE if says is None else says
    return head + piece * size + end + claimed.to_bytes(4, "little")


@pytest.mark.parametrize("says", [None, 0, 5, 2**32 - 1])
def test_a_body_that_inflates_beyond_measure_is_refused(says: int | None) -> None:
    data = bomb(1000, says=says)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(TooLargeError):
        decompressed(data)
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert kilobytes < 400 * 1024


def test_members_are_bounded_together() -> None:
    with pytest.raises(TooLargeError):
        decompressed(bomb(40) * 2)
    assert len(decompressed(bomb(40))) == 40 * MEGABYTE


def test_a_page_of_rows_that_are_alike_is_taken() -> None:
    row = b'{"accountid": "%d", "name": "Contoso", "telephone1": null, "fax": null}, '
    page = b"".join(row % number for number in range(5000)) * 200
    packed = gzip.compress(page, 1)
    assert len(page) > max(body.FREE_BYTES, 10 * len(packed))
    assert decompressed(packed) == page


def test_a_bomb_is_an_error_that_names_the_address(bench: Bench) -> None:
    answer = Answer(200, bomb(300), {"Content-Encoding": "gzip"})
    with serving(script(answer)) as server, pytest.raises(TooLargeError) as caught:
        bench.client(server.url).get("accounts", parse=len)
    assert str(caught.value.where).endswith("/accounts")
    assert bench.waits == []


def test_a_page_that_is_too_large_is_asked_for_with_fewer_rows(bench: Bench) -> None:
    large = Answer(200, bomb(300), {"Content-Encoding": "gzip"})
    with serving(script(large, large, json_answer({"value": [1]}))) as server:
        client = bench.client(server.url)
        pages = list(client.pages(client.url("a"), page_size=100, parse=parse_page))
    assert [page.rows for page in pages] == [[1]]
    asked = [one.headers["prefer"] for one in server.received]
    assert asked == [f"odata.maxpagesize={size}" for size in (100, 50, 25)]


def test_a_body_is_not_received_beyond_the_bound(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(body, "MOST_BYTES", 1000)
    with serving(script(Answer(200, b" " * 1001))) as server, pytest.raises(TooLargeError):
        bench.client(server.url).get("a", parse=len)
    with serving(script(Answer(200, b" " * 1000))) as server:
        assert bench.client(server.url).get("a", parse=len) == 1000


def test_an_encoding_that_nobody_asked_for_is_an_error(bench: Bench) -> None:
    answer = Answer(200, b"x", {"Content-Encoding": "br"})
    with serving(script(answer)) as server, pytest.raises(ProtocolError, match="Encoding"):
        bench.client(server.url).get("a", parse=len)


@pytest.mark.parametrize("status", [200, 400])
def test_json_of_any_depth_is_an_error(bench: Bench, status: int) -> None:
    deep = b'{"value":' + b"[" * 200_000 + b"]" * 200_000 + b"}"
    with (
        serving(lambda _: Answer(status, deep)) as server,
        pytest.raises((MalformedBodyError, ResponseError)),
    ):
        bench.client(server.url).get_json("a")


@pytest.mark.parametrize(
    "answer", [Answer(206, b'{"value": []}'), Answer(200, b"{}", {"Content-Range": "bytes 0-1/9"})]
)
def test_a_part_of_an_answer_is_asked_for_again(bench: Bench, answer: Answer) -> None:
    with serving(script(answer, json_answer({"value": [1]}))) as server:
        assert bench.client(server.url).get_json("a") == {"value": [1]}


HEADS = {
    "in its headers": b"HTTP/1.1 200 OK\r\nX-Slow: ",
    "in its body": b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n",
    "in a body without length": b"HTTP/1.1 200 OK\r\n\r\n",
    "in a chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nFFFFF\r\n",
}


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "TLS"])
@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS)
def test_an_answer_that_drips_is_given_up(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, head: bytes, tls: bool
) -> None:
    monkeypatch.setattr(client_module, "LONGEST_ANSWER", 0.05)
    began = time.monotonic()
    with dripping(head, tls=tls) as url:
        client = bench.client(url, request_timeout=20.0, policy=ONCE)
        with pytest.raises(ConnectionFailedError, match="so slowly") as caught:
            client.get_json("accounts")
    assert 0.9 <= time.monotonic() - began < 20
    assert caught.value.timed_out


def test_a_deadline_that_is_met_does_nothing() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        with Deadline(0.05) as deadline:
            watch(ours)
        time.sleep(0.2)
        ours.sendall(b"still open")
        assert theirs.recv(100) == b"still open"
    assert not deadline.expired


def test_a_shorter_deadline_comes_before_one_that_was_set_earlier() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, Deadline(60.0), Deadline(0.05) as short:
        watch(ours)
        assert ours.recv(1) == b""
    assert short.expired


def test_control_characters_of_an_answer_reach_no_terminal(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    message = "\x1b]0;owned\x07\x1b[2J no access \x9b31m \u202e txt \r\nforged line"
    answer = dataverse_error(403, "0x8\x1b[2J", message, x_ms_service_request_id="a b")
    with serving(script(answer)) as server, pytest.raises(AccessDeniedError) as caught:
        bench.client(server.url).get_json("accounts")
    busy = dataverse_error(503, "0x1", message)
    with serving(script(busy, json_answer({}))) as server:
        bench.client(server.url).get_json("accounts")
    for text in (str(caught.value), caplog.text.replace("\n", "")):
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", text)
    assert "no access" in str(caught.value)


def test_numbers_in_headers_are_bounded(bench: Bench) -> None:
    digits = "9" * 4000
    answer = json_answer(
        {},
        x_ms_dop_hint=digits,
        x_ms_ratelimit_burst_remaining_xrm_requests=digits,
        x_ms_ratelimit_time_remaining_xrm_requests=f"1.{digits}",
        Retry_After=digits,
    )
    with serving(script(answer)) as server:
        client = bench.client(server.url)
        client.get_json("a")
    assert client.dop_hint is None
    assert all(len(text) <= 50 for text in client.rate_limits.values())


def test_headers_without_end_are_an_error(bench: Bench) -> None:
    many = {f"X-{number}": "y" * 1000 for number in range(200)}
    with (
        serving(lambda _: Answer(200, json.dumps({}).encode(), many)) as server,
        pytest.raises(ConnectionFailedError),
    ):
        bench.client(server.url, policy=ONCE).get_json("a")
