"""Returns a row once, even when it is deleted and created again during a parallel read.

Intervals of createdon do not overlap, and createdon does not change. But a row that has been
read can be deleted and created again under the same key, with a createdon that another chain
still has to read (docs: ``overriddencreatedon`` may set it to any moment). When the rows replace
the destination's table, nothing would remove the second one. Its version number is higher than
any that existed when the read began. So rows with such numbers are held back until the end, and
then returned unless their key was returned before.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pyarrow as pa
import pyarrow.compute as pc

from dataverse_source.arrow.keys import concat, difference, intersection
from dataverse_source.arrow.spool import Spool
from dataverse_source.sync.read.table_reader import VERSION, VERSION_MARGIN


class RecreatedRowFilter:
    """Lets each key through once.

    Args:
        key: the key column.
        highest: the highest version number when the read began.
    """

    def __init__(self, key: str, highest: int) -> None:
        self._key = key
        self._highest = highest
        self._accepted = Spool()
        self._held_back = Spool()

    def __enter__(self) -> RecreatedRowFilter:
        return self

    def __exit__(self, *_: object) -> None:
        self._accepted.close()
        self._held_back.close()

    def accept(self, rows: pa.Table) -> pa.Table:
        """Returns the rows that cannot be repeats; holds the others back."""
        is_new = is_recent(rows, self._highest)
        held_back = rows.filter(is_new)
        if held_back.num_rows:
            self._held_back.add(held_back)
            rows = rows.filter(pc.invert(is_new))
        if rows.num_rows:
            self._accepted.add(rows.select([self._key]))
        return rows

    def remaining(self) -> Iterator[pa.Table]:
        """The rows held back: each key once, and none that was accepted before."""
        yield from not_repeated(self._key, self._held_back, self._accepted)


def is_recent(rows: pa.Table, highest: int) -> pa.Array:
    """Whether each row may have been created again since ``highest`` was the highest version."""
    return pc.fill_null(pc.greater(rows[VERSION], highest - VERSION_MARGIN), True)


def not_repeated(
    key: str, held_back: Iterable[pa.Table], accepted: Iterable[pa.Table]
) -> Iterator[pa.Table]:
    """The rows held back: each key once, and none that was accepted.

    Args:
        key: the key column.
        held_back: the rows; they are iterated twice.
        accepted: the key column of the other rows; it is iterated once, if any row is held back.
    """
    keys = concat([rows[key] for rows in held_back])
    if not len(keys):
        return
    found = [intersection(concat([rows[key]]), keys) for rows in accepted]
    open_keys = difference(keys, concat(found))
    for rows in held_back:
        own = concat([rows[key]])
        rows = rows.filter(pc.is_in(own, value_set=open_keys))
        if rows.num_rows:
            open_keys = difference(open_keys, own)
            yield rows
