"""Adds to each choice column the label of its value, ``statecodename`` beside ``statecode``.

Labels come from metadata, in the signed-in user's language, so the rows need nothing more.
Dataverse names its own label columns in the same way.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pyarrow as pa
from dlt.common.schema.typing import TColumnSchema

from dataverse_source.arrow.schema import TEXT, TableSchema
from dataverse_source.metadata.model import Choice

SEPARATOR = "; "
"""Between the labels of a multi-select column, as in Dataverse's formatted values."""


@dataclass(frozen=True)
class LabelColumn:
    """A column of labels.

    Attributes:
        name: in the destination.
        source: name of the choice column.
        labels: by value, as text: ``1``, or ``true`` and ``false``.
    """

    name: str
    source: str
    labels: Mapping[str, str]

    def of(self, values: pa.ChunkedArray) -> pa.Array:
        """The labels of ``values``; null for a value without one."""
        distinct = values.combine_chunks().dictionary_encode()
        labels = [self._label(value) for value in distinct.dictionary.to_pylist()]
        return pa.array(labels, TEXT).take(distinct.indices)

    def _label(self, value: Any) -> str | None:
        if value is None:
            return None
        if isinstance(value, str):
            parts = [part.strip() for part in value.split(",")]
            return SEPARATOR.join(self.labels.get(part, part) for part in parts)
        return self.labels.get(str(int(value)))


@dataclass(frozen=True)
class Labels:
    """The label columns of one table; they follow its other columns."""

    columns: tuple[LabelColumn, ...] = ()

    def add_to(self, rows: pa.Table) -> pa.Table:
        """``rows`` with the label columns added."""
        for column in self.columns:
            rows = rows.append_column(pa.field(column.name, TEXT), column.of(rows[column.source]))
        return rows

    @property
    def hints(self) -> dict[str, TColumnSchema]:
        """Dlt's hints of the columns."""
        return {
            one.name: {"name": one.name, "data_type": "text", "nullable": True}
            for one in self.columns
        }

    @cached_property
    def fingerprint(self) -> str:
        """Changes with any label; then the loaded rows need new labels."""
        if not self.columns:
            return ""
        parts = [(one.name, one.source, sorted(one.labels.items())) for one in self.columns]
        return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


NO_LABELS = Labels()


def labels_of(schema: TableSchema, choices: Sequence[Choice]) -> Labels:
    """The label columns of a table.

    Args:
        schema: which columns are read.
        choices: of the table, from `dataverse_source.metadata.model.Description`.
    """
    by_column = {choice.column: choice for choice in choices}
    own = {column.name for column in schema.table.columns if column.in_rows}
    taken = own | {field.name for field in schema.fields}
    columns = []
    for field in schema.fields:
        choice = by_column.get(field.name)
        if choice is None:
            continue
        name = _free_name(field.name, taken)
        taken.add(name)
        labels = {str(one.value): one.label for one in choice.options if one.label is not None}
        columns.append(LabelColumn(name, field.name, labels))
    return Labels(tuple(columns))


def _free_name(column: str, taken: set[str]) -> str:
    """``<column>name``, unless the table has a readable column of that name."""
    endings = itertools.chain(["name", "label"], (f"label{n}" for n in itertools.count(2)))
    return next(name for ending in endings if (name := f"{column}{ending}") not in taken)
