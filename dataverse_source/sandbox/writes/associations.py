"""Associates and disassociates rows."""

from __future__ import annotations

from typing import Any

from dataverse_source.sandbox.environment.environment import Environment
from dataverse_source.sandbox.http.messages import DataverseFault
from dataverse_source.sandbox.query.filter.keys import no_such_row
from dataverse_source.sandbox.query.filter.relationships import Associated, Many
from dataverse_source.sandbox.schema.tables import Table
from dataverse_source.sandbox.store.layout import is_polymorphic, quote, sql_table
from dataverse_source.sandbox.store.values import json_text

ALREADY_ASSOCIATED = "0x80040237"


def associate(
    environment: Environment, table: Table, key: str, step: Many | Associated, child: str
) -> None:
    """Puts a row into the collection of another: sets its lookup, or links the two.

    An N:N link is a row of the intersect table; the two ends do not change.

    Raises:
        DataverseFault: 404 without such a row, 412 when they are linked already.
    """
    store = environment.store
    if store.row(step.table.logical_name, child) is None:
        raise no_such_row(step.table, child)
    if isinstance(step, Many):
        values: dict[str, Any] = {step.column.name: key}
        if is_polymorphic(step.column):
            values[f"{step.column.name}@table"] = table.logical_name
        store.update(step.table.logical_name, child, values)
        return
    with store.transaction():
        if _link(environment, step, key, child) is not None:
            raise DataverseFault(412, ALREADY_ASSOCIATED, "Cannot insert duplicate key.")
        store.create(step.intersect.logical_name, {step.near: key, step.far: child})


def disassociate(
    environment: Environment, table: Table, key: str, step: Many | Associated, child: str
) -> None:
    """Takes a row out of the collection of another.

    Raises:
        DataverseFault: 404 when there is no such row; for a lookup that points elsewhere too.
    """
    store = environment.store
    if isinstance(step, Many):
        row = store.row(step.table.logical_name, child)
        if row is None or row[step.column.name] != key:
            raise no_such_row(step.table, child)
        store.update(step.table.logical_name, child, {step.column.name: None})
        return
    with store.transaction():
        link = _link(environment, step, key, child)
        if link is not None:
            store.delete(step.intersect.logical_name, link)
        elif store.row(table.logical_name, key) is None:
            raise no_such_row(table, key)


def _link(environment: Environment, step: Associated, key: str, child: str) -> str | None:
    """Key of the intersect row that links two rows, None when they are not linked."""
    store, intersect = environment.store, step.intersect
    store.ensure_index(intersect.logical_name, (step.near,))
    with store.reading() as connection:
        found = connection.execute(
            f"SELECT {quote(intersect.primary_id)} FROM {sql_table(intersect.logical_name)} "  # noqa: S608
            f"WHERE {quote(step.near)} = ? AND {quote(step.far)} = ?",
            (json_text(key), json_text(child)),
        ).fetchone()
    return None if found is None else str(found[0])[1:-1]
