"""Takes downloads: files in ranges, which can be resumed, and documents in base64, which can't.

Sources: docs page "Use file column data": ``x-ms-file-size``, ``x-ms-file-name``, ``mimetype`` tell
of a file, and a range brings at most 4 MiB of it. PowerApps-Samples: ``documentbody/$value`` is
text, the base64 of the document.
"""

from __future__ import annotations

import base64
import binascii
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from urllib.parse import unquote

from dataverse_source.errors import MalformedBodyError
from dataverse_source.sync.files.spool import Spool

RANGE = 4 * 2**20
"""Bytes of a range: ``x-ms-chunk-size: 4194304`` in the docs."""

_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")
_AS_IT_IS = {"Accept-Encoding": "identity"}
_BLANKS = b' \t\r\n"'


class StoppedError(Exception):
    """The run ends, so nobody needs the download any more."""


class ChangedError(Exception):
    """The file has changed while it was downloaded."""


class FileSink:
    """Takes a file column's or an image column's file, range by range.

    Args:
        spool: keeps the bytes.
        stop: set when nobody needs them any more.

    Attributes:
        whole: the file cannot be downloaded in ranges.
        complete: all bytes are there.
        answers: how many answers have brought some of it, broken ones too.
        name: of the file, as Dataverse tells it.
        mime_type: likewise.
    """

    def __init__(self, spool: Spool, stop: threading.Event) -> None:
        self._spool, self._stop = spool, stop
        self._total: int | None = None
        self.whole = self.complete = False
        self.answers = 0
        self.name: str | None = None
        self.mime_type: str | None = None

    @property
    def headers(self) -> Mapping[str, str]:
        """Asks for the range that comes next."""
        if self.whole:
            return _AS_IT_IS
        start = self._spool.size
        return {**_AS_IT_IS, "Range": f"bytes={start}-{start + RANGE - 1}"}

    def take(self, status: int, headers: Mapping[str, str], pieces: Iterator[bytes]) -> None:
        """Takes an answer.

        Raises:
            ChangedError: it is of another file than the one before.
            MalformedBodyError: it is another range than asked for, or too long.
        """
        self.name = _decoded(headers.get("x-ms-file-name")) or self.name
        self.mime_type = headers.get("mimetype") or self.mime_type
        if status != 206 and self._spool.size:  # all of the file, though a part was asked for
            self._spool.restart()
            self._total = None
        self.answers += 1
        start = self._spool.size
        self._learn(headers, start if status == 206 else None)
        for piece in pieces:
            _go_on(self._stop)
            self._spool.write(piece)
        came = self._spool.size - start
        if self._total is not None:
            self.complete = self._spool.size >= self._total
            if self._spool.size > self._total or not (came or self.complete):
                raise _other_length(self._spool.size, self._total)
        else:
            self.complete = status != 206 or came < RANGE
        if status != 206 and not self.complete:
            raise _other_length(self._spool.size, self._total)

    def ends_here(self) -> bool:
        """Whether a range that is not there is no error: all has come, or there is nothing."""
        return self._spool.size == (self._total or 0)

    def _learn(self, headers: Mapping[str, str], start: int | None) -> None:
        text = headers.get("x-ms-file-size") or ""
        total = int(text) if text.isascii() and text.isdigit() else None
        found = _CONTENT_RANGE.fullmatch((headers.get("Content-Range") or "").strip())
        if found and start is not None:
            if int(found[1]) != start:
                raise MalformedBodyError(
                    "Another part of the file came than was asked for",
                    why=f"from byte {found[1]}, not {start}",
                )
            total = total if found[2] == "*" else int(found[2])
        if self._total is not None and total not in (None, self._total):
            raise ChangedError
        self._total = total if total is not None else self._total
        if self._total is not None and self._spool.size > self._total:
            raise ChangedError


class DocumentSink:
    """Takes the document of a note or an e-mail attachment, all at once.

    Args:
        spool: keeps the decoded bytes.
        stop: set when nobody needs them any more.

    Attributes:
        complete: all bytes are there.
    """

    headers: Mapping[str, str] = _AS_IT_IS
    whole = True
    answers = 1
    name = mime_type = None

    def __init__(self, spool: Spool, stop: threading.Event) -> None:
        self._spool, self._stop = spool, stop
        self.complete = False

    def take(self, status: int, headers: Mapping[str, str], pieces: Iterator[bytes]) -> None:  # noqa: ARG002
        """Takes an answer.

        Raises:
            MalformedBodyError: it is no base64.
        """
        self._spool.restart()
        left = b""
        try:
            for piece in pieces:
                _go_on(self._stop)
                left += piece.translate(None, _BLANKS)
                even = len(left) - len(left) % 4
                self._spool.write(base64.b64decode(left[:even], validate=True))
                left = left[even:]
            self._spool.write(base64.b64decode(left, validate=True))
        except binascii.Error as error:
            raise MalformedBodyError("The document is no base64", why=str(error)) from None
        self.complete = True

    def ends_here(self) -> bool:
        """Ranges are never asked for."""
        return False


Make = Callable[[Spool, threading.Event], "FileSink | DocumentSink"]


def _go_on(stop: threading.Event) -> None:
    if stop.is_set():
        raise StoppedError


def _decoded(name: str | None) -> str | None:
    """A name as in a header: percent-encoded UTF-8."""
    return unquote(name) if name else None


def _other_length(came: int, total: int | None) -> MalformedBodyError:
    return MalformedBodyError(
        "A file came in another length than Dataverse says", why=f"{came} of {total} bytes"
    )
