"""Faster libraries give what zlib gives, or leave it to zlib."""

from __future__ import annotations

import gzip
import random
import zlib
from collections.abc import Callable
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from isal import isal_zlib

from dataverse_source.client import gunzip
from dataverse_source.client.body import decompressed
from dataverse_source.client.gunzip import gunzipped

MOST = 10**6


class Refused(Exception):
    pass


def _refuse(_: bytes) -> bytes:
    raise Refused


def _decoder(library: str, unpack: Callable[[bytes], bytes]) -> SimpleNamespace:
    return SimpleNamespace(GUNZIP=library, gunzip=unpack, RefusedError=Refused)


@pytest.fixture(autouse=True)
def only_isal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gunzip, "compiled_decoder", lambda: None)
    monkeypatch.setattr(gunzip, "find_isal", lambda: isal_zlib)


@pytest.mark.parametrize("level", range(10))
def test_every_level(level: int) -> None:
    data = b"".join(b'{"number":%d}' % number for number in range(20_000))
    assert gunzipped(gzip.compress(data, level), MOST) == data


@given(data=st.binary(max_size=5000))
def test_any_bytes(data: bytes) -> None:
    assert gunzipped(gzip.compress(data), MOST) == data


def test_a_body_of_several_members_is_left_to_zlib() -> None:
    body = gzip.compress(b"one") + gzip.compress(b"two")
    assert gunzipped(body, MOST) is None
    assert decompressed(body) == b"onetwo"


def test_more_than_it_may_become_is_left_to_zlib() -> None:
    assert gunzipped(gzip.compress(b"x" * (MOST + 1)), MOST) is None


def test_a_length_that_is_wrong_claims_no_memory() -> None:
    body = gzip.compress(b"x" * 100_000)
    assert gunzipped(body[:-4] + b"\x01\0\0\0", MOST) is None


def test_damaged_bodies_have_zlibs_errors() -> None:
    whole = gzip.compress(b"".join(b"%d," % number for number in range(2000)))
    chance = random.Random(1)
    for end in range(0, len(whole), 7):
        with pytest.raises(zlib.error):
            decompressed(whole[:end] or b"x")
    for _ in range(300):
        at = chance.randrange(10, len(whole))  # not in the header, where some bytes say nothing
        damaged = bytearray(whole)
        damaged[at] ^= 1 << chance.randrange(8)
        assert gunzipped(bytes(damaged), MOST) is None
        with pytest.raises(zlib.error):
            decompressed(bytes(damaged))


@pytest.mark.parametrize(
    ("library", "isal", "taken"),
    [
        ("libdeflate", isal_zlib, b"the decoder's"),
        ("libdeflate", None, b"the decoder's"),
        ("zlib", None, b"the decoder's"),
        ("zlib", isal_zlib, b"data"),
    ],
)
def test_the_fastest_is_taken(
    monkeypatch: pytest.MonkeyPatch, library: str, isal: object, taken: bytes
) -> None:
    monkeypatch.setattr(
        gunzip, "compiled_decoder", lambda: _decoder(library, lambda _: b"the decoder's")
    )
    monkeypatch.setattr(gunzip, "find_isal", lambda: isal)
    assert gunzipped(gzip.compress(b"data"), MOST) == taken


def test_what_the_decoder_refuses_is_left_to_zlib(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gunzip, "compiled_decoder", lambda: _decoder("libdeflate", _refuse))
    assert gunzipped(gzip.compress(b"data"), MOST) is None
    assert decompressed(gzip.compress(b"data")) == b"data"


def test_no_library_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gunzip, "find_isal", lambda: None)
    assert gunzipped(gzip.compress(b"data"), MOST) is None
    assert decompressed(gzip.compress(b"data")) == b"data"
