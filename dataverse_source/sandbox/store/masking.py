"""Masks texts, for use in SQL."""

from __future__ import annotations

import json
import re

from dataverse_source.sandbox.store.values import json_text


def masked(wire: str | None, expression: str, character: str) -> str | None:
    """The JSON text of a string with every character of each match replaced.

    Args:
        wire: JSON text of the string; None for null.
        expression: a regular expression.
        character: the character to show.
    """
    if wire is None:
        return None
    text = json.loads(wire)
    return json_text(re.sub(expression, lambda match: character * len(match[0]), text))
