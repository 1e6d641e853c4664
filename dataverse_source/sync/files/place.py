"""The place of the files: a folder or bucket, opened with fsspec, into which each is put once.

A file's path is made of the table, the row's key, the column and the digest of the bytes. What
users call it never becomes a part of it.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from dlt.common.configuration import resolve_configuration
from dlt.common.configuration.exceptions import ConfigurationException
from dlt.common.exceptions import MissingDependencyException
from dlt.common.storages import FilesystemConfiguration
from dlt.common.storages.fsspec_filesystem import fsspec_from_config

from dataverse_source.errors import ConfigurationError, DataverseError, PipelineError, printable
from dataverse_source.sync.files.spool import Spool

SECTIONS = ("destination", "filesystem")
"""Where dlt keeps the credentials of buckets: ``[destination.filesystem.credentials]``."""

OBJECT_STORES = frozenset(
    {"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "azure", "oci", "oss"}
)
"""fsspec's names of places that show an object when it is complete, and not before."""

BLOCK = 8 * 2**20
"""Bytes of a part of an upload; S3 takes 10,000 parts of 5 MiB or more."""

_EXTRAS = {
    "s3": "s3",
    "s3a": "s3",
    "abfs": "az",
    "abfss": "az",
    "az": "az",
    "azure": "az",
    "adl": "az",
    "gs": "gs",
    "gcs": "gs",
    "sftp": "sftp",
}
"""Extras of dlt with the packages for a place, by scheme."""


def opened(url: str, what: str, setting: str) -> tuple[Any, str, FilesystemConfiguration]:
    """A place that fsspec knows, with dlt's credentials: its filesystem, path and configuration.

    Call it on dlt's own thread.

    Args:
        url: a path, ``file://``, ``s3://``, ``abfss://`` or whatever fsspec knows.
        what: the place is, for messages.
        setting: that names it.

    Raises:
        ConfigurationError: the place cannot be opened: credentials or a package are missing.
    """
    given = FilesystemConfiguration(bucket_url=url)
    try:
        config = resolve_configuration(given, sections=SECTIONS)
        files, root = fsspec_from_config(config)
    except (
        ConfigurationException,
        MissingDependencyException,
        ImportError,
        ValueError,
        OSError,  # some connect at once
    ) as error:
        raise ConfigurationError(
            f"The {what} cannot be opened",
            where=f"{setting}, {printable(url)}",
            why=printable(str(error).strip().split("\n")[0]),
            remedy="Give a folder, or the URL of a bucket: its credentials stand in "
            "[destination.filesystem.credentials] of .dlt/secrets.toml, as for dlt's destination "
            f"filesystem, and its package is installed with {_extra(url)}.",
        ) from None
    return files, root, config


def _extra(url: str) -> str:
    extra = _EXTRAS.get(urlsplit(url).scheme)
    if extra is None:
        return "dlt's extra (dlt[s3])"
    return f"dlt's extra (pip install 'dlt[{extra}]', or uv add 'dlt[{extra}]')"


def path_of(table: str, key: str, column: str, sha256: str) -> str:
    """The path of a file, below the place."""
    return f"{table}/{key}/{column}/{sha256}"


class FilesPlace:
    """Where files are stored.

    Args:
        url: as for `opened`.
        owner: of unfinished files: the same for all runs that never run at the same time.
    """

    def __init__(self, url: str, owner: str) -> None:
        self._files, root, config = opened(url.rstrip("/"), "place of the files", "files_url")
        self._root = root.rstrip("/")
        self._is_local = bool(config.is_local_filesystem)
        protocol = self._files.protocol
        names = {protocol} if isinstance(protocol, str) else set(protocol)
        self._is_atomic = bool(names & OBJECT_STORES)
        self._owner = hashlib.sha256(owner.encode()).hexdigest()[:8]
        self.url = Path(self._root).as_uri() if self._is_local else url.rstrip("/")

    def url_of(self, path: str) -> str:
        """The URL of a file."""
        return f"{self.url}/{path}"

    def has(self, path: str, size: int) -> bool:
        """Whether a file of this size is there.

        Raises:
            PipelineError: the place cannot be reached.
        """
        try:
            return bool(self._files.info(f"{self._root}/{path}")["size"] == size)
        except FileNotFoundError:
            return False
        except Exception as error:  # each place has errors of its own
            raise self._error("looked up", path, error) from error

    def listed(self, table: str) -> set[str]:
        """The paths of all files of a table.

        Args:
            table: entity set name.

        Raises:
            PipelineError: the place cannot be reached.
        """
        try:
            self._files.invalidate_cache()
            found = self._files.find(f"{self._root}/{table}")
        except FileNotFoundError:
            return set()
        except Exception as error:  # each place has errors of its own
            raise self._error("looked up", table, error) from error
        return {"/".join(str(one).replace("\\", "/").split("/")[-4:]) for one in found}

    def put(self, path: str, spool: Spool) -> None:
        """Stores a file, unless it is there: others see all of it, or nothing.

        Raises:
            PipelineError: it cannot be written.
        """
        if self.has(path, spool.size):
            return
        final = f"{self._root}/{path}"
        folder, _, name = final.rpartition("/")
        try:
            if self._is_atomic:
                self._write(final, spool)
                return
            self._files.makedirs(folder, exist_ok=True)
            unfinished = f"{folder}/.{name}.{self._owner}"
            self._write(unfinished, spool)
            if self._is_local:
                Path(unfinished).replace(final)
            else:
                with suppress(FileNotFoundError):
                    self._files.rm_file(final)
                self._files.mv(unfinished, final)
        except DataverseError:
            raise
        except Exception as error:  # each place has errors of its own
            raise self._error("written", path, error) from error

    def _write(self, name: str, spool: Spool) -> None:
        content = spool.in_memory
        if content is not None:
            self._files.pipe_file(name, content)
            return
        target = self._files.open(name, "wb", block_size=BLOCK)
        try:
            for piece in spool.pieces():
                target.write(piece)
        except BaseException:
            target.discard() if hasattr(target, "discard") else None  # closing would complete it
            raise
        target.close()

    def remove_others(self, table: str, key: str, column: str, keep: str | None) -> None:
        """Removes the files of a row's column but one.

        Args:
            table: entity set name.
            key: of the row.
            column: of the row.
            keep: digest of the file that stays; None: none stays.

        Raises:
            PipelineError: they cannot be removed.
        """
        folder = f"{self._root}/{table}/{key}/{column}"
        try:
            self._files.invalidate_cache()
            for found in self._files.ls(folder, detail=False):
                if str(found).rstrip("/").rpartition("/")[2] != keep:
                    self._files.rm_file(found)
            if self._is_local and keep is None:
                with suppress(OSError):
                    Path(folder).rmdir()
                    Path(folder).parent.rmdir()
        except FileNotFoundError:
            return
        except Exception as error:  # each place has errors of its own
            raise self._error("removed", f"{table}/{key}/{column}", error) from error

    def _error(self, what: str, path: str, error: Exception) -> PipelineError:
        return PipelineError(
            f"A file cannot be {what} in the place of the files",
            where=self.url_of(path),
            why=f"{type(error).__name__}: {error}",
            remedy="Check files_url, the rights of its credentials, and free space. Run again: "
            "files that are stored are not downloaded again.",
        )
