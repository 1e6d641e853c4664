"""Text as an OData literal, in filters, keys and parameters of functions."""

from __future__ import annotations

import re
from collections.abc import Iterable

_GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def is_guid(text: str) -> bool:
    """Whether the text is an id, which is a literal without quotes."""
    return _GUID.fullmatch(text) is not None


def text_literal(text: str) -> str:
    """The text in quotes; a quote in it is doubled (OData ABNF: SQUOTE-in-string)."""
    doubled = text.replace("'", "''")
    return f"'{doubled}'"


def text_literals(texts: Iterable[str]) -> str:
    """The literals of several texts, separated by commas."""
    return ",".join(map(text_literal, texts))
