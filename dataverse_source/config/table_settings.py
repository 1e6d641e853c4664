"""The settings that can be set for one table, see `dataverse_source.config.settings`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from dataverse_source.config import values
from dataverse_source.config.values import MAX_PAGE_SIZE, Kind

Sync = Literal["auto", "changes", "cursor", "full"]
Deletes = Literal["remove", "keep"]
Write = Literal["merge", "append"]
TableFormat = Literal["delta", "iceberg"]


def about(kind: Kind, doc: str, *, unset: str = "", for_one_table: bool = False) -> dict[str, Any]:
    """What the table of settings says beside name, type and default.

    Args:
        kind: what the setting may hold.
        doc: one line for the docs.
        unset: what happens while it is not set, where the default is None.
        for_one_table: it makes sense in ``table_settings`` only.
    """
    return {"kind": kind, "doc": doc, "unset": unset, "for_one_table": for_one_table}


@dataclass(frozen=True)
class TableSettings:
    """Settings that can be set for all tables, for one table, or both."""

    sync: Sync = field(
        default="auto",
        metadata=about(
            values.one_of("auto", "changes", "cursor", "full"),
            "sync mode: `changes` follows Dataverse's change tracking, deletes included; `cursor` "
            "reads newer rows by `modifiedon` or `versionnumber` and finds deletes by comparing "
            "keys; `full` reads all rows every time; `auto` takes the first of these that the "
            "table and your privileges allow. Set for all tables, it is a preference: a table that "
            "does not support the mode falls back to the next best. Set for one table, it is a "
            "requirement",
        ),
    )
    deletes: Deletes = field(
        default="remove",
        metadata=about(
            values.one_of("remove", "keep"),
            "`remove` removes deleted rows; `keep` keeps them and lists them in "
            "`_dataverse_deletions` (`table`, `key`, `seen_at`)",
        ),
    )
    reconcile_interval: float | None = field(
        default=None,
        metadata=about(
            values.number("a number of hours, 0 for every run"),
            "hours between comparisons of all rows with the destination, which correct every "
            "difference; 0 for every run",
            unset="24 for `cursor`, 168 for `changes`",
        ),
    )
    sweep_interval: float | None = field(
        default=None,
        metadata=about(
            values.number("a number of hours, 0 for every run"),
            "former name of `reconcile_interval`",
            unset="`reconcile_interval`",
        ),
    )
    max_deletes: float | None = field(
        default=None,
        metadata=about(
            values.share(),
            "most of a loaded table's rows that one run may remove, as a share from 0 to 1; a run "
            "that would remove more stops and changes nothing",
            unset="no limit",
        ),
    )
    max_rows_per_load: int | None = field(
        default=None,
        metadata=about(
            values.whole(1, what="rows"),
            "rows after which a long read ends its load package; an interrupted first load "
            "resumes after the last package",
            unset="all in one",
        ),
    )
    labels: bool = field(
        default=False,
        metadata=about(
            values.FLAG, "`true` adds `<column>name`, the label of the value, to each choice column"
        ),
    )
    history: bool = field(
        default=False,
        metadata=about(
            values.FLAG,
            "`true` keeps every version of a row that a run has seen, with `_dataverse_valid_from` "
            "and `_dataverse_valid_to`",
        ),
    )
    write: Write = field(
        default="merge",
        metadata=about(
            values.one_of("merge", "append"),
            "`merge` makes the table equal to Dataverse's; `append` makes it a change feed: every "
            "version of a row that a run has seen, and every delete",
        ),
    )
    table_format: TableFormat | None = field(
        default=None,
        metadata=about(
            values.one_of("delta", "iceberg"),
            "format of the tables in a bucket or folder: `delta` or `iceberg`",
            unset="the destination's own",
        ),
    )
    text_lengths: bool = field(
        default=False,
        metadata=about(
            values.FLAG,
            "`true` gives text columns the greatest length that Dataverse allows, keys 36, so that "
            "databases can index them",
        ),
    )
    page_size: int = field(
        default=MAX_PAGE_SIZE,
        metadata=about(values.whole(1, MAX_PAGE_SIZE), f"rows per page, at most {MAX_PAGE_SIZE}"),
    )
    lookback_seconds: float = field(
        default=300,
        metadata=about(
            values.number("a number of seconds, 0 or more"),
            "seconds by which a `cursor` read overlaps the previous run, so that rows committed "
            "late are not missed",
        ),
    )
    select: tuple[str, ...] | None = field(
        default=None,
        metadata=about(
            values.names("a list of column names"),
            "columns to read, by logical name; the key, `modifiedon` and `versionnumber` are "
            "always read",
            unset="all columns that rows can carry",
            for_one_table=True,
        ),
    )
    exclude_columns: tuple[str, ...] = field(
        default=(),
        metadata=about(
            values.names("a list of column names or patterns"),
            "columns that are not read: logical names, or patterns such as `address2_*`",
            unset="none",
            for_one_table=True,
        ),
    )
    filter: str | None = field(
        default=None,
        metadata=about(
            values.text("an OData filter expression as text"),
            'OData `$filter` that rows have to meet; rules out `sync = "changes"`',
            unset="all rows",
            for_one_table=True,
        ),
    )
