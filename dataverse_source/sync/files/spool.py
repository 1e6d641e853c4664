"""Keeps one file while it is downloaded: a small one in memory, a larger one on disk."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO

IN_MEMORY = 2**18
"""Bytes up to which a file is kept in memory."""

PIECE = 2**20

SYNCED = 4 * 2**20
"""Bytes after which what is on disk is sure to be there after a power failure."""


class Spool:
    """The bytes of one file, as far as they have come.

    Args:
        path: of the file on disk. What an earlier run has left there is gone on with.
        resumes: whether it is.
    """

    def __init__(self, path: Path, *, resumes: bool) -> None:
        self._path = path
        self._memory = bytearray()
        self._disk: IO[bytes] | None = None
        self._hash = hashlib.sha256()
        self._unsynced = 0
        self.size = 0
        if resumes and path.exists():
            self._go_on()

    def __enter__(self) -> Spool:
        return self

    def __exit__(self, *_: object) -> None:
        """Closes the file on disk, which stays: another run may go on with it."""
        self._sync()
        if self._disk is not None:
            self._disk.close()

    @property
    def sha256(self) -> str:
        """The digest of the bytes."""
        return self._hash.hexdigest()

    @property
    def in_memory(self) -> bytes | None:
        """All bytes, if they are kept in memory."""
        return bytes(self._memory) if self._disk is None else None

    def pieces(self) -> Iterator[bytes]:
        """All bytes, piece by piece."""
        if self._disk is None:
            yield bytes(self._memory)
            return
        self._disk.flush()
        with self._path.open("rb") as reading:
            while piece := reading.read(PIECE):
                yield piece

    def write(self, piece: bytes) -> None:
        """Adds bytes."""
        self._hash.update(piece)
        self.size += len(piece)
        if self._disk is None and self.size > IN_MEMORY:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._disk = self._path.open("wb")
            self._disk.write(self._memory)
            self._memory = bytearray()
        if self._disk is None:
            self._memory += piece
            return
        self._disk.write(piece)
        self._unsynced += len(piece)
        if self._unsynced >= SYNCED:
            self._sync()

    def restart(self) -> None:
        """Forgets all bytes."""
        self.remove()
        self._disk = None
        self._memory, self._hash, self.size, self._unsynced = bytearray(), hashlib.sha256(), 0, 0

    def remove(self) -> None:
        """Removes the file on disk: it is stored, or of no use."""
        if self._disk is not None:
            self._disk.close()
        self._path.unlink(missing_ok=True)

    def _go_on(self) -> None:
        """Takes what an earlier run has left, but for what it may not have written for sure."""
        left = self._path.stat().st_size
        sure = max(left - left % SYNCED - 2 * SYNCED, 0)
        if not sure:
            self.remove()
            return
        os.truncate(self._path, sure)
        with self._path.open("rb") as reading:
            while piece := reading.read(PIECE):
                self._hash.update(piece)
        self._disk, self.size = self._path.open("ab"), sure

    def _sync(self) -> None:
        if self._disk is not None and not self._disk.closed:
            self._disk.flush()
            os.fsync(self._disk.fileno())
            self._unsynced = 0
