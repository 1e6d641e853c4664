"""How much memory there is: made-up files of control groups, and this process."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from dataverse_source.config import memory
from dataverse_source.config.memory import available_memory
from dataverse_source.loading.memory import memory_limit
from dataverse_source.sync import temporary_database

GB = 1_000_000_000
V2 = {"proc/self/cgroup": "0::/pod/one\n"}
V1 = {"proc/self/cgroup": "9:memory:/docker/ab\n4:cpu:/docker/ab\n"}


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, 8 * GB),
        ({**V2, "sys/fs/cgroup/pod/one/memory.max": "max\n"}, 8 * GB),
        ({**V2, "sys/fs/cgroup/pod/one/memory.max": "rubbish\n"}, 8 * GB),
        ({**V2, "sys/fs/cgroup/memory.max": "512000000\n"}, 512_000_000),
        (
            {
                **V2,
                "sys/fs/cgroup/pod/one/memory.max": "4000000000\n",
                "sys/fs/cgroup/pod/memory.max": "2000000000\n",
            },
            2 * GB,
        ),
        ({**V1, "sys/fs/cgroup/memory/memory.limit_in_bytes": "3000000000\n"}, 3 * GB),
        ({**V1, "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712"}, 8 * GB),
    ],
)
def test_limits_of_control_groups(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: Mapping[str, str], expected: int
) -> None:
    monkeypatch.setattr(memory, "_of_machine", lambda: 8 * GB)
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert available_memory(tmp_path) == expected


@pytest.mark.parametrize(
    ("there", "destination", "temporary"),
    [
        (None, GB, 256_000_000),
        (64 * GB, GB, 256_000_000),
        (GB, GB // 2, 250_000_000),
        (GB // 4, GB // 8, 100_000_000),
    ],
)
def test_what_duckdb_gets(
    monkeypatch: pytest.MonkeyPatch, there: int | None, destination: int, temporary: int
) -> None:
    monkeypatch.setattr("dataverse_source.loading.memory.available_memory", lambda: there)
    monkeypatch.setattr(temporary_database, "available_memory", lambda: there)
    assert memory_limit() == destination
    assert temporary_database._memory() == temporary


def test_this_machine_has_some() -> None:
    found = available_memory()
    assert found is None or found > 10_000_000
