"""Bytes that have come stay through broken connections and killed processes."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path

from dataverse_source.sync.files.spool import IN_MEMORY, SYNCED, Spool

CONTENT = random.Random(1).randbytes(5 * SYNCED + 123)


def filled(path: Path, content: bytes) -> Spool:
    spool = Spool(path, resumes=True)
    for start in range(0, len(content), 100_000):
        spool.write(content[start : start + 100_000])
    return spool


def test_a_small_file_stays_in_memory(tmp_path: Path) -> None:
    with filled(tmp_path / "a", CONTENT[:IN_MEMORY]) as spool:
        assert spool.in_memory == CONTENT[:IN_MEMORY]
    assert not list(tmp_path.iterdir())


def test_a_large_file_is_on_disk_until_it_is_removed(tmp_path: Path) -> None:
    with filled(tmp_path / "a", CONTENT) as spool:
        assert spool.in_memory is None
        assert b"".join(spool.pieces()) == CONTENT
        assert spool.sha256 == hashlib.sha256(CONTENT).hexdigest()
        spool.remove()
    assert not list(tmp_path.iterdir())


def test_another_run_goes_on_with_what_is_sure_to_be_right(tmp_path: Path) -> None:
    with filled(tmp_path / "a", CONTENT):
        pass
    with (tmp_path / "a").open("r+b") as torn:  # as a power failure may leave it
        torn.seek(len(CONTENT) - SYNCED)
        torn.write(bytes(SYNCED))
    with Spool(tmp_path / "a", resumes=True) as spool:
        assert 0 < spool.size < len(CONTENT)
        spool.write(CONTENT[spool.size :])
        assert b"".join(spool.pieces()) == CONTENT
        assert spool.sha256 == hashlib.sha256(CONTENT).hexdigest()


def test_a_new_start_forgets_all_bytes(tmp_path: Path) -> None:
    with filled(tmp_path / "a", CONTENT) as spool:
        spool.restart()
        assert (spool.size, list(tmp_path.iterdir())) == (0, [])
        spool.write(b"x")
        assert (spool.in_memory, spool.sha256) == (b"x", hashlib.sha256(b"x").hexdigest())
