"""What each setting may hold. Text is taken for what it says: environment variables are text."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dataverse_source.config.setting_names import SECTION
from dataverse_source.errors import ConfigurationError

MAX_PAGE_SIZE = 5000
"""Rows a page; Dataverse's maximum for standard tables (docs: "Page results")."""

MAX_CONCURRENCY = 208
"""Requests at once: four times the 52 that one web server takes from one user (docs: "Service
protection API limits"). More would only pile up in front of larger environments too."""

_VERSION = re.compile(r"v\d+\.\d+")


@dataclass(frozen=True)
class Kind:
    """What a setting may hold.

    Attributes:
        wanted: in words, after "Give".
        read: the value as it is used; raises ValueError for what can't be used.
    """

    wanted: str
    read: Callable[[Any], Any]


def environment_variable(name: str) -> str:
    """The environment variable of a setting, ``SOURCES__DATAVERSE__...``."""
    return f"{SECTION}.{name}".replace(".", "__").upper()


def checked(name: str, value: Any) -> Any:
    """The value of a setting, as it is used.

    Args:
        name: with what stands before it in the section, ``table_settings.accounts.sync``.
        value: as given.

    Raises:
        ConfigurationError: it can't be used.
    """
    kind = KINDS[name.rpartition(".")[2]]
    try:
        return kind.read(value)
    except ValueError:
        raise ConfigurationError(
            f"Setting {name} has the value {value!r}, which can't be used",
            where=f"[{SECTION}] {name}, or {environment_variable(name)}",
            remedy=f"Give {kind.wanted}.",
            setting=name,
        ) from None


def mapping_of(name: str, value: Any) -> Mapping[str, Any]:
    """The settings of one table.

    Args:
        name: ``table_settings.accounts``.
        value: as given.

    Raises:
        ConfigurationError: it is no table of settings.
    """
    if isinstance(value, Mapping):
        return value
    raise ConfigurationError(
        f"Setting {name} has the value {value!r}, which can't be used",
        where=f"[{SECTION}.{name}]",
        remedy='Give a table of settings, such as select = ["name"].',
        setting=name,
    )


def names_in(value: Any) -> tuple[str, ...]:
    """Names from a list, from text with commas, or from a list in JSON; each once, in order.

    Raises:
        ValueError: it is none of these.
    """
    given = json.loads(value) if isinstance(value, str) and value.lstrip()[:1] == "[" else value
    given = given.split(",") if isinstance(given, str) else given
    if not isinstance(given, Sequence) or not all(isinstance(name, str) for name in given):
        raise ValueError
    return tuple(dict.fromkeys(name.strip() for name in given if name.strip()))


def mapping_in(value: Any) -> Mapping[str, Any]:
    """A table of TOML, a dict, or one in JSON.

    Raises:
        ValueError: it is none of these.
    """
    given = json.loads(value) if isinstance(value, str) else value
    if not isinstance(given, Mapping):
        raise ValueError
    return given


def _number(low: float, high: float | None = None, *, whole: bool) -> Callable[[Any], Any]:
    def read(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float, str)):
            raise ValueError
        number = float(value)
        if not math.isfinite(number) or number < low or (high is not None and number > high):
            raise ValueError
        if not whole:
            return number
        if not number.is_integer():
            raise ValueError
        return int(number)

    return read


def _whole(low: float, high: float | None = None) -> Callable[[Any], Any]:
    return _number(low, high, whole=True)


def _seconds_above_0(value: Any) -> float:
    number = float(_number(0, whole=False)(value))
    if not number:
        raise ValueError
    return number


def _one_of(*choices: str) -> Kind:
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


KINDS: Mapping[str, Kind] = {
    "environment_url": Kind("an address such as https://contoso.crm4.dynamics.com", _text),
    "tables": Kind("a list of table names", names_in),
    "table_settings": Kind("a table of settings for each table", mapping_in),
    "api_version": Kind("a version of the Web API, such as v9.2", _version),
    "request_timeout": Kind("a number of seconds above 0", _seconds_above_0),
    "ca_bundle": Kind("the path of a PEM file", _text),
    "max_concurrency": Kind(
        f"a whole number from 1 to {MAX_CONCURRENCY}, or leave it out", _whole(1, MAX_CONCURRENCY)
    ),
    "sync": _one_of("auto", "changes", "cursor", "full"),
    "deletes": _one_of("remove", "keep"),
    "page_size": Kind(f"a whole number from 1 to {MAX_PAGE_SIZE}", _whole(1, MAX_PAGE_SIZE)),
    "lookback_seconds": Kind("a number of seconds, 0 or more", _number(0, whole=False)),
    "sweep_interval": Kind("a number of hours, 0 for every run", _number(0, whole=False)),
    "max_rows_per_load": Kind("a whole number of rows, 1 or more", _whole(1)),
    "labels": Kind("true or false", _flag),
    "history": Kind("true or false", _flag),
    "select": Kind("a list of column names", names_in),
    "filter": Kind("an OData filter expression as text", _text),
}
"""Every setting of ``[sources.dataverse]`` and of its tables."""
