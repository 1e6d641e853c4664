"""Turns the output of a table's sync into items for dlt: rows, tombstones, and their hints.

A tombstone is a row with only its key and a mark in a column of its own. dlt's merge removes
such rows and never inserts them. Its version number is the highest possible one, so that a
delete wins over every change of the row in the same package.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

import dlt
import pyarrow as pa
from dlt.common.schema.typing import TColumnSchema
from dlt.extract.hints import TResourceHints

from dataverse_source.arrow.keys import concat, difference, intersection, no_keys
from dataverse_source.arrow.schema import MOMENT, TEXT, TableSchema, hints_of
from dataverse_source.config.log import logger
from dataverse_source.sync import audit_changes
from dataverse_source.sync.abilities import DELETE_INSERT, UPSERT, merge_by
from dataverse_source.sync.context import RowBatch, RowFile, SyncSteps, TableRun
from dataverse_source.sync.drain import Drain
from dataverse_source.sync.read.table_reader import VERSION
from dataverse_source.sync.state import TableState
from dataverse_source.sync.write import file_table, history
from dataverse_source.sync.write.column_types import cast_to
from dataverse_source.sync.write.columns import DELETED
from dataverse_source.sync.write.destination import DELETIONS
from dataverse_source.sync.write.environment import (
    NO_SCOPE,
    add_environment,
    environment_hints,
    key_with_environment,
    keyed_by_environment,
    replacing,
)
from dataverse_source.sync.write.feed import NO_ROW, feed_rows
from dataverse_source.sync.write.feed import hints as feed_hints
from dataverse_source.sync.write.fitting import (
    check_values,
    fitted,
    has_empty_text,
    loaded_hints,
)

LAST_VERSION = 2**63 - 1

_MARK = pa.field(DELETED, pa.bool_())
_DELETIONS = pa.schema(
    [
        pa.field("table", TEXT, nullable=False),
        pa.field("key", TEXT, nullable=False),
        pa.field("seen_at", MOMENT),
        _MARK,
    ]
)


@dataclass(frozen=True)
class Item:
    """Arrow data for dlt.

    Attributes:
        data: the rows.
        kind: what they are: rows of the table; keys of rows to be removed from it; records of
            deleted rows, for the table `DELETIONS`; changes, for the table `AUDIT_CHANGES`;
            files, for the table `FILES`; or a row without contents: the mark that begins a read of
            all rows in a change feed, and one that is there where an environment's rows are
            replaced.
        replaces: this item and the table's others replace its rows.
        hints: of the table, with its first item; they create or change the destination's table.
        remove: with the first item: makes an item that removes further rows, by key.
        file: holds the same rows, with all columns, and is loaded in place of ``data``.
    """

    data: pa.Table
    kind: Literal["rows", "tombstones", "records", "changes", "files", "begin"] = "rows"
    replaces: bool = False
    hints: TResourceHints | None = None
    remove: Callable[[pa.Array], Item] | None = None
    file: RowFile | None = None


class TableWriter:
    """Makes dlt's items of one run of one table.

    Args:
        run: the run of the table.
        description: the table's description in dlt's schema.
    """

    def __init__(self, run: TableRun, description: str) -> None:
        self._run = run
        self._schema: TableSchema = run.reader.schema
        self._description = description
        self._keeps = run.settings.deletes == "keep"
        self._history = run.settings.history
        self._feed = run.settings.write == "append"
        self._environment = run.environment
        self._strategy = run.merge_strategy or DELETE_INSERT
        self._upserts_versions = self._history and self._strategy == UPSERT
        hints = self._schema.hints | run.labels.hints
        self._hinted = loaded_hints(hints, run.column_hints, run.abilities)
        self._variants = variants(self._hinted, run.destination.columns())
        self._hints_sent = False
        self._empty_text = False
        self._has_mark = True
        self._replaces = False
        self._recorded = run.destination.recorded()
        self._files = run.files
        self._records = self._keeps or len(self._recorded) > 0
        self._keys: list[pa.Array] = []
        self._deleted: list[pa.Array] = []

    def items(self, steps: SyncSteps) -> Generator[Item, None, TableState]:
        """The items for dlt, as they become ready; returns the new state."""
        # Only delete-insert takes several rows of a key, and a delete beside them.
        if self._history or self._feed or self._strategy != DELETE_INSERT:
            steps = history.newest(steps, self._schema.primary_key)
        outputs = Drain(steps)
        for output in outputs:
            if isinstance(output, RowBatch):
                begins = output.replace and not self._replaces
                if self._feed and begins:
                    mark = self.tombstones(pa.array([NO_ROW], TEXT), snapshot=True)
                    yield replace(mark, kind="begin")
                # before the rows: it reads the metadata of their tables with the table's own
                changes = self._changes(output.table)
                yield self._rows(output)
                if self._environment and begins and not self._feed:
                    yield replace(self.tombstones(pa.array([NO_ROW], TEXT)), kind="begin")
                yield from changes
                if self._files is not None:
                    found = self._files.of(output.table, replace=output.replace)
                    yield from map(self._of_files, found)
                continue
            logger.info("%s: %d rows were deleted in Dataverse", self._run.name, len(output.keys))
            if self._records:
                self._deleted.append(output.keys)
            if not self._keeps:
                yield self.tombstones(output.keys)
            if self._files is not None:
                yield from map(self._of_files, self._files.gone(output.keys))
        if self._files is not None:
            yield from map(self._of_files, self._files.rest(self._run.reader.rows_of))
        if self._records:
            yield from self._deletions()
        return outputs.result

    def _rows(self, output: RowBatch) -> Item:
        rows = output.table
        if not self._hints_sent:
            # A table that is replaced in every run never gets tombstones.
            never = output.replace and self._run.settings.sync == "full" and not self._environment
            self._has_mark = self._history or not never
        self._replaces = output.replace
        if self._records:
            self._keys.append(concat([rows[self._schema.primary_key]]))
        if output.file is not None:
            item = self._item("rows", self._schema.arrow.empty_table(), replace=output.replace)
            return replace(item, data=rows, file=output.file)
        check_values(rows, self._run.abilities, self._run.name, self._schema.primary_key)
        rows = add_environment(self._run.labels.add_to(rows), self._environment)
        if self._history:
            rows = history.versions(rows, first=output.replace, began=self._run.load_began)
        if self._feed:
            rows = feed_rows(rows, self._run)
            rows = rows.append_column(_MARK, pa.array([False] * rows.num_rows, pa.bool_()))
        return self._item("rows", rows, replace=output.replace)

    def _changes(self, rows: pa.Table) -> list[Item]:
        changes = self._run.audit_changes
        if changes is None:
            return []
        hints_ = audit_changes.hints(self._strategy, self._run.table_format)
        hints_ = keyed_by_environment(hints_, self._environment)
        found = add_environment(changes.of(rows), self._environment)
        return [Item(found, "changes", hints=hints_)]

    def _of_files(self, rows: pa.Table) -> Item:
        hints_ = file_table.hints(self._strategy, self._run.table_format)
        hints_ = keyed_by_environment(hints_, self._environment)
        return Item(add_environment(rows, self._environment), "files", hints=hints_)

    def tombstones(self, deleted: pa.Array, *, snapshot: bool = False) -> Item:
        """Keys of rows that are to be removed, as rows with a mark.

        Args:
            deleted: keys.
            snapshot: it is the row that begins a read of all rows in a change feed.
        """
        count = len(deleted)
        values = {name: pa.array([""] * count, TEXT) for name in self._schema.table.key_columns}
        values |= {self._schema.primary_key: deleted, DELETED: pa.array([True] * count)}
        if not self._feed:
            values[VERSION] = pa.array([LAST_VERSION] * count, pa.int64())
        columns = [
            values.get(field.name, pa.nulls(count, field.type)) for field in self._schema.arrow
        ]
        rows = pa.Table.from_arrays(columns, schema=self._schema.arrow)
        rows = add_environment(self._run.labels.add_to(rows), self._environment)
        if self._history:
            rows = history.versions(rows, first=False)
        if self._feed:
            rows = feed_rows(rows, self._run, snapshot=snapshot)
        rows = rows.append_column(_MARK, values[DELETED])
        return self._item("tombstones", rows, replace=False)

    def _item(self, kind: Literal["rows", "tombstones"], rows: pa.Table, *, replace: bool) -> Item:
        """The first item carries the hints that create or change the destination's table."""
        rows = cast_to(rows, self._run.column_hints, self._run.name)
        rows = fitted(rows, self._run.abilities)
        abilities = self._run.abilities
        if abilities and abilities.empties_text and not self._empty_text and has_empty_text(rows):
            self._empty_text, self._hints_sent = True, False  # hints once more
        if self._variants:
            rows = rows.rename_columns([self._variants.get(one, one) for one in rows.column_names])
        if self._hints_sent:
            return Item(rows, kind, replace)
        self._hints_sent = True
        hints = self.hints(replace=replace)
        if self._run.table_format == "iceberg" and not replace and not self._feed:
            self._run.destination.add_columns(hints["columns"])  # type: ignore[arg-type]
        return Item(rows, kind, replace, hints, self.tombstones)

    def hints(self, *, replace: bool) -> TResourceHints:
        """Hints of the table.

        Args:
            replace: its rows are replaced.
        """
        environment = self._environment
        columns = environment_hints(environment, lengths=self._run.settings.text_lengths)
        for name, hint in self._hinted.items():
            shown = self._variants.get(name, name)
            columns[shown] = hint.copy()
            columns[shown]["name"] = shown
        if self._history:
            columns |= history.hints(first=replace, upserts=self._upserts_versions)
        if self._feed:
            columns |= feed_hints()
        if self._has_mark and not self._upserts_versions:
            columns[DELETED] = {"name": DELETED, "data_type": "bool", "nullable": True}
            if (not replace or environment) and not self._history and not self._feed:
                columns[DELETED]["hard_delete"] = True
        merges = self._strategy == DELETE_INSERT and not (replace or self._history or self._feed)
        if merges and VERSION in columns:
            columns[VERSION]["dedup_sort"] = "desc"
        merge: Any = merge_by(self._strategy)
        key = [] if self._history else self._schema.table.key_columns
        if self._upserts_versions:
            key = [history.VERSION_ID]
        elif self._history:
            merge = history.disposition(self._schema.primary_key, DELETED, environment)
        replacing_all: Any = replacing(environment) if environment else "replace"
        disposition = "append" if self._feed else replacing_all if replace else merge
        more: dict[str, Any] = {"description": self._description} if self._description else {}
        if environment and disposition == merge_by(DELETE_INSERT):
            more |= NO_SCOPE
        return dlt.mark.make_hints(
            table_name=self._run.name,
            columns=columns,
            primary_key=key_with_environment(key, environment) or None,
            write_disposition=disposition,  # type: ignore[arg-type]
            table_format=self._run.table_format,  # type: ignore[arg-type]
            file_format="insert_values" if self._empty_text else None,
            references=self._run.references(),
            additional_table_hints=more or None,
        )

    def _loaded(self, keys: pa.Array, written: pa.Array) -> pa.Array:
        """Those of the keys that are loaded, or now written; all if the destination has no SQL."""
        if not len(keys):
            return keys
        found = self._run.destination.rows([self._schema.primary_key], keys.to_pylist())
        if found is None:
            return keys
        loaded = pa.array([str(key) for rows in found for (key,) in rows], TEXT)
        return intersection(keys, concat([loaded, written]))

    def _deletions(self) -> Generator[Item, None, None]:
        """Records the deleted rows that are kept; removes the records that are no longer true."""
        recorded, deleted, keys = self._recorded, concat(self._deleted), concat(self._keys)
        if self._keeps:
            new = self._loaded(difference(deleted, recorded), keys)
            old = difference(intersection(keys, recorded), deleted)
        else:
            new = no_keys()
            old = recorded if self._replaces else intersection(recorded, concat([keys, deleted]))
        now = self._run.now()
        parts = [_records(self._run.name, new, now, mark=None)]
        parts.append(_records(self._run.name, old, now, mark=True))
        rows = add_environment(pa.concat_tables(parts), self._environment)
        if rows.num_rows or (self._keeps and self._replaces):  # there from the first load on
            yield Item(rows, "records", hints=deletions_hints(self._run))


