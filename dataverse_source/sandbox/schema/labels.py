"""Reads the values of metadata: labels, managed properties, options of choices."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from dataverse_source.sandbox.schema.tables import Option

ENGLISH = 1033
_BOTH = ("FalseOption", "TrueOption")
_ADDRESS = re.compile(r"Address(\d)_(.+)$")
_PREFIX = re.compile(r"^[a-z]+_")
_LAST_WORD = re.compile(r"(?:Code|Id)$")
_BETWEEN_WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def plain(value: Any) -> Any:
    """The value of a managed property or of an enumeration's name: ``{"Value": x}`` gives ``x``."""
    return value.get("Value") if isinstance(value, dict) else value


def label_text(label: Any) -> str:
    """The text of a Label: the user's language, else English, else the first; "" without any."""
    if label is None or isinstance(label, str):
        return label or ""
    localized = label.get("LocalizedLabels") or ()
    english = [each for each in localized if int(each.get("LanguageCode") or 0) == ENGLISH]
    for each in (label.get("UserLocalizedLabel"), *english, *localized):
        if each and each.get("Label"):
            return str(each["Label"])
    return ""


@lru_cache(maxsize=4096)
def readable_name(schema_name: str) -> str:
    """``Address1_PostalCode`` as people read it: ``Address 1: Postal``."""
    address = _ADDRESS.match(schema_name)
    if address:
        return f"Address {address[1]}: {readable_name(address[2])}"
    words = _PREFIX.sub("", schema_name)
    words = _LAST_WORD.sub("", words) or words
    return _BETWEEN_WORDS.sub(" ", words)


@lru_cache(maxsize=1024)
def options(text: str) -> tuple[Option, ...]:
    """Options from ``1=First;2=Second``; a status reason names its state: ``1:0=Active``."""
    found = []
    for item in filter(None, text.split(";")):
        number, label = item.split("=", 1)
        value, _, state = number.partition(":")
        found.append(Option(int(value), label, int(state) if state else None))
    return tuple(found)


def options_of(option_set: Any) -> tuple[Option, ...]:
    """The options of an OptionSetMetadata or a BooleanOptionSetMetadata, or of their short form."""
    if isinstance(option_set, str):
        return options(option_set)
    listed = option_set.get("Options")
    if isinstance(listed, str):
        return options(listed)
    if listed is None:
        listed = [each for member in _BOTH if (each := option_set.get(member))]
    return tuple(map(_option, listed))


def _option(option: Mapping[str, Any]) -> Option:
    state = option.get("State")
    label = label_text(option.get("Label"))
    return Option(int(option["Value"]), label, None if state is None else int(state))
