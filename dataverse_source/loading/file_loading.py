"""Gives each table what stores the files of its rows: their columns, the place, the journal."""

from __future__ import annotations

from pathlib import Path

from dataverse_source.config.settings import Settings
from dataverse_source.errors import ConfigurationError
from dataverse_source.loading.load_package import Package
from dataverse_source.loading.run_context import FileWork, RunContext
from dataverse_source.sync.active_pipeline import active_pipeline
from dataverse_source.sync.context import TableRun
from dataverse_source.sync.files.fetching import Fetcher
from dataverse_source.sync.files.journal import Journal
from dataverse_source.sync.files.place import FilesPlace
from dataverse_source.sync.write.file_rows import FileRows
from dataverse_source.sync.write.file_table import FILES
from dataverse_source.sync.write.lost_files import keys_of_lost_files

FOLDER = "dataverse_files"
"""In the pipeline's working folder: unfinished downloads, and what is stored but not loaded."""


class FilesOfSource:
    """The files of one source's tables.

    Args:
        settings: of the source.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._place: FilesPlace | None = None
        self._folder: Path | None = None

    def open(self) -> None:
        """Opens the place while a pipeline runs. Call it on dlt's own thread.

        Raises:
            ConfigurationError: it cannot be opened.
        """
        pipeline = active_pipeline()
        if not self._settings.files or pipeline is None or self._place is not None:
            return
        self._folder = Path(pipeline.working_dir) / FOLDER
        self._place = _place(self._settings, str(self._folder))

    def of_table(self, run: TableRun, package: Package, context: RunContext) -> FileRows | None:
        """What stores the files of a table's rows; None if it has none, or nothing is loaded."""
        loads = package.selected is None or run.name in package.selected
        if run.is_sample or package.load_id is None or not loads:
            return None
        columns = run.reader.file_columns
        if not columns or self._place is None or self._folder is None:
            return None
        work = FileWork(self._place)
        journal = Journal(self._folder, run.name)

        def replaced(key: str, column: str, keep: str | None) -> None:
            work.digests[run.name, key, column] = keep
            work.replaced.add((run.name, key, column))

        def stored(key: str, column: str, sha256: str) -> None:
            work.digests[run.name, key, column] = sha256

        found = FileRows(
            run.name,
            columns,
            Fetcher(run.reader.client, self._place, journal),
            journal,
            package.destination(FILES, "key", run.environment),
            table=run.destination,
            keeps=run.settings.deletes == "keep",
            tried=context.files_tried.setdefault(run.reader.table.logical_name, set()),
            refuses_nul=run.abilities is not None and run.abilities.refuses_nul,
            replaced=replaced if self._settings.files_deletes == "remove" else None,
            stored=stored if self._settings.files_deletes == "remove" else None,
        )
        work.counts = found.counts
        context.file_work[run.reader.table.logical_name] = work
        return found


def _place(settings: Settings, owner: str) -> FilesPlace:
    url, environment = str(settings.files_url), settings.environment_column
    if environment is not None:  # others may have rows with the same keys
        url = f"{url.rstrip('/')}/{environment}"
    return FilesPlace(url, owner)


def lost_files(settings: Settings, run: TableRun, package: Package) -> list[str]:
    """Keys of a table's loaded rows whose file has no row in `FILES`, or no bytes.

    Call it on dlt's own thread.

    Args:
        settings: of the source.
        run: of the table.
        package: knows the destination.

    Raises:
        DataverseError: the place of the files cannot be opened or reached.
    """
    columns = run.reader.file_columns
    if not columns:
        return []
    listed = _place(settings, "").listed(run.name)
    files = package.destination(FILES, "key", run.environment)
    return keys_of_lost_files(columns, run.destination, files, listed)


def check_files(run: TableRun, *, in_load: bool, deletes: str) -> None:
    """Checks that the destination can keep a table of files.

    Args:
        run: of a table.
        in_load: whether `load` runs the pipeline.
        deletes: the setting ``files_deletes``.

    Raises:
        ConfigurationError: it cannot.
    """
    if not run.reader.file_columns:
        return
    if deletes == "remove" and not in_load:
        raise ConfigurationError(
            "files_deletes = 'remove' needs load(pipeline, source): bytes are removed when the "
            "rows are loaded, and not before",
            where="[sources.dataverse] files_deletes",
            remedy="Call load(pipeline, source) in place of pipeline.run(source).",
            setting="files_deletes",
        )
    if run.merge_strategy is None:
        raise ConfigurationError(
            f"files needs a destination that merges rows: {FILES} has a row for each file",
            where=f"[sources.dataverse.table_settings.{run.name}]",
            remedy="Load into a database, or set table_format = 'delta' or 'iceberg'.",
            setting="files",
        )


def remove_files(context: RunContext) -> None:
    """Removes the bytes of files whose loaded rows say that they are gone.

    Raises:
        PipelineError: they cannot be removed.
    """
    for works in context.files_done.values():
        digests: dict[tuple[str, str, str], str | None] = {}
        for work in works:  # what one package has found gone, a later one may have stored again
            digests |= work.digests
        for work in works:
            for place in work.replaced:
                work.place.remove_others(*place, digests[place])
            work.replaced.clear()
            work.digests.clear()
