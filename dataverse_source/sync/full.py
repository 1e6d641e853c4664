"""Reads all rows of a table in key order, whole or as one of several load packages."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterator
from dataclasses import replace

from dataverse_source.decode import Page
from dataverse_source.errors import ResponseError
from dataverse_source.sync.history import begins
from dataverse_source.sync.links import restore, shorten
from dataverse_source.sync.reader import joined
from dataverse_source.sync.run import Rows, Steps, TableRun
from dataverse_source.sync.state import TableState
from dataverse_source.sync.sweep import sweep

logger = logging.getLogger(__name__)


def read_all(run: TableRun, state: TableState) -> Steps:
    """All rows, or the next ``max_rows_per_load`` of them.

    Read in one package they replace the table: nothing that is gone stays, and no merge has to
    be paid for. Otherwise they are merged into it, so that it is never without its rows for
    long, and what is gone is found by the keys in the end. A history is never replaced.
    """
    limit = run.settings.max_rows_per_load
    if len(run.reader.table.key_columns) > 1:
        limit = None  # its keys can't be compared in the end
    split = limit is not None or run.settings.deletes == "keep"
    stays = not begins(run) if run.settings.history else split and run.destination.has_rows()
    in_place = state.link is None and not stays
    first, pages = _pages(run, state.link)
    began, count, keys = run.now(), 0, []
    for page in pages:
        if page.rows.num_rows or count == 0:
            yield Rows(page.rows, replace=in_place)
        count += page.rows.num_rows
        if not in_place:
            keys.append(page.rows[run.reader.key])
        if limit is not None and count >= limit and page.next_link is not None:
            return replace(state, link=shorten(page.next_link), more=True)
    done = replace(state, complete=True, link=None, more=state.link is not None)
    if in_place:
        return replace(done, swept=began.isoformat())
    seen = joined(keys)
    return (yield from sweep(run, done, seen=seen, there=seen if first else None))


def _pages(run: TableRun, link: str | None) -> tuple[bool, Iterator[Page]]:
    """The pages from ``link`` on, and whether they are all pages of the table."""
    reader = run.reader
    if link is not None:
        url = restore(link, reader.client.environment_url, reader.select)
        try:
            pages = reader.pages(url)
            return False, itertools.chain([next(pages)], pages)
        except ResponseError as refusal:
            if not 400 <= refusal.status < 500 or refusal.status in (401, 403, 429):
                raise
            logger.warning(
                "%s: Dataverse does not go on where the last package ended (%s); the table is "
                "read from its beginning once more",
                run.name,
                refusal.code or refusal.status,
            )
    return True, reader.pages(reader.url())
