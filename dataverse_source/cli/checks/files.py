"""Checks the settings of files: their columns against metadata, and whether the place opens."""

from __future__ import annotations

from collections.abc import Sequence

from dataverse_source.cli.checks.findings import Findings
from dataverse_source.config.settings import Settings
from dataverse_source.errors import ConfigurationError
from dataverse_source.loading.wanted_files import files_of
from dataverse_source.metadata.model import Table
from dataverse_source.sync.files.place import opened


def check_files(found: Findings, settings: Settings, tables: Sequence[Table]) -> None:
    """Adds a finding for each table whose files are wanted, and one for the place.

    Args:
        found: receives the findings.
        settings: of the source.
        tables: that are checked, with columns.
    """
    if not settings.files:
        return
    for table in tables:
        name = str(table.entity_set_name)
        try:
            columns = files_of(settings, (name, table.logical_name), table)
        except ConfigurationError as error:
            found.fail("files", f"{name} files", error, table=name)
            continue
        if columns:
            listed = [one.name for one in columns]
            text = f"stored: those in {', '.join(listed)}"
            found.ok("files", f"{name} files", text, table=name, columns=listed)
    try:
        opened(str(settings.files_url), "place of the files", "files_url")
    except ConfigurationError as error:
        found.fail("files_url", "Place of the files", error)
        return
    found.ok("files_url", "Place of the files", f"{settings.files_url} can be opened")
