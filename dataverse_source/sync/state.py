"""What is remembered of a table from run to run: small, and saved together with its rows.

dlt keeps it in the pipeline's state, which is loaded in the same package as the rows; so it
never tells of rows that are not there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime
from typing import Any

from dataverse_source.arrow.schema import TableSchema
from dataverse_source.sync.read.created_on import Interval, from_state


@dataclass(frozen=True)
class TableState:
    """Where a table stands.

    Attributes:
        mode: how it is kept in step: ``changes``, ``cursor`` or ``full``.
        columns: fingerprint of the environment and the columns its rows have been read from.
        complete: all rows have been read once; from then on only changes are.
        token: delta link without host and ``$select``.
        token_columns: whether the delta link was made for all columns, not for the key alone.
        token_time: when the delta link was given, ISO 8601.
        unsettled: when the first delta link was given around which rows may have been committed
            late, ISO 8601.
        refused_links: delta links that were refused since one was last taken.
        begun_by: the run that began the read under way, of a table that is always read in full.
        link: next link of a full read that goes on in the next load package, as ``token``.
        parts: intervals of createdon that such a read has left, where it is read side by side.
        since: start of the next read by modifiedon, ISO 8601.
        versions: (moment, highest versionnumber read by then), oldest first.
        swept: when the keys were last compared, ISO 8601.
        refused: when Dataverse last refused to track changes, ISO 8601.
        refusal: its reason.
        more: a further package should follow at once.
    """

    mode: str = ""
    columns: str = ""
    complete: bool = False
    token: str | None = None
    token_columns: bool = False
    token_time: str | None = None
    unsettled: str | None = None
    refused_links: int = 0
    begun_by: str | None = None
    link: str | None = None
    parts: tuple[dict[str, str], ...] = ()
    since: str | None = None
    versions: tuple[tuple[str, int], ...] = ()
    swept: str | None = None
    refused: str | None = None
    refusal: str | None = None
    more: bool = False

    @property
    def intervals(self) -> tuple[Interval, ...]:
        """What `parts` says."""
        return tuple(map(from_state, self.parts))

    def begun_anew(self, mode: str, columns: str) -> TableState:
        """Nothing read yet; only what Dataverse refused is still known."""
        return TableState(
            mode,
            columns,
            refused_links=self.refused_links,
            refused=self.refused,
            refusal=self.refusal,
        )


def read_state(stored: Mapping[str, Any]) -> TableState:
    """The state that `write_state` has stored; what a later version added is left out."""
    known = {field.name for field in fields(TableState)}
    state = TableState(**{name: value for name, value in stored.items() if name in known})
    versions = tuple((str(one), int(two)) for one, two in state.versions)
    return replace(state, versions=versions, parts=tuple(map(dict, state.parts)))


def write_state(state: TableState, stored: dict[str, Any]) -> None:
    """Puts ``state`` into ``stored``, without what has its default."""
    values = {name: value for name, value in asdict(state).items() if value}
    if "versions" in values:
        values["versions"] = [list(mark) for mark in state.versions]
    if "parts" in values:
        values["parts"] = list(values["parts"])
    if values != stored:
        stored.clear()
        stored.update(values)


def fingerprint(
    environment: str,
    schema: TableSchema,
    condition: str | None,
    labels: str = "",
    *,
    history: bool = False,
) -> str:
    """Tells whether rows are read from the same place, in the same form as before.

    Args:
        environment: where the rows come from. What is remembered of another environment
            (its delta link, its cursor) says nothing about this one.
        schema: the columns with their types and ids: one that was deleted, and made anew under
            the same name, has lost its values.
        condition: the filter of the settings.
        labels: fingerprint of the labels that are added.
        history: whether all versions of the rows are kept.
    """
    parts = [
        f"{field.wire_name}:{field.arrow_type}:{field.column.metadata_id}"
        for field in schema.fields
    ]
    parts += [labels] if labels else []
    parts += ["history"] if history else []
    name = str(schema.table.entity_set_name)
    text = "\n".join([environment, name, condition or "", *sorted(parts)])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def moment(text: str | None) -> datetime | None:
    """The moment that `datetime.isoformat` has written."""
    return None if text is None else datetime.fromisoformat(text)
