"""Text as an OData literal, in filters, keys and parameters of functions."""

from __future__ import annotations

from collections.abc import Iterable


def text_literal(text: str) -> str:
    """The text in quotes; a quote in it is doubled (OData ABNF: SQUOTE-in-string)."""
    doubled = text.replace("'", "''")
    return f"'{doubled}'"


def text_literals(texts: Iterable[str]) -> str:
    """The literals of several texts, separated by commas."""
    return ",".join(map(text_literal, texts))
