"""SQL Server's wildcards in contains, startswith and endswith, as SQLite's GLOB patterns."""

from __future__ import annotations

import re

_PART = re.compile(r"\[(\^?)([^\]]*)\]|(.)", re.DOTALL)


def glob_of(text: str, function: str) -> str:
    """The GLOB pattern of a folded text.

    ``%`` stands for any characters, ``_`` for one, ``[abc]`` and ``[^abc]`` for one of a set
    (docs page "Wildcard characters in conditions for string values").
    """
    before = "" if function == "startswith" else "*"
    after = "" if function == "endswith" else "*"
    return f"{before}{like_pattern(text)}{after}"


def like_pattern(text: str) -> str:
    """The GLOB pattern of the whole of a folded text, as FetchXML's ``like`` has it."""
    return "".join(_part(match) for match in _PART.finditer(text))


def _part(match: re.Match[str]) -> str:
    denied, chosen, character = match.groups()
    if character is None:
        return f"[{denied}{chosen}]" if chosen else "[[]]"
    if character == "%":
        return "*"
    if character == "_":
        return "?"
    return f"[{character}]" if character in "*?[" else str(character)
