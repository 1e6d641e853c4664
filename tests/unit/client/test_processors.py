"""How many processors there are: made-up files of control groups, and this process."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from dataverse_source.client import processors
from dataverse_source.client.processors import available_processors
from dataverse_source.client.throttle.cpu_gauge import CpuGauge


@pytest.fixture(autouse=True)
def sixty_four(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processors, "_affinity", lambda: 64)


def machine(folder: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


V2 = "0::/kubepods.slice/pod1/container2\n"
V1 = "12:memory:/docker/ab12\n4:cpu,cpuacct:/docker/ab12\n1:name=systemd:/docker/ab12\n"


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, 64),
        ({"proc/self/cgroup": "0::/\n"}, 64),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "max 100000\n"}, 64),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "200000 100000\n"}, 2),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "50000 100000\n"}, 0.5),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "12800000 100000\n"}, 64),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "rubbish\n"}, 64),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "100000 0\n"}, 64),
        ({"proc/self/cgroup": "rubbish\n", "sys/fs/cgroup/cpu.max": "100000 100000\n"}, 1),
        # The lowest of a group and those around it.
        (
            {
                "proc/self/cgroup": V2,
                "sys/fs/cgroup/kubepods.slice/pod1/container2/cpu.max": "max 100000\n",
                "sys/fs/cgroup/kubepods.slice/pod1/cpu.max": "150000 100000\n",
                "sys/fs/cgroup/kubepods.slice/cpu.max": "800000 100000\n",
            },
            1.5,
        ),
        # A group outside of what the container sees.
        ({"proc/self/cgroup": "0::/../../x\n", "sys/fs/cgroup/cpu.max": "300000 100000\n"}, 3),
        # Version 1: seen from the host, and from within a container.
        (
            {
                "proc/self/cgroup": V1,
                "sys/fs/cgroup/cpu/docker/ab12/cpu.cfs_quota_us": "400000\n",
                "sys/fs/cgroup/cpu/docker/ab12/cpu.cfs_period_us": "100000\n",
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            },
            4,
        ),
        (
            {
                "proc/self/cgroup": V1,
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "250000\n",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "50000\n",
            },
            5,
        ),
        # Both versions at once: version 1 has the cpu controller.
        (
            {
                "proc/self/cgroup": V1 + "0::/docker/ab12\n",
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "100000\n",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            },
            1,
        ),
    ],
)
def test_quotas_of_control_groups(
    tmp_path: Path, files: Mapping[str, str], expected: float
) -> None:
    assert available_processors(machine(tmp_path, files)) == expected


def test_affinity_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(os, "process_cpu_count", lambda: 3, raising=False)
    assert available_processors(tmp_path) == 3
    monkeypatch.delattr(os, "process_cpu_count")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 5}, raising=False)
    assert available_processors(tmp_path) == 2
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert available_processors(tmp_path) == 1


def test_this_machine_has_some(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert 0 < available_processors() < math.inf


@pytest.mark.parametrize(("processors", "used"), [(0.5, 0.45), (1.0, 0.9), (64.0, 40.0)])
def test_a_process_that_uses_its_quota_is_busy(processors: float, used: float) -> None:
    now = 0.0
    gauge = CpuGauge(lambda: now * used, processors)
    assert gauge.has_spare_time(now)
    now = 1.0
    assert not gauge.has_spare_time(now)
    now = 2.0
    used /= 4
    gauge = CpuGauge(lambda: now * used, processors)
    gauge.has_spare_time(now)
    now = 3.0
    assert gauge.has_spare_time(now)
