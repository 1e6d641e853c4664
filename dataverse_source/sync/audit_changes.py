"""Splits audit rows into changes: a row for each column that was changed, with old and new value.

The column changedata holds both values as JSON, so reading the audit rows is enough. Where it holds
something else (the reference of the table says: the old values, at most 2,000 characters), the
values come from RetrieveAuditDetails, one question a row, a hundred in a request.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

import dlt
import pyarrow as pa
from dlt.extract.hints import TResourceHints

from dataverse_source.arrow.schema import MOMENT, TEXT, hints_of
from dataverse_source.client.batch import BatchRequest
from dataverse_source.client.client import DataverseClient
from dataverse_source.errors import NotFoundError
from dataverse_source.sync.abilities import merge_by

AUDIT_CHANGES = "audit_changes"
"""Name of the table."""

AUDITS = "audits"
"""The table whose rows they are made of."""

DETAILS = "Microsoft.Dynamics.CRM.RetrieveAuditDetails()"
QUESTIONS_A_REQUEST = 100

KEY, CHANGE_DATA, MASK, CREATED_ON = "auditid", "changedata", "attributemask", "createdon"
TABLE, ROW = "objecttypecode", "objectid"

NEEDED = (KEY, CREATED_ON, TABLE, ROW, CHANGE_DATA)
"""Columns of the table audit that changes are made of."""

_SCHEMA = pa.schema(
    [
        pa.field("auditid", TEXT, nullable=False),
        pa.field("column", TEXT, nullable=False),
        pa.field("createdon", MOMENT),
        pa.field("table", TEXT),
        pa.field("key", TEXT),
        pa.field("old_value", TEXT),
        pa.field("new_value", TEXT),
        pa.field("old_label", TEXT),
        pa.field("new_label", TEXT),
    ]
)

Change = dict[str, Any]
Labels = Mapping[tuple[str, str, str], "str | None"]
"""Labels of choices by (table, column, value)."""

LabelsOf = Callable[[Collection[str]], Labels]
"""Finds the labels of tables by logical name."""


class AuditChanges:
    """Makes the rows of `AUDIT_CHANGES`.

    Args:
        client: asks for details.
        labels_of: finds labels of choices.
    """

    def __init__(self, client: DataverseClient, labels_of: LabelsOf) -> None:
        self._client, self._labels_of = client, labels_of

    def of(self, rows: pa.Table) -> pa.Table:
        """The changes of audit rows, in their order.

        Args:
            rows: with the columns `NEEDED`.

        Raises:
            DataverseError: details cannot be read.
        """
        names = [one for one in (*NEEDED, MASK) if one in rows.column_names]
        audits = rows.select(names).to_pylist()
        told = {one[KEY]: changes_in(one[CHANGE_DATA]) for one in audits}
        missing = [one[KEY] for one in audits if told[one[KEY]] is None and _has_values(one)]
        told |= self._details(missing)
        labels = self._labels_of(list(dict.fromkeys(one[TABLE] for one in audits if one[TABLE])))
        found = [_row(one, change, labels) for one in audits for change in told[one[KEY]] or ()]
        return pa.Table.from_pylist(found, schema=_SCHEMA)

    def _details(self, keys: Sequence[str]) -> dict[str, list[Change] | None]:
        found: dict[str, list[Change] | None] = {}
        for start in range(0, len(keys), QUESTIONS_A_REQUEST):
            some = keys[start : start + QUESTIONS_A_REQUEST]
            requests = [BatchRequest(f"audits({key})/{DETAILS}") for key in some]
            for key, answer in zip(some, self._client.batch(requests), strict=True):
                try:
                    found[key] = list(_changes_of_detail(answer.json().get("AuditDetail") or {}))
                except NotFoundError:  # purged meanwhile
                    found[key] = None
        return found


def _row(audit: Mapping[str, Any], change: Change, labels: Labels) -> Change:
    row = {
        "auditid": audit[KEY],
        "createdon": audit[CREATED_ON],
        "table": audit[TABLE],
        "key": audit[ROW],
        **change,
    }
    for which in ("old", "new"):
        value = row[f"{which}_value"]
        if row.get(f"{which}_label") is None and value is not None:
            place = str(audit[TABLE] or ""), change["column"], value
            row[f"{which}_label"] = labels.get(place)
    return row


def changes_in(text: str | None) -> list[Change] | None:
    """The changes that changedata holds; None if it holds no JSON of the known form."""
    if not text or not text.lstrip().startswith("{"):
        return None
    try:
        listed = json.loads(text)["changedAttributes"]
        return [
            {
                "column": str(one["logicalName"]),
                "old_value": _text(one.get("oldValue")),
                "new_value": _text(one.get("newValue")),
                "old_label": _text(one.get("oldName")),
                "new_label": _text(one.get("newName")),
            }
            for one in listed
        ]
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def hints(strategy: str, table_format: str | None) -> TResourceHints:
    """Dlt's hints of the table."""
    return dlt.mark.make_hints(
        table_name=AUDIT_CHANGES,
        columns=hints_of(_SCHEMA),
        primary_key=["auditid", "column"],
        write_disposition=merge_by(strategy),  # type: ignore[arg-type]
        table_format=table_format,  # type: ignore[arg-type]
        additional_table_hints={"description": "The columns that audited changes have changed."},
    )


def _has_values(audit: Mapping[str, Any]) -> bool:
    """Whether a row without readable changedata may have changed columns."""
    return bool(audit[CHANGE_DATA]) or bool(audit.get(MASK))


def _changes_of_detail(detail: Mapping[str, Any]) -> Iterator[Change]:
    """The changes of an AttributeAuditDetail; other kinds, such as shares, have none."""
    old, new = detail.get("OldValue") or {}, detail.get("NewValue") or {}
    for name in dict.fromkeys([*old, *new]):
        if "@" in name:
            continue
        plain = name[1:-6] if name.startswith("_") and name.endswith("_value") else name
        shown = f"{name}@OData.Community.Display.V1.FormattedValue"
        yield {
            "column": plain,
            "old_value": _text(old.get(name)),
            "new_value": _text(new.get(name)),
            "old_label": _text(old.get(shown)),
            "new_label": _text(new.get(shown)),
        }


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, default=str).strip('"')
