"""When rows in Parquet files can be loaded as they are.

Decoding rows and encoding them again costs processor time and memory. It is only needed where
something has to look at all values, or to change them.
"""

from __future__ import annotations

from dataverse_source.sync.abilities import UPSERT
from dataverse_source.sync.context import FilePlace, TableRun
from dataverse_source.sync.write.fitting import loaded_hints, looks_at_values
from dataverse_source.sync.write.items import variants


def file_place(run: TableRun) -> FilePlace | None:
    """Where files with the table's rows may be written that are loaded as they are.

    None if something has to see or change the rows before. They are loaded in place of all rows.
    """
    settings = run.settings
    if run.abilities is None or run.merge_strategy == UPSERT:
        return None
    if settings.history or settings.write == "append" or run.environment is not None:
        return None
    if run.labels.hints or run.column_hints or run.files or run.audit_changes:
        return None
    hints = loaded_hints(run.reader.schema.hints, {}, run.abilities)
    if looks_at_values(run.abilities) or variants(hints, run.destination.columns()):
        return None
    return run.file_place()
