"""Checks the user's permissions on tables: read access, its depth, change tracking.

Each table is read, which is the only sure test. The privileges show in addition whether the user
sees all rows, or only its own or those of its business unit. Docs: "RetrieveUserPrivileges
Function" (privileges from teams are reported with the lowest depth), "Use change tracking to
synchronize data with external systems".
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dataverse_source.cli.checks.findings import Findings
from dataverse_source.client.batch import LONGEST, BatchRequest
from dataverse_source.client.lasting_errors import cannot_be_listed
from dataverse_source.client.responses import Response
from dataverse_source.config.settings import Settings
from dataverse_source.config.values import is_pattern
from dataverse_source.errors import AccessDeniedError, DataverseError
from dataverse_source.loading.read_access import one_key, refusal
from dataverse_source.metadata.model import Table

QUESTIONS_A_TABLE = 3

MOST_TABLES = (LONGEST - 2) // QUESTIONS_A_TABLE
"""Tables that fit into one batch."""

DEPTHS = {
    "Basic": "its own",
    "Local": "those of its business unit",
    "Deep": "those of its business unit and the ones below",
    "Global": "all",
}
"""Which rows a user may read, by PrivilegeDepth."""

TRACKED = ("odata.track-changes", "odata.maxpagesize=1")


@dataclass(frozen=True)
class Rights:
    """The user's permissions on one table.

    Attributes:
        refusal: why rows cannot be read; None if they can.
        depth: of the read privilege, see `DEPTHS`; None if unknown.
        privilege: name of the read privilege, such as ``prvReadAccount``.
        tracking_refusal: why change tracking cannot be used; None if it can.
    """

    refusal: DataverseError | None
    depth: str | None
    privilege: str | None
    tracking_refusal: str | None


def questions_of(tables: Sequence[Table], user_id: str) -> list[BatchRequest]:
    """The requests about tables, all for one batch."""
    privileges = f"systemusers({user_id})/Microsoft.Dynamics.CRM.RetrieveUserPrivileges()"
    return [BatchRequest(privileges), *itertools.chain(*map(_questions, tables[:MOST_TABLES]))]


def _questions(table: Table) -> Iterator[BatchRequest]:
    """The table's privileges, one row, and the first page of its changes."""
    definition = f"EntityDefinitions(LogicalName='{table.logical_name}')"
    yield BatchRequest(definition, {"$select": "LogicalName,Privileges"})
    yield one_key(table)
    yield BatchRequest(str(table.entity_set_name), {"$select": table.primary_id}, TRACKED)


def check_tables(
    found: Findings,
    settings: Settings,
    chosen: Sequence[tuple[str, Table]],
    answers: Sequence[Response],
) -> None:
    """Adds a finding for each table, from the answers to `questions_of`.

    Args:
        found: receives the findings.
        settings: show whether a table must be trackable.
        chosen: (name or pattern in the settings, table).
        answers: in the order of the requests.
    """
    held = _held(answers[0])
    asked = chosen[:MOST_TABLES]
    for index, (name, table) in enumerate(asked):
        start = 1 + index * QUESTIONS_A_TABLE
        rights = _rights(table, held, answers[start : start + QUESTIONS_A_TABLE])
        sync = settings.of_table(name, str(table.entity_set_name), table.logical_name).sync
        if rights.refusal and cannot_be_listed(rights.refusal) and is_pattern(name):
            text = f"left out of {name}: Dataverse cannot list its rows"
            remedy = f"To stop asking for it, add {table.entity_set_name} to exclude."
            found.warn("table", str(table.entity_set_name), text, remedy, readable=False)
        else:
            _judge(found, table, rights, sync)
    if len(chosen) > len(asked):
        found.not_tried(
            {"tables": f"{len(chosen) - len(asked)} more tables; name them to check them"}
        )


def _held(answer: Response) -> dict[str, str]:
    """Depth of the user's privileges by id; empty if they cannot be read."""
    try:
        privileges = answer.json().get("RolePrivileges") or []
    except DataverseError:
        return {}
    return {str(one.get("PrivilegeId")).lower(): str(one.get("Depth")) for one in privileges}


def _rights(table: Table, held: dict[str, str], answers: Sequence[Response]) -> Rights:
    definition, rows, changes = answers
    privilege, depth = _read_privilege(definition, held)
    if not table.change_tracking:
        tracking: str | None = "change tracking is off"
    else:
        refused = refusal(changes)
        tracking = None if refused is None else _why(refused)
        if refused is None:
            depth = "Global"  # change tracking needs it, and privileges from teams hide it
    return Rights(refusal(rows), depth, privilege, tracking)


def _read_privilege(answer: Response, held: dict[str, str]) -> tuple[str | None, str | None]:
    """Name of the table's read privilege, and its depth."""
    try:
        privileges = answer.json().get("Privileges") or []
    except DataverseError:
        return None, None
    for one in privileges:
        if one.get("PrivilegeType") == "Read":
            return str(one.get("Name")), held.get(str(one.get("PrivilegeId")).lower())
    return None, None


def _why(refused: DataverseError) -> str:
    if isinstance(refused, AccessDeniedError):
        return "change tracking needs read access to all rows (organization level)"
    return refused.why or refused.what


def _judge(found: Findings, table: Table, rights: Rights, sync: str) -> None:
    name = str(table.entity_set_name)
    facts = {
        "table": name,
        "logical_name": table.logical_name,
        "readable": rights.refusal is None,
        "depth": rights.depth,
        "change_tracking": table.change_tracking,
        "trackable": rights.tracking_refusal is None,
    }
    if rights.refusal is not None:
        found.fail("table", name, rights.refusal, **facts)
        return
    rows = DEPTHS.get(rights.depth or "", "")
    read = f"readable ({rows} rows)" if rows == "all" else "readable"
    grant = f"Give the role read access at organization level ({rights.privilege or 'Read'})."
    partial = rows not in ("", "all")
    if partial:
        text = f"readable, but only {rows}: other rows would be missing"
        found.warn("table", name, text, grant, **facts)
    elif rights.tracking_refusal is None:
        found.ok("table", name, f"{read}, change tracking available", **facts)
    elif sync == "changes":
        text = f"sync = 'changes' is set, but {rights.tracking_refusal}"
        remedy = grant if table.change_tracking else "Enable change tracking for the table."
        found.fail("table", name, DataverseError(text, remedy=remedy), **facts)
    elif table.change_tracking:
        text = f"{read}; no change tracking: {rights.tracking_refusal}"
        found.warn("table", name, text, grant, **facts)
    else:
        found.ok("table", name, f"{read}; {rights.tracking_refusal}", **facts)
