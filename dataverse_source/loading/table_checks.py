"""Finds the tables of a source and checks them, before the first of them is read."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from dataverse_source.config.checks import table_not_loaded
from dataverse_source.config.settings import Settings
from dataverse_source.errors import ConfigurationError, DataverseError, UnknownNameError
from dataverse_source.loading.connection import Connection
from dataverse_source.loading.destination_limits import check_limits
from dataverse_source.loading.environment_column import check_environment_column
from dataverse_source.loading.file_loading import FilesOfSource, check_files
from dataverse_source.loading.load_package import Package
from dataverse_source.loading.pipeline_errors import stops_the_run, table_error
from dataverse_source.loading.run_context import RunContext
from dataverse_source.loading.table_names import check_column_names, check_table_name
from dataverse_source.loading.table_runs import TableRuns
from dataverse_source.metadata.buckets import in_bucket
from dataverse_source.metadata.model import Table
from dataverse_source.metadata.queries.catalogue import Catalogue
from dataverse_source.sync.abilities import UPSERT, destination_abilities
from dataverse_source.sync.context import TableRun
from dataverse_source.sync.plan import make_plan
from dataverse_source.sync.state import TableState
from dataverse_source.sync.write.columns import SEEN_AT
from dataverse_source.sync.write.destination import VALID_TO
from dataverse_source.sync.write.feed import check_feed
from dataverse_source.sync.write.history import check_history


@dataclass
class Selection:
    """The tables of a source.

    Attributes:
        tables: to read, by the name or pattern in the settings that matches them.
        failures: name in messages and error of each table that cannot be read, by logical name;
            by the configured name if Dataverse no longer has the table.
    """

    tables: dict[str, list[Table]] = field(default_factory=dict)
    failures: dict[str, tuple[str, DataverseError]] = field(default_factory=dict)

    @property
    def all(self) -> list[Table]:
        """The tables to read."""
        return [one for tables in self.tables.values() for one in tables]

    @cached_property
    def by_entity_set(self) -> Mapping[str, Table]:
        """The tables to read by entity set name, once all are found."""
        return {str(one.entity_set_name): one for one in self.all}


def select_tables(
    connection: Connection,
    runs: TableRuns,
    package: Package,
    run: RunContext,
    files: FilesOfSource,
) -> Selection:
    """The tables of a source: each once, and by its own name rather than by a pattern.

    If the run isolates tables, one that fails its checks is among the failures.

    Raises:
        DataverseError: a table fails its checks and is not isolated.
    """
    selection = Selection()
    for name, found in connection.metadata.by_configured_name().items():
        if not isinstance(found, DataverseError):
            selection.tables[name] = list(found)
            continue
        known = any(
            fnmatch.fnmatchcase(one, name.lower())
            for resource, stored in package.states.items()
            for one in (resource, *stored.get("tables", {}))
            if stored.get("tables")
        )
        if not run.isolates or stops_the_run(found, known=known):
            raise found
        selection.failures[name] = name, found
        selection.tables[name] = []
    check_table_settings(connection.settings, selection.tables, connection.metadata)
    files.open()
    runs.abilities = destination_abilities()  # once: dlt resolves the configuration for it
    for name, tables in selection.tables.items():
        selection.tables[name] = []
        for table in tables:
            try:
                _check(
                    table,
                    selection,
                    runs,
                    package,
                    in_load=run.in_load,
                    files_deletes=connection.settings.files_deletes,
                )
            except Exception as error:
                shown = str(table.entity_set_name)
                known = bool(package.state_of(shown, table.logical_name))
                if not run.isolates or stops_the_run(error, known=known):
                    raise
                selection.failures[table.logical_name] = shown, table_error(shown, error)
            else:
                selection.tables[name].append(table)
    return selection


def _check(
    table: Table,
    selection: Selection,
    runs: TableRuns,
    package: Package,
    *,
    in_load: bool,
    files_deletes: str,
) -> None:
    schema = package.schema
    if schema is not None:
        check_table_name(table, selection.all, schema)
    run = runs.new(table.logical_name, package)
    check_files(run, in_load=in_load, deletes=files_deletes)
    if schema is not None:
        check_column_names(run, schema.naming)
    check_environment_column(run, schema.naming if schema is not None else None)
    check_table(run, in_load=in_load)
    check_limits(run)


def check_table_settings(
    settings: Settings,
    found: Mapping[str, Sequence[Table]],
    metadata: Catalogue | None = None,
) -> None:
    """Checks that every table with settings of its own is loaded.

    Args:
        settings: of the source.
        found: the tables by the name or pattern that matches them.
        metadata: knows the tables of other buckets.

    Raises:
        ConfigurationError: a name in ``table_settings`` matches no table that is loaded.
    """
    known = set(found)
    for tables in found.values():
        known |= {name for one in tables for name in (str(one.entity_set_name), one.logical_name)}
    for name in settings.table_settings:
        if name not in known and not (metadata and _is_of_another_bucket(settings, name, metadata)):
            raise table_not_loaded(name, sorted(known))


def _is_of_another_bucket(settings: Settings, name: str, metadata: Catalogue) -> bool:
    if settings.bucket is None:
        return False
    try:
        return not in_bucket([metadata.resolve(name)], settings.bucket)
    except UnknownNameError:
        return False


def check_table(run: TableRun, *, in_load: bool) -> None:
    """Checks that the table and the destination allow what the settings ask for.

    Args:
        run: of the table.
        in_load: whether `load` runs the pipeline.

    Raises:
        ConfigurationError: they do not.
    """
    plan = make_plan(
        run.reader.table, run.settings, TableState(), run.now(), explicit=run.sync_is_explicit
    )
    if run.audit_changes is not None and (
        run.merge_strategy is None or run.settings.write == "append"
    ):
        raise ConfigurationError(
            "audit = true needs a destination that merges rows: events are read with an overlap, "
            "and changes would come twice",
            where=f"[sources.dataverse.table_settings.{run.name}]",
            remedy="Load into a database, or set table_format = 'delta' or 'iceberg', and leave "
            "write = 'merge' for audits. Or put audits into tables, without audit = true.",
        )
    _check_table_format(run)
    check_feed(run)
    check_history(run)
    _check_log(run)
    if run.merge_strategy is not None or run.settings.write == "append":
        if run.merge_strategy == UPSERT and run.table_format == "iceberg" and not in_load:
            raise ConfigurationError(
                f"Table {run.name} needs load(pipeline, source): dlt cannot delete rows of an "
                "Iceberg table, and load does",
                where=f"[sources.dataverse.table_settings.{run.name}] table_format",
                remedy="Call load(pipeline, source) in place of pipeline.run(source).",
            )
        return
    settings = run.settings
    if plan.mode == "full" and settings.deletes == "remove" and not settings.max_rows_per_load:
        return
    raise ConfigurationError(
        f"Table {run.name} cannot be synced to this destination: dlt does not merge rows there and "
        "would append changed rows",
        where=f"[sources.dataverse.table_settings.{run.name}]",
        remedy="Load into a database, or in a bucket or folder set table_format = 'delta' or "
        "'iceberg'. Or set write = 'append', which keeps a change feed. Or set sync = 'full' "
        "without deletes = 'keep' and max_rows_per_load: then every run replaces all rows.",
    )


def _check_log(run: TableRun) -> None:
    """A log that is loaded keeps its form: it would have to be read anew for another one.

    Raises:
        ConfigurationError: the settings ask for another form, and events that Dataverse has purged
            would be lost.
    """
    loaded, settings = run.destination.columns(), run.settings
    forms = (
        ("history", VALID_TO, settings.history, "true", "false"),
        ("write", SEEN_AT, settings.write == "append", "'append'", "'merge'"),
    )
    begins = [
        (name, begun, plain)
        for name, column, wanted, begun, plain in forms
        if wanted and column not in loaded
    ]
    if not (run.reader.table.is_log and loaded and begins and run.destination.has_rows()):
        return
    name, begun, plain = begins[0]
    raise ConfigurationError(
        f"Table {run.name} was loaded without {name} = {begun}; to begin it now would lose the "
        "events that Dataverse has purged",
        where=f"[sources.dataverse.table_settings.{run.name}] {name}",
        remedy=f"Set {name} = {plain} for this table: events never change, so each has one "
        "version. To give up what is loaded, drop the table first (dlt's refresh = "
        "'drop_resources').",
    )


def _check_table_format(run: TableRun) -> None:
    """Dlt loads a table in the destination's own format, if it does not know the one that is set.

    Raises:
        ConfigurationError: it does not.
    """
    if run.abilities is None or run.table_format in (None, "native", *run.abilities.table_formats):
        return
    known = " or ".join(repr(one) for one in run.abilities.table_formats)
    raise ConfigurationError(
        f"{run.abilities.destination} has no tables of the format {run.table_format}, as table "
        f"{run.name} shall have",
        where=f"[sources.dataverse.table_settings.{run.name}] table_format",
        remedy=f"Set table_format to {known}."
        if known
        else "Leave table_format out: it is for buckets and folders, and for some warehouses.",
    )
