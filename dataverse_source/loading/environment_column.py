"""Checks that several environments can fill the same tables: the setting ``environment_column``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import dlt
from dlt.common.normalizers.naming import NamingConvention

from dataverse_source.config.log import logger
from dataverse_source.errors import ConfigurationError
from dataverse_source.loading.destination_queries import storage_of
from dataverse_source.loading.environment_check import COLUMN, KEY, Environment, Noted
from dataverse_source.loading.load_package import Package
from dataverse_source.metadata.model import Table
from dataverse_source.sync.abilities import UPSERT
from dataverse_source.sync.active_pipeline import active_pipeline
from dataverse_source.sync.context import TableRun
from dataverse_source.sync.write.columns import ENVIRONMENT
from dataverse_source.sync.write.history import begins

SETTING = "[sources.dataverse] environment_column"


def check_pipeline(
    pipeline: dlt.Pipeline,
    package: Package,
    environments: Mapping[str, Sequence[Noted]],
    now: Environment,
) -> None:
    """Checks what a pipeline would do to rows of other environments.

    Args:
        pipeline: that runs.
        package: that is being filled.
        environments: that other pipelines of the dataset have loaded, by pipeline.
        now: the environment of the source.

    Raises:
        ConfigurationError: it would drop them, or could not tell them from its own.
    """
    own = package.schema.name if package.schema else None
    state: dict[str, Any] = dict(pipeline.state)
    for name, source in (state.get("sources") or {}).items():
        noted = source.get(KEY)
        if name == own or not noted or now.is_in(noted):
            continue
        if now.column is not None or noted.get(COLUMN) is not None:
            raise ConfigurationError(
                f"Pipeline {pipeline.pipeline_name} has loaded {noted['address']}, too: with "
                "environment_column its rows could not be told from those of its own",
                where=SETTING,
                remedy="Load each environment with a pipeline of its own; they may share a "
                "dataset: dlt.pipeline(source.name, dataset_name=...).",
            )
    others = [name for name, found in environments.items() if any(one.get(COLUMN) for one in found)]
    if pipeline.refresh and now.column is not None and others:
        raise ConfigurationError(
            "Starting over drops whole tables, which hold rows of other environments, too: of "
            f"{', '.join(sorted(others))}; nothing was changed",
            where="refresh",
            remedy="To read all rows of this environment again, use dataverse-source reset --all. "
            f"To remove them, delete the rows WHERE {ENVIRONMENT} = '{now.column}'.",
        )


def check_loaded_tables(package: Package, tables: Sequence[Table]) -> None:
    """Checks that tables which the dataset has already have the column.

    Args:
        package: that is being filled.
        tables: to load; those that this pipeline has loaded are not asked for.

    Raises:
        ConfigurationError: one does not have it.
    """
    pipeline, schema = active_pipeline(), package.schema
    if pipeline is None or schema is None or pipeline.refresh:
        return
    names = {package.loaded_as(str(one.entity_set_name)) for one in tables}
    new = sorted(names - set(schema.tables))
    for name in _without_column(pipeline, new, schema.naming):
        raise ConfigurationError(
            f"Table {name} is in the dataset already, with rows that do not say which environment "
            "they are of: they were loaded without environment_column",
            where=SETTING,
            remedy="Load into another dataset, or drop the table first.",
        )


def _without_column(
    pipeline: dlt.Pipeline, tables: Sequence[str], naming: NamingConvention
) -> list[str]:
    """The tables that are there without the column; none if the destination does not tell."""
    if not tables:
        return []
    wanted = naming.normalize_path(ENVIRONMENT).lower()
    try:
        with storage_of(pipeline) as client:
            found = list(client.get_storage_tables(tables)) if client is not None else []
    except Exception as error:  # each destination's driver has errors of its own
        logger.info("Which tables the dataset has already is not known: %s", error)
        return []
    shown = {name: {one.lower() for one in columns} for name, columns in found}
    return [name for name, columns in shown.items() if columns and wanted not in columns]


def check_environment_column(run: TableRun, naming: NamingConvention | None) -> None:
    """Checks that a table's rows can be told from those of other environments.

    Args:
        run: of the table.
        naming: of the destination; None if no pipeline is running.

    Raises:
        ConfigurationError: it has a column of that name, or its rows could only be replaced
            together with those of others.
    """
    if run.environment is None:
        return
    place = f"[sources.dataverse.table_settings.{run.name}]"
    shown = (lambda name: name) if naming is None else naming.normalize_path
    taken = [one for one in run.reader.schema.hints | run.labels.hints if shown(one) == ENVIRONMENT]
    if taken:
        raise ConfigurationError(
            f"Table {run.name} has a column {taken[0]}, which environment_column needs for itself",
            where=place,
            remedy="Leave it out with exclude_columns; in a query, give it another alias.",
        )
    if run.abilities is None or run.settings.write == "append":
        return
    dataset = "Or load each environment into a dataset of its own, without environment_column."
    if run.merge_strategy is None:
        raise ConfigurationError(
            f"Table {run.name} can't have environment_column at this destination: dlt does not "
            "merge rows there and could only replace those of all environments",
            where=place,
            remedy="Set write = 'append', or in a bucket or folder table_format = 'delta' or "
            f"'iceberg'. {dataset}",
        )
    if run.merge_strategy != UPSERT:
        return
    if run.reader.table.kind == "query" or len(run.reader.table.key_columns) != 1:
        raise ConfigurationError(
            f"Table {run.name} can't have environment_column in a {run.table_format} table: its "
            "rows are replaced in every run, and dlt could only replace those of all environments",
            where=place,
            remedy=f"Set write = 'append' for it, or load into a database. {dataset}",
        )
    if run.settings.history and begins(run) and run.destination.columns():
        raise ConfigurationError(
            f"Table {run.name} was loaded without a history, and with environment_column one "
            "cannot begin in its place",
            where=f"{place} history",
            remedy=f"Drop the table first: dlt pipeline NAME drop {run.name}. {dataset}",
        )
