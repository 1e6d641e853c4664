"""What a setting may hold, and how its value is read.

Environment variables are text, so text is accepted for numbers, flags and lists as well.
"""

from __future__ import annotations

import json
import math
import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MAX_PAGE_SIZE = 5000
"""Rows per page; Dataverse's maximum for standard tables (docs: "Page results")."""

_VERSION = re.compile(r"v\d+\.\d+")
_ENVIRONMENT = re.compile(r"[A-Za-z0-9_.-]{1,36}")


@dataclass(frozen=True)
class Kind:
    """What a setting may hold.

    Attributes:
        wanted: what to give, in words that follow "Give".
        read: converts the value; raises ValueError for one that cannot be used.
    """

    wanted: str
    read: Callable[[Any], Any]


def is_pattern(name: str) -> bool:
    """Whether a configured name stands for any number of tables, such as ``new_*``."""
    return any(sign in name for sign in "*?[")


def names_in(value: Any) -> tuple[str, ...]:
    """Names from a list, from text with commas, or from a JSON list; each once, in order.

    Raises:
        ValueError: the value is none of these.
    """
    given = json.loads(value) if isinstance(value, str) and value.lstrip()[:1] == "[" else value
    given = given.split(",") if isinstance(given, str) else given
    if not isinstance(given, Sequence) or not all(isinstance(name, str) for name in given):
        raise ValueError
    return tuple(dict.fromkeys(name.strip() for name in given if name.strip()))


def mapping_in(value: Any) -> Mapping[str, Any]:
    """A table of settings from a dict or from a JSON object.

    Raises:
        ValueError: the value is neither.
    """
    given = json.loads(value) if isinstance(value, str) else value
    if not isinstance(given, Mapping):
        raise ValueError
    return given


def _number(low: float, high: float | None = None, *, whole: bool) -> Callable[[Any], Any]:
    def read(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float, str)):
            raise ValueError
        found = float(value)
        if not math.isfinite(found) or found < low or (high is not None and found > high):
            raise ValueError
        if not whole:
            return found
        if not found.is_integer():
            raise ValueError
        return int(found)

    return read


def whole(low: int, high: int | None = None, *, what: str = "number") -> Kind:
    """A whole number in a range."""
    limits = f"from {low} to {high}" if high is not None else f"of {what}, {low} or more"
    return Kind(f"a whole number {limits}", _number(low, high, whole=True))


def number(wanted: str) -> Kind:
    """A number, 0 or more."""
    return Kind(wanted, _number(0, whole=False))


def share() -> Kind:
    """A part of a whole, 0 to 1."""

    def read(value: Any) -> float:
        found = float(_number(0, whole=False)(value))
        if found > 1:
            raise ValueError
        return found

    return Kind("a share from 0 to 1, such as 0.1", read)


def _seconds_above_0(value: Any) -> float:
    seconds = float(_number(0, whole=False)(value))
    if not seconds:
        raise ValueError
    return seconds


def one_of(*choices: str) -> Kind:
    """One of some words."""

    def read(value: Any) -> str:
        if value not in choices:
            raise ValueError
        return str(value)

    return Kind(f"one of {', '.join(choices)}", read)


def _flag(value: Any) -> bool:
    text = value.strip().lower() if isinstance(value, str) else value
    if text in ("true", "false"):
        return bool(text == "true")
    if not isinstance(text, bool):
        raise ValueError
    return text


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError
    return value.strip()


def _version(value: Any) -> str:
    text = _text(value)
    if not _VERSION.fullmatch(text):
        raise ValueError
    return text


ENVIRONMENT_LENGTH = 36


def _environment(value: Any) -> str:
    text = _text(value)
    if not _ENVIRONMENT.fullmatch(text):
        raise ValueError
    return text


def _guid(value: Any) -> str:
    return str(uuid.UUID(_text(value)))


def _bucket(value: Any) -> tuple[int, int]:
    number, _, count = str(value).partition("/")
    found = int(number), int(count)
    if not 0 <= found[0] < found[1]:
        raise ValueError
    return found


BUCKET = Kind(
    "a number from 0 and how many buckets there are, such as 3/8; of 8, they are 0/8 to 7/8",
    _bucket,
)
ENVIRONMENT = Kind(
    f"a short name of letters, digits, '_', '-' and '.', at most {ENVIRONMENT_LENGTH} characters, "
    "such as eu",
    _environment,
)
GUID = Kind("an id such as 00000000-0000-0000-0000-000000000000", _guid)
FLAG = Kind("true or false", _flag)
SECONDS = Kind("a number of seconds above 0", _seconds_above_0)
VERSION = Kind("a version of the Web API, such as v9.2", _version)


def text(wanted: str) -> Kind:
    """Text that is not empty."""
    return Kind(wanted, _text)


def names(wanted: str) -> Kind:
    """A list of names."""
    return Kind(wanted, names_in)
