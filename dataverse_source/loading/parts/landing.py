"""The landing place: a folder or bucket where parts put their files, opened with fsspec.

A plan has a folder of its own in it. Each attempt at a part writes files under names of its own,
and then the part's manifest, which names them, in one step. So a process that was killed leaves no
manifest, and one that comes late puts a complete part in place of another complete one.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

import dlt

from dataverse_source.errors import ConfigurationError, printable
from dataverse_source.sync.files.place import opened

PLAN = "plan.json"


def default_landing(pipeline: dlt.Pipeline) -> str:
    """The landing place while none is set: a folder beside the pipelines' working folders.

    It is not inside of one, as dlt empties that to restore a pipeline.
    """
    folder = Path(pipeline.pipelines_dir).absolute().parent / "landing"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    (folder / ".gitignore").write_text("*\n", encoding="utf-8")
    return folder.as_uri()


class Landing:
    """One plan's folder in the landing place.

    Args:
        url: of the folder: a path, ``file://``, ``s3://``, ``abfss://`` or whatever fsspec knows.

    Raises:
        ConfigurationError: the place cannot be opened: credentials or a package are missing.
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self._files, self._root, config = opened(self.url, "landing place", "landing_url")
        self._is_local = config.is_local_filesystem

    @property
    def is_local(self) -> bool:
        """Whether it is a folder of this machine."""
        return bool(self._is_local)

    def check_writable(self) -> None:
        """Writes a file and removes it.

        Raises:
            ConfigurationError: nothing can be written.
        """
        name = f".written-{os.urandom(4).hex()}"
        self.put(name, {})
        with self.writing():
            self.remove(name)

    def put(self, name: str, value: Any) -> None:
        """Writes a JSON file in one step: others see all of it, or nothing.

        Raises:
            ConfigurationError: it cannot be written.
        """
        text = json.dumps(value, indent=1).encode()
        with self.writing():
            self._prepare()
            if not self._is_local:  # object stores show an object when it is complete
                self._files.pipe_file(self._path(name), text)
                return
            path = Path(self._path(name))
            new = path.with_name(f".{path.name}.{os.getpid()}-{os.urandom(4).hex()}")
            new.write_bytes(text)
            new.replace(path)

    def get(self, name: str) -> Any | None:
        """The contents of a JSON file; None if there is no such file.

        Raises:
            ValueError: it is no JSON.
            ConfigurationError: it cannot be read.
        """
        with self._doing("read"):
            try:
                found = self._files.cat_file(self._path(name))
            except (FileNotFoundError, NotADirectoryError):
                return None
        return json.loads(found)

    def write(self, name: str) -> IO[bytes]:
        """A new file, open for writing; to be used and closed within `writing`."""
        self._prepare()
        return self._files.open(self._path(name), "wb")  # type: ignore[no-any-return]

    def writing(self) -> AbstractContextManager[None]:
        """While it lasts, an error is that of the landing place, which cannot be written.

        Raises:
            ConfigurationError: it cannot.
        """
        return self._doing("written")

    @contextmanager
    def _doing(self, what: str) -> Iterator[None]:
        """Explains errors; each file system, and each library for a bucket, has its own."""
        try:
            yield
        except Exception as error:
            raise ConfigurationError(
                f"The landing place cannot be {what}",
                where=f"landing_url, {printable(self.url)}",
                why=printable(f"{type(error).__name__}: {error}".strip().split("\n")[0]),
                remedy="Check that the folder or bucket is there, that it has space, and that this "
                "machine's user, or the credentials in [destination.filesystem.credentials], may "
                "write to it. Then run this step again; parts that were read are kept.",
            ) from error

    def read(self, name: str) -> IO[bytes]:
        """A file, open for reading.

        Raises:
            FileNotFoundError: there is no such file.
        """
        return self._files.open(self._path(name), "rb")  # type: ignore[no-any-return]

    def local_path(self, name: str) -> str | None:
        """The path of a file; None if it is not on this machine."""
        return self._path(name) if self._is_local else None

    def remove(self, name: str) -> None:
        """Removes a file, if it is there."""
        try:
            self._files.rm_file(self._path(name))
        except FileNotFoundError:
            return

    def remove_all(self) -> None:
        """Removes the plan's folder."""
        self._files.invalidate_cache()
        try:
            self._files.rm(self._root, recursive=True)
        except FileNotFoundError:
            return

    def _prepare(self) -> None:
        if self._is_local:
            Path(self._root).mkdir(parents=True, exist_ok=True, mode=0o700)

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"


def write_plan_file(where: str, plan: Any) -> None:
    """Writes a plan to a file.

    Args:
        where: path or URL of the file.
        plan: JSON values.

    Raises:
        ConfigurationError: it cannot be written.
    """
    folder, name = _folder_and_name(where)
    try:
        Landing(folder).put(name, plan)
    except ConfigurationError as error:
        raise ConfigurationError("The plan cannot be written", where=where, why=error.why) from None


def read_plan_file(where: str) -> Any:
    """The contents of a plan's JSON file.

    Args:
        where: path or URL of the file, or of the plan's folder.

    Raises:
        ConfigurationError: there is no such file, or it is no JSON.
    """
    folder, name = _folder_and_name(where)
    try:
        found = Landing(folder).get(name)
    except ValueError as error:
        raise ConfigurationError("The plan is no JSON", where=where, why=str(error)) from None
    if found is None:
        raise ConfigurationError(
            "There is no such plan",
            where=where,
            remedy="Name the file that `dataverse-source plan` wrote. When a plan is finished, its "
            "folder in the landing place is removed.",
        )
    return found


def _folder_and_name(where: str) -> tuple[str, str]:
    """The folder of a plan's file, and the file's name."""
    if urlsplit(where).scheme not in ("", "file") and "://" in where:
        folder, _, name = where.rpartition("/")
    else:
        path = Path(where.removeprefix("file://")).absolute()
        folder, name = path.parent.as_uri(), path.name
    if not name.endswith(".json"):
        return f"{folder}/{name}".rstrip("/"), PLAN
    return folder, name
