"""Has the C library give large blocks back to the system as soon as they are free.

Pages become texts and columns of many megabytes. glibc takes such blocks from the system one by
one at first; once it has seen a few it keeps them in the heap of each thread instead, between
smaller ones, where most of it can't be given back: more than 200 MB after some pages. With a
fixed threshold it never does (manual page mallopt(3), "M_MMAP_THRESHOLD").
"""

from __future__ import annotations

import ctypes
import os
import platform
from functools import cache

LARGE_BLOCK = 4_000_000
"""Bytes. Blocks that are smaller are used again soon, which is quicker."""

_M_MMAP_THRESHOLD = -3
"""From glibc's malloc.h."""

_SETTINGS = {"MALLOC_MMAP_THRESHOLD_": "", "GLIBC_TUNABLES": "glibc.malloc.mmap_threshold"}
"""Environment variables by which a user decides this; what they must hold for that."""


@cache
def give_back_large_blocks() -> bool:
    """Fixes the threshold for this process, unless its user has done so.

    Returns:
        Whether it has been fixed now; not where the C library is another one than glibc.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    if any(name in os.environ and part in os.environ[name] for name, part in _SETTINGS.items()):
        return False
    return bool(ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, LARGE_BLOCK))
