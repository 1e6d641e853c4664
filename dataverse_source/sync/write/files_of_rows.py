"""When rows in Parquet files can be loaded as they are.

Decoding rows and encoding them again costs processor time and memory. It is only needed where
something has to look at all values, or to change them.
"""

from __future__ import annotations

from dataverse_source.sync.abilities import UPSERT
from dataverse_source.sync.context import TableRun
from dataverse_source.sync.write.fitting import loaded_hints, looks_at_values
from dataverse_source.sync.write.items import variants


def loads_files(run: TableRun) -> bool:
    """Whether the table's rows can be loaded as they are in a file, in place of all its rows."""
    settings = run.settings
    if not run.takes_files or run.abilities is None or run.merge_strategy == UPSERT:
        return False
    if settings.history or settings.write == "append" or run.environment is not None:
        return False
    if run.labels.hints or run.column_hints or run.files or run.audit_changes:
        return False
    hints = loaded_hints(run.reader.schema.hints, {}, run.abilities)
    return not looks_at_values(run.abilities) and not variants(hints, run.destination.columns())
