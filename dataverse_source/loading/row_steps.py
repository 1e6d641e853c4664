"""Functions of the user on the rows of a table: ``add_map``, ``add_filter``, ``add_yield_map``.

Rows come as Arrow tables, but a function that takes dicts is called for each row, as with dlt's
other sources. A row that a function drops is removed from the destination: it may have been
loaded before it changed. Marks of deleted rows never pass through a function.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Literal, Protocol

import pyarrow as pa
import pyarrow.compute as pc
from dlt.extract.items_transform import ItemTransform

from dataverse_source.arrow.keys import concat, difference
from dataverse_source.errors import ConfigurationError

Kind = Literal["map", "filter", "yield_map"]


class Rows(Protocol):
    """What a step has to know of the table."""

    @property
    def key(self) -> str:
        """The key column."""

    def tombstones(self, keys: pa.Array) -> Any:
        """An item that removes rows by key; None if all rows are replaced anyway."""


class RowStep(ItemTransform[Any, dict[str, Any]]):
    """A function of the user on rows.

    Args:
        function: takes one argument, or also dlt's ``meta``.
        rows: the table.
        kind: what the function returns: another row, whether to keep the row, or several rows.
    """

    def __init__(self, function: Callable[..., Any], rows: Rows, kind: Kind) -> None:
        super().__init__(function)
        self._function, self._rows, self._kind = function, rows, kind
        self._name = getattr(function, "__name__", repr(function))
        self._has_meta = len(inspect.signature(function).parameters) > 1
        self._takes_dicts: bool | None = None

    def __call__(self, item: Any, meta: Any = None) -> Any:
        """What the function makes of the rows, and marks of those that it has dropped."""
        if isinstance(item, pa.RecordBatch):
            item = pa.Table.from_batches([item])
        if not isinstance(item, pa.Table):  # a step before has made something else of the rows
            return self._of_others(item, meta)
        if not item.num_rows:
            return item
        if self._takes_dicts is None:
            self._takes_dicts = self._accepts(item.slice(0, 1).to_pylist()[0], meta)
        made = self._by_row(item, meta) if self._takes_dicts else self._by_table(item, meta)
        return self._with_dropped(item, made)

    def _call(self, value: Any, meta: Any) -> Any:
        return self._function(value, meta) if self._has_meta else self._function(value)

    def _accepts(self, row: dict[str, Any], meta: Any) -> bool:
        """Whether the function takes dicts; a row is tried."""
        try:
            made = self._call(copy.deepcopy(row), meta)
            if self._kind == "yield_map":
                return all(isinstance(one, Mapping) for one in made)
        except Exception:  # whatever it raises, it may be for Arrow tables
            return False
        return self._kind == "filter" or made is None or isinstance(made, Mapping)

    def _of_others(self, item: Any, meta: Any) -> Any:
        values = item if isinstance(item, list) else [item]
        if self._kind == "filter":
            return [one for one in values if self._call(one, meta)] or None
        found = [self._call(one, meta) for one in values]
        if self._kind == "yield_map":
            found = [one for each in found for one in each]
        return found if isinstance(item, list) else found[0] if len(found) == 1 else found

    def _by_row(self, table: pa.Table, meta: Any) -> list[Any]:
        if self._kind == "filter":
            mask = [bool(self._call(row, meta)) for row in table.to_pylist()]
            return [table.filter(pa.array(mask, pa.bool_()))]
        made = (self._call(row, meta) for row in table.to_pylist())
        if self._kind == "yield_map":
            made = (one for each in made for one in each)
        return [_table([row for row in made if row is not None], table.schema)]

    def _by_table(self, table: pa.Table, meta: Any) -> list[Any]:
        made = self._call(table, meta)
        if self._kind == "filter":
            return [table if made else table.slice(0, 0)]
        if self._kind == "yield_map":
            return list(made)
        return [table.slice(0, 0) if made is None else made]

    def _with_dropped(self, table: pa.Table, made: list[Any]) -> Any:
        """What was made of ``table``, with an item that removes the dropped rows if there are any.

        Raises:
            ConfigurationError: the rows cannot be told apart any more.
        """
        key = self._rows.key
        before, after = concat([table[key]]), self._keys(made)
        new = difference(after, before)
        if len(new) or len(after) > len(before):
            raise self._refused("returns rows that the table does not have, or one several times")
        dropped = difference(before, after)
        marks = self._rows.tombstones(dropped) if len(dropped) else None
        if marks is None:
            return made[0] if len(made) == 1 else iter(made)
        return iter([*made, marks])

    def _keys(self, made: Iterable[Any]) -> pa.Array:
        key, found = self._rows.key, []
        for one in _flat(made):
            if isinstance(one, (pa.Table, pa.RecordBatch)) and key in one.schema.names:
                column = one[key]
                found.append(column if isinstance(column, pa.Array) else concat([column]))
            elif isinstance(one, Mapping) and key in one:
                found.append(pa.array([one[key]], pa.string()))
            else:
                raise self._refused(f"returns rows without the key column {key}")
        return concat([pc.cast(one, pa.string()) for one in found])

    def _refused(self, what: str) -> ConfigurationError:
        return ConfigurationError(
            f"The function {self._name} of add_{self._kind} {what}: changes and deletes could not "
            "be merged",
            remedy="Keep one row for each row, with its key. For other tables made of these rows "
            "use a transformer: resource | transformer.",
        )


def _flat(made: Iterable[Any]) -> Iterator[Any]:
    for one in made:
        yield from one if isinstance(one, list) else [one]


def _table(rows: list[Mapping[str, Any]], schema: pa.Schema) -> pa.Table:
    """Rows as an Arrow table: columns that are known keep their type.

    Raises:
        ConfigurationError: a value does not fit the column's type.
    """
    names = dict.fromkeys(name for row in rows for name in row)
    known = [name for name in schema.names if name in names or not rows]
    arrays, fields = [], []
    for name in [*known, *(one for one in names if one not in schema.names)]:
        values = [row.get(name) for row in rows]
        field = schema.field(name) if name in schema.names else None
        try:
            array = pa.array(values, field.type if field else None)
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            raise ConfigurationError(
                f"A function returns a value for column {name} that is no {field and field.type}",
                why=str(error),
                remedy="Return values of the column's type, or give the column another one first: "
                f"apply_hints(columns={{'{name}': {{'data_type': 'text'}}}}).",
            ) from error
        arrays.append(array)
        fields.append(pa.field(name, array.type, nullable=field is None or field.nullable))
    return pa.Table.from_arrays(arrays, schema=pa.schema(fields))
