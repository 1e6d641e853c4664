"""What a run has stored before its rows were loaded: a killed run's files are not fetched again.

A line of JSON for each file, in the pipeline's working folder. A line that is cut off is of no use.
"""

from __future__ import annotations

import hashlib
import json
import threading
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from dataverse_source.sync.files.columns import WantedFile


@dataclass(frozen=True)
class StoredFile:
    """A file that is in the place of the files.

    Attributes:
        key: of its row.
        column: that holds it.
        version: of the file that was wanted.
        name: that users have given it.
        mime_type: likewise.
        size: bytes.
        sha256: digest of the bytes.
        url: where it is stored.
    """

    key: str
    column: str
    version: str
    name: str | None
    mime_type: str | None
    size: int
    sha256: str
    url: str


class Journal:
    """The files of a table that are stored, although their rows may not be loaded yet.

    Args:
        folder: of the pipeline's files.
        table: entity set name.
    """

    def __init__(self, folder: Path, table: str) -> None:
        self._folder, self._path = folder, folder / f"{table}.jsonl"
        self._lock = threading.Lock()
        self._known: dict[tuple[str, str], StoredFile] | None = None
        self._used: list[StoredFile] = []

    def spool_path(self, wanted: WantedFile) -> Path:
        """Where a file is kept while it is downloaded; another version is kept elsewhere."""
        text = "\n".join((wanted.path, wanted.version))
        name = hashlib.sha256(text.encode()).hexdigest()[:32]
        return self._folder / "unfinished" / name

    def find(self, wanted: WantedFile) -> StoredFile | None:
        """The file, if it was stored in this version."""
        with self._lock:
            if self._known is None:
                self._known = {(one.key, one.column): one for one in self._read()}
            found = self._known.get((wanted.key, wanted.column.name))
        return found if found and found.version == wanted.version else None

    def add(self, stored: StoredFile) -> None:
        """Notes a file that is stored now."""
        with self._lock:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with self._path.open("a", encoding="utf-8") as lines:
                lines.write(json.dumps(asdict(stored)) + "\n")

    def last(self) -> StoredFile | None:
        """The file that was noted last."""
        found = None
        for one in self._read():
            found = one
        return found

    def clear(self) -> None:
        """Forgets all files: their rows are loaded."""
        with self._lock:
            self._path.unlink(missing_ok=True)
            self._known = {}

    def _read(self) -> list[StoredFile]:
        found = []
        with suppress(FileNotFoundError), self._path.open(encoding="utf-8") as lines:
            for line in lines:
                with suppress(ValueError, TypeError):
                    found.append(StoredFile(**json.loads(line)))
        return found
