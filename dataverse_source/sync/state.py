"""What a pipeline stores of a table between runs.

dlt keeps it in the pipeline's state, which is loaded in the same package as the rows. So it never
describes rows that are not in the destination. The names of the stored fields do not change.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, NamedTuple

from dataverse_source.arrow.schema import TableSchema
from dataverse_source.sync.read.created_on import from_state, to_states
from dataverse_source.sync.read.resume_point import ResumePoint

COMPARED = "swept"
"""Field of a stored state: when the rows were last compared; without it, the next run does."""


@dataclass(frozen=True)
class DeltaLink:
    """The delta link that the next run follows.

    Attributes:
        link: without host and ``$select``.
        all_columns: Dataverse made it for all columns, not for the key alone.
        given: when Dataverse returned it.
        settle_from: when the first delta link was returned whose changes have to be read again,
            because rows may have been committed late; None: no changes have to be read again.
        select: the columns that its chain was read with, if these are few but more than the key.
    """

    link: str
    all_columns: bool = False
    given: datetime | None = None
    settle_from: datetime | None = None
    select: str = ""


class Checkpoint(NamedTuple):
    """The highest version number that had been read at a time."""

    time: datetime
    version: int


@dataclass(frozen=True)
class Watermark:
    """Where the next read of a cursor table starts.

    Attributes:
        modified_since: a read by modifiedon starts here.
        checkpoints: a read by versionnumber starts at one of these; oldest first.
    """

    modified_since: datetime | None = None
    checkpoints: tuple[Checkpoint, ...] = ()


@dataclass(frozen=True)
class NewestRow:
    """The row with the highest version that has been read.

    Attributes:
        key: its key.
        column: versionnumber, or modifiedon.
        version: the number, or the time in whole seconds.
        modified: modifiedon in whole seconds, beside a number; None: not known.
    """

    key: str
    column: str
    version: int
    modified: int | None = None


@dataclass(frozen=True)
class TrackingRefusal:
    """Dataverse refused to track the table's changes.

    Attributes:
        time: when it last did.
        reason: why, in words.
    """

    time: datetime
    reason: str


@dataclass(frozen=True)
class Proof:
    """The destination was equal to Dataverse when they were last compared.

    Attributes:
        rows: on either side.
        digest: of their keys and versions, see `dataverse_source.sync.comparison.Fingerprint`.
    """

    rows: int
    digest: str


@dataclass(frozen=True)
class TableState:
    """What is stored of a table.

    Attributes:
        mode: sync mode: ``changes``, ``cursor`` or ``full``; empty before the first read.
        columns: fingerprint of the environment and of the columns that its rows were read with.
        complete: all rows have been read once; later runs read only changes.
        delta: of a table that is read by change tracking.
        refused_links: delta links that Dataverse refused in a row.
        watermark: of a cursor table.
        resume: where the next load package continues a read of all rows.
        compared: when the rows were last compared with the destination's; None: they have to be.
        proof: what that comparison has proved.
        reread_by: the last run that had to read all rows again.
        tracking_refusal: Dataverse does not track the table's changes.
        hidden_columns: columns whose values column security hid or masked when the rows were
            read, each with which of the two; `NOT_KNOWN` if that could not be found out; None if
            an earlier version read them.
        refused_columns: columns of the metadata that Dataverse refuses in queries.
        newest: the newest row that has been read; None: not known.
        more: another load package has to follow in the same run.
        landed: id of the plan whose parts were loaded last, see `dataverse_source.sync.landed`.
    """

    mode: str = ""
    columns: str = ""
    complete: bool = False
    delta: DeltaLink | None = None
    refused_links: int = 0
    watermark: Watermark | None = None
    resume: ResumePoint | None = None
    compared: datetime | None = None
    proof: Proof | None = None
    reread_by: str | None = None
    tracking_refusal: TrackingRefusal | None = None
    hidden_columns: Mapping[str, str] | None = None
    refused_columns: tuple[str, ...] = ()
    newest: NewestRow | None = None
    more: bool = False
    landed: str = ""

    def restarted(self, mode: str, columns: str) -> TableState:
        """The state before any row is read; keeps what Dataverse refuses and hides."""
        return replace(
            TableState(mode, columns),
            refused_links=self.refused_links,
            tracking_refusal=self.tracking_refusal,
            hidden_columns=self.hidden_columns,
            refused_columns=self.refused_columns,
            landed=self.landed,
        )


def read_state(stored: Mapping[str, Any]) -> TableState:
    """The state that `write_state` stored; ignores fields that a later version added."""
    link, settle_from = stored.get("token"), moment(stored.get("unsettled"))
    delta = None
    if link:
        all_columns = bool(stored.get("token_columns"))
        given, select = moment(stored.get("token_time")), stored.get("token_select", "")
        delta = DeltaLink(link, all_columns, given, settle_from, select)
    since = moment(stored.get("since"))
    checkpoints = tuple(
        Checkpoint(datetime.fromisoformat(time), int(version))
        for time, version in stored.get("versions", ())
    )
    intervals = tuple(map(from_state, stored.get("parts", ())))
    resume = None
    if stored.get("link") or intervals:
        resume = ResumePoint(stored.get("link"), intervals, stored.get("begun_by"))
    refused = moment(stored.get("refused"))
    proved = stored.get("proved")
    return TableState(
        mode=stored.get("mode", ""),
        columns=stored.get("columns", ""),
        complete=bool(stored.get("complete")),
        delta=delta,
        refused_links=stored.get("refused_links", 0),
        watermark=Watermark(since, checkpoints) if since or checkpoints else None,
        resume=resume,
        compared=moment(stored.get(COMPARED)),
        proof=Proof(proved["rows"], proved["digest"]) if proved else None,
        reread_by=stored.get("reread_by"),
        tracking_refusal=TrackingRefusal(refused, stored.get("refusal", "")) if refused else None,
        hidden_columns=stored.get("hidden_columns"),
        refused_columns=tuple(stored.get("refused_columns", ())),
        newest=_newest(stored),
        more=bool(stored.get("more")),
        landed=stored.get("landed", ""),
    )


def write_state(state: TableState, stored: dict[str, Any]) -> None:
    """Replaces what ``stored`` holds by ``state``, without empty fields."""
    values: dict[str, Any] = {
        "mode": state.mode,
        "columns": state.columns,
        "complete": state.complete,
        "refused_links": state.refused_links,
        COMPARED: _text(state.compared),
        "proved": asdict(state.proof) if state.proof else None,
        "reread_by": state.reread_by,
        "newest": _without_modified(state.newest),
        "newest_modified": state.newest and state.newest.modified,
        "more": state.more,
        "landed": state.landed,
        "refused_columns": list(state.refused_columns),
    }
    if state.delta:
        values["token"] = state.delta.link
        values["token_columns"] = state.delta.all_columns
        values["token_select"] = state.delta.select
        values["token_time"] = _text(state.delta.given)
        values["unsettled"] = _text(state.delta.settle_from)
    if state.watermark:
        values["since"] = _text(state.watermark.modified_since)
        values["versions"] = [
            [one.time.isoformat(), one.version] for one in state.watermark.checkpoints
        ]
    if state.resume:
        values["link"] = state.resume.link
        values["parts"] = list(to_states(state.resume.intervals))
        values["begun_by"] = state.resume.begun_by
    if state.tracking_refusal:
        values["refused"] = _text(state.tracking_refusal.time)
        values["refusal"] = state.tracking_refusal.reason
    values = {name: value for name, value in values.items() if value}
    if state.hidden_columns is not None:  # none at all is something to know, too
        values["hidden_columns"] = dict(state.hidden_columns)
    if values != stored:
        stored.clear()
        stored.update(values)


def _newest(stored: Mapping[str, Any]) -> NewestRow | None:
    row = stored.get("newest")
    return NewestRow(**row, modified=stored.get("newest_modified")) if row else None


def _without_modified(row: NewestRow | None) -> dict[str, Any] | None:
    """As earlier versions store it, which know no other fields of it."""
    return {"key": row.key, "column": row.column, "version": row.version} if row else None


def table_states(
    dlt_state: Mapping[str, Any],
) -> Iterator[tuple[str, str, dict[str, dict[str, Any]]]]:
    """Source, resource and the stored states of its tables, by logical name.

    Args:
        dlt_state: of a pipeline; what is returned is a part of it, and may be changed.
    """
    for source, stored in (dlt_state.get("sources") or {}).items():
        for resource, state in stored.get("resources", {}).items():
            if "tables" in state:
                yield source, resource, state["tables"]


def fingerprint(
    environment: str,
    schema: TableSchema,
    condition: str | None,
    labels: str = "",
    *,
    history: bool = False,
    feed: bool = False,
    types: Mapping[str, Mapping[str, Any]] | None = None,
    files: Sequence[str] = (),
) -> str:
    """Changes when the rows come from another place or in another form than before.

    Args:
        environment: where the rows come from; the delta link or watermark of another
            environment cannot be used.
        schema: the columns with their types and ids: a column that was deleted and created again
            under the same name has lost its values.
        condition: the filter of the settings.
        labels: fingerprint of the labels that are added.
        history: whether all versions of the rows are kept.
        feed: whether the table is a change feed.
        types: type hints of the user by column.
        files: columns whose files are stored, and where.
    """
    parts = [
        f"{field.wire_name}:{field.arrow_type}:{field.column.metadata_id}"
        for field in schema.fields
    ]
    parts += [labels] if labels else []
    parts += ["history"] if history else []
    parts += ["feed"] if feed else []
    parts += [f"file {one}" for one in files]
    parts += [f"{column} as {sorted(hint.items())}" for column, hint in (types or {}).items()]
    name = str(schema.table.entity_set_name)
    text = "\n".join([environment, name, condition or "", *sorted(parts)])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def moment(text: str | None) -> datetime | None:
    """The time that `datetime.isoformat` wrote."""
    return None if text is None else datetime.fromisoformat(text)


def _text(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat()
