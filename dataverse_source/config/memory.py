"""How much memory this process may use: the limits of containers count."""

from __future__ import annotations

import os
from pathlib import Path

from dataverse_source.config.control_groups import control_groups, text_of

__all__ = ["available_memory"]

_ROOT = Path("/")
_FILES = {1: "memory.limit_in_bytes", 2: "memory.max"}


def available_memory(root: Path = _ROOT) -> int | None:
    """Bytes that this process may use; None if the system does not tell.

    Sources: kernel docs "Control Group v2" (``memory.max``) and "Memory Resource Controller"
    (``memory.limit_in_bytes``, a huge number when there is no limit), sysconf(3).

    Args:
        root: of the file system, for tests.
    """
    limits = [_of_machine()]
    for version, group in control_groups(root, "memory"):
        limit = text_of(group / _FILES[version])  # "max": no limit
        limits.append(int(limit) if limit.isdecimal() else None)
    return min((one for one in limits if one), default=None)


def _of_machine() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows has none
        return None
