"""Keeps a history where dlt only knows `upsert`: each version is a row with a key of its own.

A package has each of these keys once. A new version is a new key; a version ends as its row comes
once more, with its end. The rows are taken from the destination when a package is read: only
versions that differ are written. If a package broke off half-way, as one into an Iceberg table can,
a row may be left with two versions without an end, and it is read again: then all but the newest
end where the next one begins.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone

import pyarrow as pa
import pyarrow.compute as pc

from dataverse_source.arrow.keys import concat
from dataverse_source.arrow.schema import MOMENT, TEXT
from dataverse_source.errors import DataError
from dataverse_source.sync.abilities import UPSERT
from dataverse_source.sync.context import TableRun
from dataverse_source.sync.write.columns import DELETED
from dataverse_source.sync.write.destination import VALID_TO
from dataverse_source.sync.write.history import ROW_VERSION, VALID_FROM, VERSION_ID
from dataverse_source.sync.write.items import Item

FEW = 5_000
"""Up to this many keys are asked for by key; for more the present versions are read once."""


@dataclass(frozen=True)
class _Version:
    """A version without an end."""

    began: datetime
    digest: str


def as_upserts(run: TableRun, items: Iterator[Item]) -> Iterator[Item]:
    """Items for dlt, of which each row has the key of its version.

    Args:
        run: the run of a table with a history.
        items: of the table: rows, and keys of rows that are deleted.

    Raises:
        DataError: the destination cannot be asked for the present versions.
    """
    if not run.settings.history or run.merge_strategy != UPSERT:
        yield from items
        return
    versions = _Versions(run)
    for item in items:
        if item.kind not in ("rows", "tombstones") or (not item.hints and not item.data.num_rows):
            yield item
        elif item.replaces:
            yield replace(item, data=_with_ids(item.data, run.reader.key), remove=None)
        elif item.kind == "rows":
            rows, ended = versions.merged(item.data)
            yield replace(item, data=rows, remove=None)
            if ended.num_rows:
                yield Item(ended, "tombstones")
        else:
            yield Item(versions.ended(item.data), "tombstones", hints=item.hints)


class _Versions:
    """The present versions in the destination, and what becomes of them."""

    def __init__(self, run: TableRun) -> None:
        self._run, self._key = run, run.reader.key

    def merged(self, rows: pa.Table) -> tuple[pa.Table, pa.Table]:
        """The rows that are new versions, and the versions that they end."""
        keys = concat([rows[self._key]]).to_pylist()
        present = self._present(keys)
        digests = rows[ROW_VERSION].to_pylist()
        is_new, changed = [], set()
        for key, digest in zip(keys, digests, strict=True):
            differs = key not in present or present[key][-1].digest != digest
            is_new.append(differs)
            if differs:
                changed.add(key)
        starts = [one.began for key in changed for one in present.get(key, ())[-1:]]
        now = self._start(starts)
        new = rows.filter(pa.array(is_new, pa.bool_()))
        at = new.schema.get_field_index(VALID_FROM)
        start = pa.array([now] * new.num_rows, MOMENT)
        new = new.set_column(at, pa.field(VALID_FROM, MOMENT), start)
        ends = _ends(present, dict.fromkeys(changed, now))
        return _with_ids(new, self._key), self._rows(ends, new.schema)

    def ended(self, marks: pa.Table) -> pa.Table:
        """The versions that end as their rows are deleted."""
        keys = concat([marks[self._key]]).to_pylist()
        present = self._present(keys)
        now = self._start([versions[-1].began for versions in present.values()])
        ends = _ends(present, dict.fromkeys(present, now))
        return self._rows(ends, marks.drop_columns([DELETED]).schema)

    def _start(self, starts: Sequence[datetime]) -> datetime:
        """When the versions of the package begin: later than those that they follow."""
        now = self._run.load_began or datetime.now(timezone.utc)
        after = max(starts, default=now - timedelta(1)) + timedelta(microseconds=1)
        return max(now, after)

    def _present(self, keys: Sequence[str]) -> Mapping[str, Sequence[_Version]]:
        """The versions without an end by key, the newest last."""
        found: dict[str, list[_Version]] = {}
        for rows in self._ask([self._key, ROW_VERSION, VALID_FROM], keys):
            columns = (column.to_pylist() for column in rows.columns)
            for key, digest, began in zip(*columns, strict=True):
                found.setdefault(key, []).append(_Version(began, digest))
        for versions in found.values():
            versions.sort(key=lambda one: one.began)
        return found

    def _rows(self, ends: Mapping[tuple[str, datetime], datetime], schema: pa.Schema) -> pa.Table:
        """The loaded rows of versions that end, whole: an upsert replaces all columns."""
        known = {
            name
            for name, hint in self._run.destination.columns().items()
            if hint.get("data_type") and not name.startswith("_dlt")
        }
        same = [name for name in schema.names if name in known]
        gone = sorted(known - {*schema.names, VERSION_ID, DELETED})  # no longer read
        made = []
        keys = sorted({key for key, _began in ends})
        for rows in self._ask([*same, *gone], keys) if ends else ():
            versions = zip(rows[self._key].to_pylist(), rows[VALID_FROM].to_pylist(), strict=True)
            end = pa.array([ends.get(one) for one in versions], MOMENT)
            rows = rows.set_column(rows.schema.get_field_index(VALID_TO), VALID_TO, end)
            made.append(rows.filter(pc.is_valid(end)))
        fields = list(schema)
        if made:
            fields += [_field(made[0].schema.field(name)) for name in gone]
        wanted = pa.schema(fields)
        parts = [_fitted(rows, wanted) for rows in made]
        return _with_ids(pa.concat_tables([wanted.empty_table(), *parts]), self._key)

    def _ask(self, columns: Sequence[str], keys: Sequence[str]) -> Iterator[pa.Table]:
        """Columns of the versions without an end, of some keys."""
        if not keys:
            return
        few = len(keys) <= FEW
        tables = self._run.destination.tables(columns, keys if few else None)
        if tables is None:
            raise DataError(
                f"Table {self._run.name} keeps a history, and its present versions cannot be read",
                where=self._run.name,
                remedy="Another program has changed the table to a form that only its own library "
                "reads (deletion vectors, column mapping or delete files). Undo that.",
            )
        wanted = pa.array(keys, TEXT)
        for rows in tables:
            rows = rows.rename_columns(list(columns))
            yield rows if few else rows.filter(pc.is_in(rows[self._key], value_set=wanted))


def _ends(
    present: Mapping[str, Sequence[_Version]], following: Mapping[str, datetime]
) -> dict[tuple[str, datetime], datetime]:
    """When versions end: where the next one begins."""
    ends = {}
    for key, versions in present.items():
        starts = [one.began for one in versions]
        nexts = [*starts[1:], following.get(key)]
        ends.update({(key, began): end for began, end in zip(starts, nexts, strict=True) if end})
    return ends


def _fitted(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """``rows`` with these columns; those that they lack are null."""
    count = rows.num_rows
    there = set(rows.column_names)
    columns = [
        rows[one.name].cast(one.type) if one.name in there else pa.nulls(count, one.type)
        for one in schema
    ]
    return pa.Table.from_arrays(columns, schema=schema)


def _field(loaded: pa.Field) -> pa.Field:
    """A column that is no longer read, as it is loaded; times in UTC."""
    kind = loaded.type
    if pa.types.is_timestamp(kind) and kind.tz:
        kind = MOMENT
    return pa.field(loaded.name, kind)


def _with_ids(rows: pa.Table, key: str) -> pa.Table:
    """``rows`` with the key of each version: the row's key and when the version began."""
    began = rows[VALID_FROM].cast(MOMENT).cast(TEXT)
    ids = pc.binary_join_element_wise(rows[key].cast(TEXT), began, "@")
    return rows.append_column(pa.field(VERSION_ID, TEXT, nullable=False), ids)
