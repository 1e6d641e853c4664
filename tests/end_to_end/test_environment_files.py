"""Files of several environments."""

from __future__ import annotations

from pathlib import Path

import pytest

from dataverse_source.sandbox.writes.file_store import put_document
from tests.support.comparing import all_rows
from tests.support.environments import World


@pytest.mark.parametrize("deletes", ["remove", "keep"])
@pytest.mark.parametrize("sync", ["auto", "full"])
def test_files_of_both_environments(world: World, tmp_path: Path, sync: str, deletes: str) -> None:
    """Both have notes with the same keys, and one goes in one of them."""
    settings = {"sync": sync, "deletes": deletes, "files": ["annotations"]}
    settings |= {"files_url": str(tmp_path / "files"), "files_deletes": "remove"}
    notes: dict[str, list[str]] = {}
    for name, sandbox in world.sandboxes.items():
        environment = sandbox.environment
        notes[name] = [
            put_document(environment, "annotation", f"{name} {one}".encode(), "note.txt")
            for one in range(3)
        ]
    for name in ("eu", "us", "eu"):
        world.load(name, "annotations", **settings)
    gone = notes["us"][0]
    world.sandboxes["us"].clock.advance(600)
    world.sandboxes["us"].store.delete("annotation", gone)
    for name in ("us", "eu", "us"):
        world.load(name, "annotations", **settings)
    found = all_rows(world.pipeline("eu"), "_dataverse_files")
    there = {(row["_dataverse_environment"], row["key"]): row for row in found}
    assert len(found) == len(there) == (6 if deletes == "keep" else 5)
    for name in ("eu", "us"):
        for number, key in enumerate(notes[name]):
            if key == gone and deletes == "remove":
                continue
            path = Path(there[name, key]["url"].removeprefix("file://"))
            assert path.is_relative_to(tmp_path / "files" / name)
            if key != gone:
                assert path.read_bytes() == f"{name} {number}".encode()
