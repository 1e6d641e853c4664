"""Checks of all tables of a source, made before the first of them is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dataverse_source.config.checks import table_not_loaded
from dataverse_source.config.settings import Settings
from dataverse_source.errors import ConfigurationError
from dataverse_source.metadata.model import Table
from dataverse_source.sync.context import TableRun
from dataverse_source.sync.plan import make_plan
from dataverse_source.sync.state import TableState
from dataverse_source.sync.write.destination import merge_strategies
from dataverse_source.sync.write.history import check_history
from dataverse_source.sync.write.items import MERGE


def check_table_settings(settings: Settings, found: Mapping[str, Sequence[Table]]) -> None:
    """Checks that every table with settings of its own is loaded.

    Args:
        settings: of the source.
        found: the tables by the name or pattern that matches them.

    Raises:
        ConfigurationError: a name in ``table_settings`` matches no table that is loaded.
    """
    known = set(found)
    for tables in found.values():
        known |= {name for one in tables for name in (str(one.entity_set_name), one.logical_name)}
    for name in settings.table_settings:
        if name not in known:
            raise table_not_loaded(name, sorted(known))


def check_table(run: TableRun) -> None:
    """Checks that the table and the destination allow what the settings ask for.

    Raises:
        ConfigurationError: they do not.
    """
    plan = make_plan(
        run.reader.table, run.settings, TableState(), run.now(), explicit=run.sync_is_explicit
    )
    check_history(run)
    strategies = merge_strategies()
    if strategies is None or MERGE["strategy"] in strategies:
        return
    settings = run.settings
    if plan.mode == "full" and settings.deletes == "remove" and not settings.max_rows_per_load:
        return
    raise ConfigurationError(
        f"Table {run.name} cannot be synced to this destination: dlt does not offer its merge "
        f"strategy {MERGE['strategy']} there and would append changed rows",
        where=f"[sources.dataverse.table_settings.{run.name}]",
        remedy="Load into a database. Or set sync = 'full' without deletes = 'keep' and "
        "max_rows_per_load: then every run replaces all rows.",
    )
