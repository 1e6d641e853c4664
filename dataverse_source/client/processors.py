"""How many processors this process may use: container quotas and CPU affinity count."""

from __future__ import annotations

import math
import os
from pathlib import Path

from dataverse_source.config.control_groups import control_groups, text_of

__all__ = ["available_processors"]

_ROOT = Path("/")


def available_processors(root: Path = _ROOT) -> float:
    """Processors that this process may use at once; a container's quota may be a fraction.

    Sources: kernel docs "Control Group v2" (``cpu.max``) and "CFS Bandwidth Control"
    (``cpu.cfs_quota_us``), `os.sched_getaffinity`.

    Args:
        root: of the file system, for tests.
    """
    return min(_affinity(), _quota(root))


def _affinity() -> int:
    if hasattr(os, "process_cpu_count"):  # Python 3.13
        return int(os.process_cpu_count() or 1)
    if hasattr(os, "sched_getaffinity"):  # not on macOS and Windows
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _quota(root: Path) -> float:
    """The lowest quota of this process's control groups and those around them."""
    read = {1: _quota_v1, 2: _quota_v2}
    return min(
        (read[version](group) for version, group in control_groups(root, "cpu")), default=math.inf
    )


def _quota_v2(group: Path) -> float:
    quota, _, period = text_of(group / "cpu.max").partition(" ")
    return _processors(quota, period)


def _quota_v1(group: Path) -> float:
    return _processors(text_of(group / "cpu.cfs_quota_us"), text_of(group / "cpu.cfs_period_us"))


def _processors(quota: str, period: str) -> float:
    """Microseconds of processor time in a period; "max", -1 and anything else: no quota."""
    try:
        processors = int(quota) / int(period)
    except (ValueError, ZeroDivisionError):
        return math.inf
    return processors if processors > 0 else math.inf
