"""How column security shows columns: hidden, or masked by certain rules."""

from __future__ import annotations

from collections.abc import Mapping

HIDDEN = "hidden"

MASKED = "masked"
"""Followed by a fingerprint of the masking rules: another rule shows other texts."""

NOT_KNOWN: Mapping[str, str] = {"": "not known"}
"""Rows were read while it could not be found out; no column has this name."""


def kind(access: str) -> str:
    """`HIDDEN` or `MASKED`, without the fingerprint."""
    return access.partition(" ")[0]


def is_same(before: Mapping[str, str] | None, now: Mapping[str, str] | None) -> bool:
    """Whether columns are seen as before, as far as that is known.

    States of earlier versions say nothing of it (None), or have no fingerprints.
    """
    if before is None or now is None:
        return True
    if before.keys() != now.keys():
        return False
    return all(access in (now[name], kind(now[name])) for name, access in before.items())
