"""Downloads: bodies of any size go piece by piece to who wants them, and are never kept whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol

import requests

from dataverse_source.client import body
from dataverse_source.client.retry import TransientError
from dataverse_source.errors import MalformedBodyError

__all__ = ["LONGEST_DOWNLOAD", "NO_BLOCKS", "Sink", "received"]

LONGEST_DOWNLOAD = 6 * 3600.0
"""Seconds in which a download must be complete, however it comes: 10 GB at half a megabyte a
second."""

NO_BLOCKS = "0x80090017"
"""A file that can be downloaded only as a whole (docs: "Use file column data")."""


class Sink(Protocol):
    """Takes the body of an answer."""

    @property
    def headers(self) -> Mapping[str, str]:
        """Headers of the next try: after a broken connection, they ask for the rest."""

    def take(self, status: int, headers: Mapping[str, str], pieces: Iterator[bytes]) -> None:
        """Takes the body of a good answer; the headers' names may be in any case.

        Raises:
            MalformedBodyError: it is not what was asked for; another try may bring that.
        """


def received(answer: requests.Response, sink: Sink) -> bytes:
    """Hands the body of a good answer to ``sink``; the body of any other is returned.

    Raises:
        requests.RequestException: the connection broke.
        TransientError: it is not what was asked for.
    """
    is_page = "html" in (answer.headers.get("Content-Type") or "").lower()
    if answer.status_code not in (200, 204, 206) or is_page:
        return body.receive(answer, body.MOST_BYTES)
    try:
        if body.is_compressed(answer.headers.get("Content-Encoding")):
            raise MalformedBodyError("A file came compressed, although it was asked for as it is")
        sink.take(answer.status_code, answer.headers, body.pieces(answer))
    except MalformedBodyError as error:
        answer.close()
        raise TransientError(error) from error.__cause__
    except BaseException:
        answer.close()
        raise
    return b""
