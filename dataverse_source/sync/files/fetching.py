"""Downloads files side by side and stores each; one that fails does not stop the others."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from itertools import islice
from typing import Union

from dlt.common.runtime import signals

from dataverse_source.client.client import DataverseClient
from dataverse_source.client.download import NO_BLOCKS
from dataverse_source.errors import (
    AccessDeniedError,
    AuthenticationError,
    ConfigurationError,
    ConnectionFailedError,
    DataverseError,
    PipelineError,
    ProtocolError,
    ResponseError,
    ServerError,
    ThrottledError,
    UnauthorizedError,
)
from dataverse_source.sync.files.columns import WantedFile
from dataverse_source.sync.files.journal import Journal, StoredFile
from dataverse_source.sync.files.place import FilesPlace, path_of
from dataverse_source.sync.files.sinks import ChangedError, DocumentSink, FileSink
from dataverse_source.sync.files.spool import IN_MEMORY, Spool

MOST_AT_ONCE = 32
"""Files that are downloaded at a time; each takes a thread."""

LARGE_AT_ONCE = 3
"""Larger files that are uploaded at a time: fsspec keeps a part of each in memory."""

MOST_CHANGES = 3
"""Times that a file may change while it is downloaded before it is left for the next run."""

MOST_IN_A_ROW = 10
"""Files in a row that fail by what may be wrong with all of them, before the run fails."""

BLOCKED = "0x80043e09"
"""AttachmentBlocked in the error code list: a file that may not be downloaded."""

POLL_SECONDS = 0.2

_OF_ALL = (
    AuthenticationError,
    ConfigurationError,
    PipelineError,
    ThrottledError,
    UnauthorizedError,
)
"""Errors that are not those of one file."""

_MAY_BE_OF_ALL = (AccessDeniedError, ConnectionFailedError, ServerError)


@dataclass(frozen=True)
class FailedFile:
    """A file that could not be downloaded.

    Attributes:
        wanted: the file.
        error: why.
    """

    wanted: WantedFile
    error: DataverseError


Fetched = Union[StoredFile, FailedFile]  # noqa: UP007 (`X | Y` of classes is not for Python 3.10's generics)


class Fetcher:
    """Downloads and stores the files of one table.

    Args:
        client: asks Dataverse.
        place: stores the files.
        journal: of the table.
    """

    def __init__(self, client: DataverseClient, place: FilesPlace, journal: Journal) -> None:
        self._client, self._journal = client, journal
        self.place = place
        self._large = threading.Semaphore(LARGE_AT_ONCE)
        self._in_a_row = 0

    def fetch(self, files: Sequence[WantedFile]) -> Iterator[Fetched]:
        """Downloads and stores files, in any order.

        Raises:
            DataverseError: what is wrong is not the matter of one file.
        """
        if not files:
            return
        at_once = min(MOST_AT_ONCE, len(files))  # the limiter says how many requests
        waiting, stop = iter(files), threading.Event()
        running: set[Future[Fetched]] = set()
        pool = ThreadPoolExecutor(at_once, "dataverse-file")
        try:
            while True:
                for one in islice(waiting, 2 * at_once - len(running)):
                    running.add(pool.submit(self._one, one, stop))
                if not running:
                    return
                signals.raise_if_signalled()
                done, running = wait(running, POLL_SECONDS, FIRST_COMPLETED)
                for future in done:
                    yield self._judged(future.result())
        finally:
            stop.set()
            pool.shutdown(wait=True, cancel_futures=True)

    def _judged(self, found: Fetched) -> Fetched:
        """Raises the error of a file if too many have failed likewise."""
        if isinstance(found, StoredFile):
            self._in_a_row = 0
            return found
        error = found.error
        is_blocked = isinstance(error, ResponseError) and _is(error, BLOCKED)
        if isinstance(error, _MAY_BE_OF_ALL) and not is_blocked:
            self._in_a_row += 1
            if self._in_a_row >= MOST_IN_A_ROW:
                raise error
        return found

    def _one(self, wanted: WantedFile, stop: threading.Event) -> Fetched:
        known = self._journal.find(wanted)
        if known is not None and known.url == self._url(wanted, known.sha256):
            path = path_of(wanted.column.table, known.key, known.column, known.sha256)
            if self.place.has(path, known.size):
                return known
        try:
            for _ in range(MOST_CHANGES):
                try:
                    return self._downloaded(wanted, stop)
                except ChangedError:
                    wanted = self._as_it_is_now(wanted)
        except _OF_ALL:
            raise
        except DataverseError as error:
            return FailedFile(wanted, error)
        changes = "The file changes faster than it can be downloaded"
        return FailedFile(wanted, ProtocolError(changes, where=wanted.path))

    def _url(self, wanted: WantedFile, sha256: str) -> str:
        column = wanted.column
        return self.place.url_of(path_of(column.table, wanted.key, column.name, sha256))

    def _downloaded(self, wanted: WantedFile, stop: threading.Event) -> StoredFile:
        """Downloads and stores a file.

        Raises:
            ChangedError: it has changed meanwhile.
            DataverseError: it cannot be downloaded, or not be stored.
        """
        is_document = wanted.column.kind == "document"
        path = self._journal.spool_path(wanted)
        with Spool(path, resumes=not is_document) as spool:
            make: Callable[[Spool, threading.Event], FileSink | DocumentSink]
            make = DocumentSink if is_document else FileSink
            before, sink = spool.size, make(spool, stop)
            try:
                self._receive(wanted, spool, sink)
                if is_document and wanted.size not in (None, spool.size):
                    self._confirm(wanted, spool, sink)
                if before or sink.answers > 1:  # parts of two files must not become one
                    self._check_version(wanted)
            except (ChangedError, ResponseError, ProtocolError):
                spool.remove()
                raise
            name, mime = sink.name or wanted.name, sink.mime_type or wanted.mime_type
            digest, key, column = spool.sha256, wanted.key, wanted.column
            stored = path_of(column.table, key, column.name, digest)
            if spool.size > IN_MEMORY:
                with self._large:
                    self.place.put(stored, spool)
            else:
                self.place.put(stored, spool)
            found = StoredFile(
                key, column.name, wanted.version, name, mime, spool.size, digest,
                self.place.url_of(stored),
            )  # fmt: skip
            self._journal.add(found)
            spool.remove()
            return found

    def _receive(self, wanted: WantedFile, spool: Spool, sink: FileSink | DocumentSink) -> None:
        while not sink.complete:
            before = spool.size
            try:
                self._client.download(wanted.path, sink, wanted.column.query)
            except ResponseError as error:
                if _is(error, NO_BLOCKS) and not sink.whole:
                    sink.whole = True
                    spool.restart()
                elif error.status == 416 and sink.ends_here():
                    return
                else:
                    raise
            except ConnectionFailedError:
                if spool.size <= before:  # else it goes on with the next byte
                    raise

    def _confirm(self, wanted: WantedFile, spool: Spool, sink: FileSink | DocumentSink) -> None:
        """Downloads a document of another size than its row says once more: it may have been cut.

        Raises:
            ChangedError: other bytes came.
        """
        first = spool.sha256
        sink.complete = False
        self._receive(wanted, spool, sink)
        if spool.sha256 != first:
            raise ChangedError

    def _check_version(self, wanted: WantedFile) -> None:
        if self._as_it_is_now(wanted).version != wanted.version:
            raise ChangedError

    def _as_it_is_now(self, wanted: WantedFile) -> WantedFile:
        """The same file in the version that it has now."""
        column = wanted.column
        row = self._client.get_json(wanted.row, {"$select": ",".join(column.versions)})
        return replace(wanted, version=column.version(row), size=row.get("filesize"))


def _is(error: ResponseError, code: str) -> bool:
    return (error.code or "").lower() == code
