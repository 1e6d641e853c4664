"""Which files of a table the settings want."""

from __future__ import annotations

from collections.abc import Collection

from dataverse_source.config.settings import Settings
from dataverse_source.metadata.model import Table
from dataverse_source.sync.files.columns import FileColumn, file_columns, parsed


def files_of(settings: Settings, names: Collection[str], table: Table) -> tuple[FileColumn, ...]:
    """The columns of a table whose files are wanted.

    Args:
        settings: of the source.
        names: by which settings may call the table.
        table: with its columns.

    Raises:
        ConfigurationError: ``files`` names a column of it that holds none.
    """
    own = [one for one in settings.files if parsed(one)[0] in names]
    return file_columns(table, own) if own else ()
