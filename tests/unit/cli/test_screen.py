"""What is printed: nothing that a terminal would obey, and JSON for all that rows hold."""

from __future__ import annotations

import json
from datetime import date, datetime, timezone
from decimal import Decimal

import pytest

from dataverse_source.cli.screen import Screen, grid
from dataverse_source.errors import printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Grüße, 客户 😀\n\tnext", "Grüße, 客户 😀\n\tnext"),
        ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
        ("\x9b31m", "\\x9b31m"),
        ("over\rwritten", "over\\rwritten"),
        ("txt.\u202eexe", "txt.\\u202eexe"),
    ],
)
def test_control_characters_are_written_out(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_cells_are_plain_text(capsys: pytest.CaptureFixture[str]) -> None:
    console = Screen().console()
    console.print(grid(("a", "b"), [("[red]x[/red]", ":smile:"), ("\x1b[31m", "")]))
    out = capsys.readouterr().out
    assert "[red]x[/red]" in out
    assert ":smile:" in out
    assert "\x1b" not in out


def test_long_cells_are_folded(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    Screen().console().print(grid(("a", "b"), [("x" * 30, "y" * 30)]))
    out = capsys.readouterr().out
    assert (out.count("x"), out.count("y")) == (30, 30)
    assert max(map(len, out.splitlines())) <= 40


def test_json_of_all_kinds_of_values(capsys: pytest.CaptureFixture[str]) -> None:
    value = {
        "money": Decimal("0.1000000000"),
        "moment": datetime(2024, 1, 2, 3, 4, 5, tzinfo=timezone.utc),
        "day": date(2024, 1, 2),
        "image": b"\x00\xff",
        "text": "ü",
        "control": "\x1b",
    }
    Screen(json=True).print_json(value)
    assert json.loads(capsys.readouterr().out) == {
        "money": "0.1000000000",
        "moment": "2024-01-02T03:04:05+00:00",
        "day": "2024-01-02",
        "image": "AP8=",
        "text": "ü",
        "control": "\x1b",
    }
    with pytest.raises(TypeError, match="object has no JSON form"):
        Screen(json=True).print_json(object())
