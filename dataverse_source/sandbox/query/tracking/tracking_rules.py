"""Whether the changes of a table may be read, and whether a delta token is still good.

Sources: docs page "Use change tracking to synchronize data with external systems" and the
list "Web service error codes".
"""

from __future__ import annotations

from datetime import timedelta

from dataverse_source.sandbox.environment.access_rules import require_change_tracking
from dataverse_source.sandbox.environment.environment import Caller, Environment
from dataverse_source.sandbox.http.messages import DataverseFault
from dataverse_source.sandbox.query.syntax.odata import bad_query
from dataverse_source.sandbox.query.syntax.options import Options
from dataverse_source.sandbox.query.tracking.delta_tokens import (
    DeltaToken,
    Garbled,
    read_delta_token,
)
from dataverse_source.sandbox.schema.tables import Table

NOT_ENABLED = "0x80072491"
"""ChangeTrackingNotEnabledForEntity."""
RELATED_NOT_ENABLED = "0x80072492"
"""ChangeTrackingNotEnabledForRelatedEntities."""
EXPIRED = "0x80044352"
"""ExpiredVersionStamp."""
EXPIRED_MESSAGE = (
    "Version stamp associated with the client has expired. Please perform a full sync."
)
REFUSED_OPTIONS = ("$filter", "$orderby", "$expand", "$top", "$apply", "$count")
"""The docs name the first four, and say that nothing but ``$select`` is supported."""

DEFAULT_RETENTION_DAYS = 7


def require_tracked(environment: Environment, caller: Caller, table: Table) -> None:
    """Refuses the changes of an untracked table, or of one that the caller may not read.

    Raises:
        DataverseFault: 400 when tracking is off, 403 without organization-level read.
    """
    require_change_tracking(environment, caller, table)
    if table.is_intersect and not _ends_are_tracked(environment, table):
        raise DataverseFault(
            400,
            RELATED_NOT_ENABLED,
            f"Cannot retrieve changes for the intersect entity {table.logical_name}, because "
            "both related entities are not enabled for change tracking.",
        )
    if table.table_type == "Elastic":
        tracked = environment.switches.elastic_tracking != "refused"
    else:
        tracked = table.change_tracking
    if not tracked or "versionnumber" not in table.by_wire_name:
        message = f"Entity {table.logical_name} isn't enabled for change tracking."
        raise DataverseFault(400, NOT_ENABLED, message)


def refuse_options(options: Options) -> None:
    """Refuses query options that change tracking does not support.

    Raises:
        DataverseFault: one of them is given.
    """
    for name in REFUSED_OPTIONS:
        if name in options.values:
            raise bad_query(
                f'The "{name}" query parameter isn\'t supported when Change Tracking is enabled.'
            )


def retention(environment: Environment) -> timedelta:
    """How long a delta token is good: ``expirechangetrackingindays`` of the organization."""
    table = environment.schema.by_logical_name.get("organization")
    if table is None or "expirechangetrackingindays" not in table.by_name:
        return timedelta(days=DEFAULT_RETENTION_DAYS)
    rows = environment.store.rows("organization")
    days = rows[0]["expirechangetrackingindays"] if rows else None
    return timedelta(days=DEFAULT_RETENTION_DAYS if days is None else days)


def read_token(environment: Environment, table: Table, text: str) -> DeltaToken | None:
    """A delta token that a caller sent; None when all rows are the answer to it.

    Raises:
        DataverseFault: it can't be read, is not of this environment, or has expired.
    """
    try:
        token = read_delta_token(text)
    except Garbled:
        raise _garbled(environment, text) from None
    if token.version > environment.store.version:
        raise _garbled(environment, text)
    return good_token(environment, table, token)


def good_token(environment: Environment, table: Table, token: DeltaToken) -> DeltaToken | None:
    """The token, or None when it has expired and the switch asks for all rows then.

    Only the token's moment tells its age.

    Raises:
        DataverseFault: it has expired, by age or by a change of the table's schema.
    """
    age = environment.clock.now().replace(microsecond=0) - token.moment
    if age <= retention(environment) and not _schema_changed(environment, table, token):
        return token
    setting = environment.switches.expired_delta
    if setting == "full_result":
        return None
    raise DataverseFault(int(setting), EXPIRED, EXPIRED_MESSAGE)


def _schema_changed(environment: Environment, table: Table, token: DeltaToken) -> bool:
    change = environment.store.schema_changes.get(table.logical_name)
    setting = environment.switches.schema_change_expires
    if change is None or setting == "never":
        return False
    return token.version < (change.changed_at if setting == "any" else change.altered_at)


def _garbled(environment: Environment, text: str) -> DataverseFault:
    code = environment.switches.garbled_delta
    if code == EXPIRED:
        return DataverseFault(400, code, EXPIRED_MESSAGE)
    return DataverseFault(400, code, f"The delta token '{text}' is not valid.")


def _ends_are_tracked(environment: Environment, table: Table) -> bool:
    """Whether both tables of an intersect table's relationship are tracked."""
    tables = environment.schema.by_logical_name
    for relationship in environment.schema.many_to_many:
        if relationship.intersect == table.logical_name:
            ends = (tables.get(relationship.table1), tables.get(relationship.table2))
            return all(end is not None and end.change_tracking for end in ends)
    return False
