"""Checks that tables and columns keep names of their own under dlt's naming convention."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from dlt.common.normalizers.naming import NamingConvention
from dlt.common.schema import Schema
from dlt.common.schema.typing import DLT_NAME_PREFIX

from dataverse_source.errors import DataError
from dataverse_source.loading.catalog.history_tables import HISTORY
from dataverse_source.loading.catalog.tables import TABLE_NAMES
from dataverse_source.metadata.model import Table
from dataverse_source.sync.context import TableRun
from dataverse_source.sync.read.query_reader import QueryReader
from dataverse_source.sync.write import history
from dataverse_source.sync.write.columns import DELETED
from dataverse_source.sync.write.destination import DELETIONS
from dataverse_source.sync.write.file_table import FILES
from dataverse_source.sync.write.fitting import loaded_hints
from dataverse_source.sync.write.items import variants

DLT_COLUMNS = ("_dlt_id", "_dlt_load_id")
"""Columns that dlt adds; the second one to every Parquet file if it is configured to."""


def check_table_name(table: Table, others: Iterable[Table], schema: Schema) -> None:
    """Checks that no other table has the table's name in the destination.

    Raises:
        DataError: dlt, the catalog, or another table of the source has it.
    """
    naming = schema.naming
    name = str(table.entity_set_name)
    shown = naming.normalize_table_identifier(name)
    beside = (*TABLE_NAMES, *HISTORY, DELETIONS, FILES)
    own = {naming.normalize_table_identifier(one) for one in beside}
    # dlt takes every name with its prefix for one of its own tables, those to come included.
    if shown in own or shown.startswith(naming.normalize_table_identifier(DLT_NAME_PREFIX)):
        raise DataError(
            f"Table {name} cannot be loaded: the destination's table {shown} is used otherwise",
            where=name,
            remedy="Leave it out of tables.",
        )
    for other in others:
        if naming.normalize_table_identifier(str(other.entity_set_name)) == shown:
            raise DataError(
                f"Tables {other.entity_set_name} and {name} have one name in the destination: "
                f"{shown}",
                where=name,
                remedy="Leave one of them out of tables, or set another naming convention: "
                'naming = "direct" in [schema].',
            )


def check_column_names(run: TableRun, naming: NamingConvention) -> None:
    """Checks that no two columns of a table become one, and that its key is still its key.

    Raises:
        DataError: two columns have one name in the destination, or another table with another
            key was loaded under this name.
    """
    columns = _written(run)
    shown: dict[str, str] = {}
    for column in columns:
        other = shown.setdefault(naming.normalize_path(column), column)
        if other != column:
            raise DataError(
                f"Columns {other} and {column} of {run.name} have one name in the destination: "
                f"{naming.normalize_path(column)}",
                where=run.name,
                remedy="Leave one of them out with select in "
                f"[sources.dataverse.table_settings.{run.name}], or set another naming "
                'convention: naming = "direct" in [schema].',
            )
    _check_key(run, set(shown), naming)


def _written(run: TableRun) -> Collection[str]:
    names = [*run.reader.schema.hints, *run.labels.hints, DELETED, *DLT_COLUMNS]
    return [*names, *history.hints(first=True)] if run.settings.history else names


def _check_key(run: TableRun, written: set[str], naming: NamingConvention) -> None:
    """Destinations take no row without a value in a column of a key, neither now nor later."""
    known = run.destination.columns()
    for name, column in known.items():
        if name in written or column.get("nullable", True) or name.startswith("_dataverse_"):
            continue
        raise _other_key(run, f"{name} cannot be empty")
    hints = loaded_hints(run.reader.schema.hints, run.column_hints, run.abilities)
    moved = variants(hints, known)
    for name in run.reader.table.key_columns:
        if name in moved:
            raise _other_key(run, f"{name} has another type")
        if not known or naming.normalize_path(name) in known or run.merge_strategy is None:
            continue  # files that are replaced keep no rows from before
        if run.destination.has_rows():
            raise _other_key(run, f"{name} is missing")


def _other_key(run: TableRun, why: str) -> DataError:
    is_query = isinstance(run.reader, QueryReader)
    changed = "the query has changed" if is_query else "another table has taken over the name"
    return DataError(
        f"Table {run.name} has another key than the loaded table of this name, whose column {why}: "
        f"{changed}",
        where=run.name,
        remedy="Drop the loaded table, after saving what you need of it: dlt pipeline NAME "
        f"drop {run.name}. The next run reads the table in full.",
    )
