"""Keeps a change feed of a table: every version of a row that a run has seen, and every delete.

Rows are only ever appended, so it needs a destination that can do nothing else, such as Parquet
files. A load package has each key once. A read of all rows begins with a mark: what was appended
before it no longer counts, so that rows which are not read again are gone. A package that broke off
and is read again appends rows a second time, with a later time: at least once.
"""

from __future__ import annotations

from datetime import datetime, timezone

import pyarrow as pa
from dlt.common.schema.typing import TColumnSchema

from dataverse_source.arrow.schema import MOMENT, TEXT
from dataverse_source.errors import ConfigurationError
from dataverse_source.sync.context import TableRun
from dataverse_source.sync.write.columns import LOAD_ID, SEEN_AT, SEEN_ON, SNAPSHOT

NO_ROW = "00000000-0000-0000-0000-000000000000"
"""Key of the row that begins a read of all rows; no row of Dataverse has it."""


def check_feed(run: TableRun) -> None:
    """Checks the settings of a table that has a change feed, or shall get one.

    Raises:
        ConfigurationError: they contradict it.
    """
    place = f"[sources.dataverse.table_settings.{run.name}]"
    settings = run.settings
    if settings.write != "append":
        if SEEN_AT in run.destination.columns():
            raise ConfigurationError(
                f"Table {run.name} holds a change feed, which would be lost without write = "
                "'append'",
                where=f"{place} write",
                remedy="Set write = 'append' for it. To give up the feed, drop the table first "
                "(dlt's refresh = 'drop_resources').",
            )
        return
    for name, other in (("history", settings.history), ("deletes", settings.deletes == "keep")):
        if other:
            raise ConfigurationError(
                f"Table {run.name} can't have {name} beside write = 'append': a change feed keeps "
                "every version and every delete anyway",
                where=f"{place} {name}",
                remedy=f"Remove {name} for this table.",
            )


def hints() -> dict[str, TColumnSchema]:
    """Hints for dlt of the columns that `feed_rows` adds."""
    return {
        SEEN_AT: {"name": SEEN_AT, "data_type": "timestamp", "nullable": True},
        SEEN_ON: {"name": SEEN_ON, "data_type": "date", "nullable": True, "partition": True},
        LOAD_ID: {"name": LOAD_ID, "data_type": "text", "nullable": True},
        SNAPSHOT: {"name": SNAPSHOT, "data_type": "bool", "nullable": True},
    }


def feed_rows(rows: pa.Table, run: TableRun, *, snapshot: bool = False) -> pa.Table:
    """``rows`` with the columns of a change feed."""
    moment: datetime = run.load_began or datetime.now(timezone.utc)
    count = rows.num_rows
    columns = {
        SEEN_AT: pa.array([moment] * count, MOMENT),
        SEEN_ON: pa.array([moment.date()] * count, pa.date32()),
        LOAD_ID: pa.array([run.load_id] * count, TEXT),
        SNAPSHOT: pa.array([snapshot] * count, pa.bool_()),
    }
    for name, column in columns.items():
        rows = rows.append_column(pa.field(name, column.type), column)
    return rows
