"""How column security shows columns: hidden, or masked by certain rules."""

from __future__ import annotations

from collections.abc import Mapping

HIDDEN = "hidden"

MASKED = "masked"
"""Followed by a fingerprint of the masking rules: another rule shows other texts."""


def kind(access: str) -> str:
    """`HIDDEN` or `MASKED`, without the fingerprint."""
    return access.partition(" ")[0]


def is_same(before: Mapping[str, str] | None, now: Mapping[str, str] | None) -> bool:
    """Whether columns are seen as before; older states have no fingerprints."""
    if before is None or now is None or before.keys() != now.keys():
        return before == now
    return all(access in (now[name], kind(now[name])) for name, access in before.items())
