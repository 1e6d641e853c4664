"""The compiled decoder is an option: pages are decoded without it, whatever is wrong with it.

Its own tests, with the real one, are in ``decoder/tests``.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dataverse_source.arrow.decode import decode_page
from dataverse_source.config import compiled
from dataverse_source.errors import DataError
from tests.unit.arrow.test_decode import FULL, SCHEMA, body, raw

NAME = "dataverse_decoder"

REFUSING = """
INTERFACE = 2

class RefusedError(ValueError):
    pass

class Decoder:
    def __init__(self, fields):
        pass

    def decode(self, body):
        raise RefusedError("unusual")
"""

Install = Callable[[str], None]


@pytest.fixture(autouse=True)
def found_anew(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv(compiled.SWITCH, raising=False)
    monkeypatch.delitem(sys.modules, NAME, raising=False)
    compiled.find_installed.cache_clear()
    yield
    sys.modules.pop(NAME, None)  # a made-up one; monkeypatch puts a real one back
    compiled.find_installed.cache_clear()


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Install:
    def write(code: str) -> None:
        (tmp_path / f"{NAME}.py").write_text(code)
        monkeypatch.syspath_prepend(tmp_path)

    return write


def decode_twice(caplog: pytest.LogCaptureFixture) -> list[tuple[int, str]]:
    """What is logged while two pages are decoded."""
    for _ in range(2):
        assert decode_page(body(FULL), SCHEMA).rows.num_rows == 1
    return [
        (record.levelno, record.getMessage())
        for record in caplog.records
        if record.levelno > logging.DEBUG
    ]


def test_nothing_is_said_where_it_is_not_installed(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, NAME, None)
    assert decode_twice(caplog) == []


def test_it_is_announced_once(install: Install, caplog: pytest.LogCaptureFixture) -> None:
    install(REFUSING)
    ((level, text),) = decode_twice(caplog)
    assert level == logging.INFO
    assert "compiled decoder" in text
    assert compiled.SWITCH in text


@pytest.mark.parametrize("value", ["off", "OFF", " false", "0", "no"])
def test_it_is_not_even_loaded_when_it_is_switched_off(
    install: Install,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    value: str,
) -> None:
    install("raise SystemExit('loaded')")
    monkeypatch.setenv(compiled.SWITCH, value)
    assert decode_twice(caplog) == []


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("INTERFACE = 99", "Install the one that fits"),
        ("raise ImportError('libdeflate.so.0: cannot open')", "libdeflate.so.0: cannot open"),
    ],
)
def test_one_that_cannot_be_used_is_told_once(
    install: Install, caplog: pytest.LogCaptureFixture, code: str, said: str
) -> None:
    install(code)
    ((level, text),) = decode_twice(caplog)
    assert level == logging.WARNING
    assert said in text


def test_what_it_refuses_has_the_errors_of_the_others(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    errors = []
    install(REFUSING)
    for switch in ("", "off"):
        monkeypatch.setenv(compiled.SWITCH, switch)
        with pytest.raises(DataError) as caught:
            decode_page(raw(whole="1.5"), SCHEMA)
        errors.append(str(caught.value))
    assert errors[0] == errors[1]
