"""Large blocks are given back to the system, in a process of its own."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

from dataverse_source.loading.malloc import _SETTINGS

PROGRAM = """
from pathlib import Path
from dataverse_source.loading.malloc import return_freed_memory

fixed = return_freed_memory()

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

del (first := [bytearray(24_000_000)])[:]  # from here on glibc takes such blocks for usual
before = resident()
large, small = [], []
for _ in range(4):
    large.append(bytearray(8_000_000))
    small.append(bytearray(100_000))  # stands between the large ones
large.clear()
print(int(fixed), (resident() - before) // 1_000_000)
"""

pytestmark = pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc" or sys.platform != "linux",
    reason="this C library has no such threshold",
)


def run(**variables: str) -> tuple[bool, int]:
    """Whether the threshold was fixed, and how many MB are kept in the end."""
    kept = {name: value for name, value in os.environ.items() if name not in _SETTINGS}
    said = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**kept, **variables},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    fixed, kept_mb = said.stdout.split()
    return fixed == "1", int(kept_mb)


def test_what_is_free_goes_back() -> None:
    fixed, kept = run()
    assert fixed
    assert kept < 8


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MALLOC_MMAP_THRESHOLD_", "33554432"),
        ("GLIBC_TUNABLES", "glibc.malloc.mmap_threshold=33554432"),
    ],
)
def test_the_user_decides(name: str, value: str) -> None:
    fixed, kept = run(**{name: value})
    assert not fixed
    assert kept > 20  # which also shows that the program tells one from the other


def test_other_tunables_decide_nothing() -> None:
    fixed, _ = run(GLIBC_TUNABLES="glibc.malloc.arena_max=4")
    assert fixed
