"""Where the next load package continues a read of a whole table."""

from __future__ import annotations

from dataclasses import dataclass

from dataverse_source.sync.read.created_on import Interval


@dataclass(frozen=True)
class ResumePoint:
    """What a read of a whole table has left: one next link, or the intervals of a parallel read.

    Attributes:
        link: next link of a read in one chain, without host and columns (see
            `dataverse_source.sync.read.stored_links.shorten`).
        intervals: what a parallel read has left.
        begun_by: id of the run that began the read; only of a table that is always read in full.
    """

    link: str | None = None
    intervals: tuple[Interval, ...] = ()
    begun_by: str | None = None
