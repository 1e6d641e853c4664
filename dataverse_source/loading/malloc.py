"""Makes glibc return large blocks of memory to the system as soon as they are freed.

Pages become strings and columns of many megabytes. By default glibc soon keeps such blocks in a
heap per thread, where most of them cannot be returned: more than 200 MB after a few pages. With
a fixed threshold it always returns them (manual page mallopt(3), "M_MMAP_THRESHOLD").

This changes the whole process. So only programs of this project call it: ``dataverse-source``
and the scripts in pipelines/. `load` never does.
"""

from __future__ import annotations

import ctypes
import os
import platform
from functools import cache

LARGE_BLOCK = 4_000_000
"""Bytes. Smaller blocks are soon used again, which is faster than returning them."""

_M_MMAP_THRESHOLD = -3
"""From glibc's malloc.h."""

_SETTINGS = {"MALLOC_MMAP_THRESHOLD_": "", "GLIBC_TUNABLES": "glibc.malloc.mmap_threshold"}
"""Environment variables that set the threshold, and what their value contains if they do."""


@cache
def return_freed_memory() -> bool:
    """Fixes the threshold for this process, unless an environment variable sets it.

    Returns:
        Whether it was fixed; False if the C library is not glibc.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    if any(name in os.environ and part in os.environ[name] for name, part in _SETTINGS.items()):
        return False
    return bool(ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, LARGE_BLOCK))
