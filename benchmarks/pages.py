"""Prerendered pages on disk: blocks of compressed rows, of which any range can be served.

These variants are kept: ``lookups`` (all columns, with the tables that lookups point at),
``plain`` (without), ``narrow`` (some columns), ``keys`` (the primary key alone), ``versions``
(with the version number), ``dated`` (and with createdon). They are made once, and grow when more
rows are asked for.
"""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from filelock import FileLock

from benchmarks.gzip_blocks import LEVEL, Block, compressed, gzip_body, stored, text_of
from benchmarks.rows import DATED_ROW, ROW_START, VERSION_ROW, Rows, columns, distinct_rows

CACHE_VARIABLE = "DATAVERSE_BENCHMARKS_CACHE"
"""Names the folder in which pages are kept."""
DISTINCT_ROWS = 20_000
"""Rows after which their content repeats."""
FEW_PAGES = 4
"""So many are made here; more are worth the start of other processes."""
BLOCK_ROWS = 250
PAGE_ROWS = 5000
VARIANTS = ("lookups", "plain", "narrow", "keys", "versions", "dated")

_COMMA = stored(b",")
_MADE: dict[Path, Rows] = {}


def cache_folder() -> Path:
    """Where pages are kept: outside of the project."""
    named = os.environ.get(CACHE_VARIABLE)
    users = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    return Path(named) if named else users / "dlt-dataverse-benchmarks"


@dataclass(frozen=True)
class _Place:
    """Where a block stands in the file."""

    offset: int
    size: int
    length: int
    checksum: int


class Pages:
    """The pages of one variant; safe for threads.

    Args:
        folder: from `make_pages`.
        variant: one of ``VARIANTS``.

    Attributes:
        rows: how many were made.
    """

    def __init__(self, folder: Path, variant: str) -> None:
        index = json.loads((folder / f"{variant}.json").read_text("utf-8"))
        self._places = [_Place(*place) for place in index]
        self.rows = len(self._places) * BLOCK_ROWS
        self._file = os.open(folder / f"{variant}.blocks", os.O_RDONLY)

    def close(self) -> None:
        """Closes the file."""
        os.close(self._file)

    def end_of_page(self, start: int, stop: int, size: int) -> int:
        """Where a page from ``start`` ends: at the end of a block, if it is not the last page."""
        end = min(start + size, stop)
        whole = end - end % BLOCK_ROWS
        return end if end == stop or whole <= start else whole

    def body(self, start: int, end: int, head: bytes, tail: bytes) -> bytes:
        """A gzip body: ``head``, rows from ``start`` and before ``end``, ``tail``."""
        return gzip_body([stored(head), *self._between(start, end), stored(tail)])

    def texts(self, start: int, end: int) -> list[bytes]:
        """The JSON of some rows of one block."""
        number, first = divmod(start, BLOCK_ROWS)
        return _texts(self._block(number))[first : first + end - start]

    def _between(self, start: int, end: int) -> Iterator[Block]:
        at = start
        while at < end:
            if at > start:
                yield _COMMA
            number, first = divmod(at, BLOCK_ROWS)
            last = min(BLOCK_ROWS, first + end - at)
            block = self._block(number)
            yield block if last - first == BLOCK_ROWS else _part(block, first, last)
            at += last - first

    def _block(self, number: int) -> Block:
        place = self._places[number]
        data = os.pread(self._file, place.size, place.offset)
        return Block(data, place.length, place.checksum)


def _part(block: Block, first: int, last: int) -> Block:
    """Some rows of a block, compressed anew."""
    return compressed(b",".join(_texts(block)[first:last]))


def _texts(block: Block) -> list[bytes]:
    pieces = text_of(block).split(b"," + ROW_START)
    return [pieces[0], *(ROW_START + piece for piece in pieces[1:])]


def make_pages(
    rows: int,
    variants: tuple[str, ...] = VARIANTS,
    *,
    folder: Path | None = None,
    say: Callable[[str], None] = print,
) -> Path:
    """Makes what is lacking of the pages of a table with ``rows`` rows.

    Returns:
        The folder that they are in.
    """
    parent = folder or cache_folder()
    folder = parent / f"account-{len(columns())}-columns-{DISTINCT_ROWS}-rows-level-{LEVEL}"
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / "lock"):
        for variant in variants:
            _make(folder, variant, -(-rows // BLOCK_ROWS), say)
    return folder


def _make(folder: Path, variant: str, wanted: int, say: Callable[[str], None]) -> None:
    """Appends blocks to a variant until it has as many as are wanted."""
    index_path = folder / f"{variant}.json"
    places = json.loads(index_path.read_text("utf-8")) if index_path.exists() else []
    if len(places) >= wanted:
        return
    source = _source(folder, variant)
    say(f"Making pages: {variant}, {wanted * BLOCK_ROWS:,} rows (once; kept in {folder.name})")
    group = PAGE_ROWS // BLOCK_ROWS
    starts = range(len(places), wanted, group)
    counts = [min(group, wanted - start) for start in starts]
    offset = places[-1][0] + places[-1][1] if places else 0
    work = ([source] * len(counts), starts, counts)
    with (
        (folder / f"{variant}.blocks").open("r+b" if places else "wb") as file,
        ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool,
    ):
        file.seek(offset)
        groups = map(_rendered, *work) if len(counts) <= FEW_PAGES else pool.map(_rendered, *work)
        for block in itertools.chain.from_iterable(groups):
            file.write(block.data)
            places.append((offset, len(block.data), block.length, block.checksum))
            offset += len(block.data)
    index_path.write_text(json.dumps(places), "utf-8")


def _source(folder: Path, variant: str) -> Path:
    """The file with the sandbox's rows, a line each."""
    path = folder / f"{variant}.rows"
    if not path.exists():
        short = {"keys": [], "versions": [VERSION_ROW], "dated": [DATED_ROW]}
        lines = short[variant] if variant in short else distinct_rows(variant, DISTINCT_ROWS)
        path.with_suffix(".part").write_bytes(b"\n".join(lines))
        path.with_suffix(".part").replace(path)
    return path


def _rendered(source: Path, start: int, count: int) -> list[Block]:
    """Blocks from number ``start`` on; runs in a process of its own."""
    if source not in _MADE:
        _MADE[source] = Rows(source.read_bytes().splitlines())
    rows = _MADE[source]
    numbers = ((n * BLOCK_ROWS, (n + 1) * BLOCK_ROWS) for n in range(start, start + count))
    return [compressed(b",".join(map(rows.text, range(*each)))) for each in numbers]