def variants(
    wanted: Mapping[str, TColumnSchema], known: Mapping[str, TColumnSchema]
) -> dict[str, str]:
    """Names for columns whose type has changed, by their plain names.

    They are dlt's variant columns: ``code__v_text`` beside a ``code`` that is loaded as a number.
    """
    return {
        name: f"{name}__v_{hint['data_type']}"
        for name, hint in wanted.items()
        if name in known and _kind(known[name]) not in (None, _kind(hint))
    }


def _kind(hint: TColumnSchema) -> str | None:
    kind = hint.get("data_type")
    return f"{kind} without time zone" if hint.get("timezone") is False else kind


def _records(table: str, keys: pa.Array, now: datetime, *, mark: bool | None) -> pa.Table:
    count = len(keys)
    columns = [
        pa.array([table] * count, TEXT),
        keys,
        pa.array([now] * count, MOMENT),
        pa.array([mark] * count, pa.bool_()),
    ]
    return pa.Table.from_arrays(columns, schema=_DELETIONS)


def deletions_hints(run: TableRun) -> TResourceHints:
    """Hints of the table `DELETIONS`."""
    columns = hints_of(_DELETIONS) | environment_hints(run.environment)
    columns[DELETED]["hard_delete"] = True
    return dlt.mark.make_hints(
        table_name=DELETIONS,
        columns=columns,
        primary_key=key_with_environment(["table", "key"], run.environment),
        write_disposition=merge_by(run.merge_strategy or DELETE_INSERT),  # type: ignore[arg-type]
        table_format=run.table_format,  # type: ignore[arg-type]
        additional_table_hints={"description": "Rows deleted in Dataverse that are kept here."},
    )
