"""The control groups of this process: where containers state their limits."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

__all__ = ["control_groups", "text_of"]


def control_groups(root: Path, controller: str) -> Iterator[tuple[int, Path]]:
    """The folders of this process's control groups and of those around them.

    Sources: kernel docs "Control Group v2" and "Control Groups version 1"; cgroups(7).

    Args:
        root: of the file system.
        controller: ``cpu`` or ``memory``.

    Yields:
        Version (1 or 2) and folder; it need not exist.
    """
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except (OSError, UnicodeDecodeError):
        return
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, group = rest.partition(":")
        version, mount = 2, root / "sys/fs/cgroup"
        if controllers:
            if controller not in controllers.split(","):
                continue
            # Usually one mount for several controllers, with a link named after each.
            version, mount = 1, mount / controller
        # A container may see the files of its own group at the root of the mount.
        path = PurePosixPath(group.lstrip("/"))
        for one in (path, *path.parents):
            if ".." not in one.parts:
                yield version, mount / one


def text_of(path: Path) -> str:
    """What a file says; nothing if it cannot be read."""
    try:
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError):
        return ""
