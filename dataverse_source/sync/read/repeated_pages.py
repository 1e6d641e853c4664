"""Stops a chain of pages that would never end: the same rows again, or page after page without any.

A provider of a virtual table may ignore the page number, and a delta may lead in a circle, both
with ever new links.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

import pyarrow as pa

from dataverse_source.arrow.page import Page
from dataverse_source.errors import ProtocolError

__all__ = ["EMPTY_PAGES", "checked"]

EMPTY_PAGES = 100
"""Pages without a row, one after the other, after which a chain is given up."""


def checked(pages: Iterator[Page], name: str, identity: Sequence[str]) -> Iterator[Page]:
    """The pages of one chain, as long as each brings other rows.

    Args:
        pages: of the chain.
        name: of the table, for messages.
        identity: columns that tell a row (or a version of it) from any other of the chain.

    Raises:
        ProtocolError: a page has the rows of one before, or too many pages have none.
    """
    seen: set[bytes] = set()
    empty = 0
    for page in pages:
        if page.count:
            empty = 0
            digest = _digest(page, identity)
            if digest in seen:
                raise _endless(name, "a page brings the same rows as one before it")
            seen.add(digest)
        else:
            empty += 1
            if empty > EMPTY_PAGES and page.next_link is not None:
                raise _endless(name, f"{empty} pages in a row bring nothing")
        yield page


def _digest(page: Page, identity: Sequence[str]) -> bytes:
    found = hashlib.blake2b(digest_size=16)
    columns = [page.rows[column] for column in identity]
    for column in (*columns, page.deleted):
        text = pa.concat_arrays(column.chunks) if isinstance(column, pa.ChunkedArray) else column
        found.update(f"{len(column)};".encode())
        # Written anew: the buffers of a slice hold other rows, too.
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, pa.schema([("", text.type)])) as writer:
            writer.write_batch(pa.record_batch([text], names=[""]))
        found.update(sink.getvalue())
    return found.digest()


def _endless(name: str, why: str) -> ProtocolError:
    return ProtocolError(
        "The pages of a table do not come to an end",
        where=name,
        why=why,
        remedy="Leave the table out, or try another page_size: whoever provides its rows, "
        "Dataverse or the provider of a virtual table, does not page them as asked.",
    )
