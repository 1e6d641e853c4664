"""Keeps the rows of several environments apart in the tables of one dataset.

With the setting ``environment_column`` each row says which environment it is of, the column is part
of every key, and all that is asked, replaced or removed is limited to the environment's own rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import pyarrow as pa
from dlt.common.schema.typing import TColumnSchema
from dlt.extract.hints import TResourceHints

from dataverse_source.arrow.schema import TEXT
from dataverse_source.config.values import ENVIRONMENT_LENGTH
from dataverse_source.sync.abilities import DELETE_INSERT, merge_by
from dataverse_source.sync.write.columns import DELETED, ENVIRONMENT

NO_SCOPE: dict[str, Any] = {"x-merge-destination-scope": None, "x-merge-source-filter": None}
"""Hints that take back those of `replacing`: dlt keeps hints of a table until others come."""


def own_rows(environment: str, column: str = ENVIRONMENT) -> str:
    """The SQL condition of an environment's rows.

    Args:
        environment: value of the setting, which can hold no quotes.
        column: as the destination writes it.
    """
    return f"{column} = '{environment}'"


def add_environment(rows: pa.Table, environment: str | None, *, nullable: bool = False) -> pa.Table:
    """The rows with the column of their environment; as they are if the setting is not used.

    Args:
        rows: of one environment.
        environment: value of the setting.
        nullable: whether the column may be empty; not where it is a part of the key.
    """
    if environment is None:
        return rows
    values = pa.array([environment] * rows.num_rows, TEXT)
    return rows.append_column(pa.field(ENVIRONMENT, TEXT, nullable=nullable), values)


def environment_hints(
    environment: str | None, *, lengths: bool = False
) -> dict[str, TColumnSchema]:
    """Dlt's hint of the column; none if the setting is not used.

    Args:
        environment: value of the setting.
        lengths: it says how long the text can be.
    """
    if environment is None:
        return {}
    hint: TColumnSchema = {"name": ENVIRONMENT, "data_type": "text", "nullable": False}
    if lengths:
        hint["precision"] = ENVIRONMENT_LENGTH
    return {ENVIRONMENT: hint}


def key_with_environment(key: Sequence[str], environment: str | None) -> list[str]:
    """The columns of a key; a table without one stays without."""
    return [ENVIRONMENT, *key] if environment is not None and key else list(key)


def keyed_by_environment(hints: TResourceHints, environment: str | None) -> TResourceHints:
    """Hints of a table with the column of its environment, as a part of its key."""
    if environment is None:
        return hints
    columns: Any = {**cast("dict[str, Any]", hints["columns"]), **environment_hints(environment)}
    key = cast("Sequence[str]", hints["primary_key"])
    return {**hints, "columns": columns, "primary_key": key_with_environment(key, environment)}


def replacing(environment: str, *, marks: bool = True) -> dict[str, Any]:
    """The write disposition that puts rows in place of all rows of an environment, and no others.

    Dlt deletes what the scope describes and inserts the package's rows, in one transaction.

    Args:
        environment: value of the setting.
        marks: the package has a row without contents, in case there is no other; it is left out.
    """
    left_out = {"source_filter": f"{DELETED} IS NULL"} if marks else {}
    return {**merge_by(DELETE_INSERT), "destination_scope": own_rows(environment), **left_out}
