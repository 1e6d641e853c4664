"""Columns computed from others: names, base amounts, owners, status, who and when."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from dataverse_source.sandbox.environment.base_rows import CURRENCY_ID
from dataverse_source.sandbox.environment.environment import Caller, Environment
from dataverse_source.sandbox.http.messages import DataverseFault
from dataverse_source.sandbox.schema.tables import Table
from dataverse_source.sandbox.store.documents import described

Row = dict[str, Any]


def complete(
    environment: Environment,
    caller: Caller,
    table: Table,
    before: Mapping[str, Any] | None,
    values: Row,
) -> Row:
    """The values of a write with the columns that are computed from them.

    Args:
        environment: the environment.
        caller: who writes.
        table: the row's table.
        before: the row as it is, None for a create.
        values: what is written.
    """
    written = dict(values)
    if before is None:
        _on_create(environment, caller, table, written)
    if "modifiedby" in table.by_name:
        written["modifiedby"] = caller.user_id
    if "modifiedonbehalfby" in table.by_name:
        written["modifiedonbehalfby"] = caller.actual_user_id
    after = {**(before or {}), **written}
    _names(table, after, written)
    _owner(environment, table, after, written, values, before is None)
    _amounts(table, after, written)
    _status(table, written, before is None)
    _documents(table, written)
    return {name: value for name, value in written.items() if _is_column(table, name)}


def _is_column(table: Table, name: str) -> bool:
    column = table.by_name.get(name.removesuffix("@table"))
    return column is not None and column.wire_name in table.by_wire_name


def _on_create(environment: Environment, caller: Caller, table: Table, written: Row) -> None:
    if "createdby" in table.by_name:
        written["createdby"] = caller.user_id
    if "createdonbehalfby" in table.by_name:
        written["createdonbehalfby"] = caller.actual_user_id
    if written.get("overriddencreatedon") is not None:
        # Sets createdon (docs page "Create a table row using the Web API").
        written["createdon"] = written["overriddencreatedon"]
        written["overriddencreatedon"] = environment.clock.now()
    owner = table.by_name.get("ownerid")
    if owner is not None and owner.type == "Owner" and written.get("ownerid") is None:
        written["ownerid"] = caller.user_id
        written["ownerid@table"] = "systemuser"
    amounts = any(c.type == "Money" and written.get(c.name) is not None for c in table.columns)
    if amounts and "transactioncurrencyid" in table.by_name:
        written.setdefault("transactioncurrencyid", CURRENCY_ID)
        written.setdefault("exchangerate", Decimal(1))
    for column in table.columns:
        if column.type == "Boolean" and column.writable:
            written.setdefault(column.name, False)


def _names(table: Table, after: Row, written: Row) -> None:
    """A person's full name, when a part of it is written."""
    if "fullname" in table.by_name and written.keys() & {"firstname", "lastname"}:
        parts = (after.get("firstname"), after.get("lastname"))
        written["fullname"] = " ".join(part for part in parts if part) or None


def _owner(
    environment: Environment, table: Table, after: Row, written: Row, values: Row, creates: bool
) -> None:
    """The owner's kind and business unit, when the owner is written."""
    if "owninguser" not in table.by_name or not (creates or "ownerid" in values):
        return
    is_team = after.get("ownerid@table") == "team"
    owner = after.get("ownerid")
    written["owninguser"] = None if is_team else owner
    written["owningteam"] = owner if is_team else None
    kind = "team" if is_team else "systemuser"
    row = environment.store.row(kind, owner) if owner and kind in _tables(environment) else None
    unit = row.get("businessunitid") if row else None
    written["owningbusinessunit"] = unit or environment.organization.business_unit_id


def _tables(environment: Environment) -> Mapping[str, Table]:
    return environment.schema.by_logical_name


def _amounts(table: Table, after: Row, written: Row) -> None:
    """Amounts in the base currency: the amount over the exchange rate."""
    rate = Decimal(str(after.get("exchangerate") or 1))
    for column in table.columns:
        if column.calculation_of and column.calculation_of in written:
            amount = written[column.calculation_of]
            base = None if amount is None else Decimal(str(amount)) / rate
            written[column.name] = base


def _documents(table: Table, written: Row) -> None:
    try:
        described(table, written)
    except ValueError:
        raise DataverseFault(400, "0x80040203", "The document is no base64.") from None


def _status(table: Table, written: Row, creates: bool) -> None:
    """A state without a status reason takes the state's first one."""
    reasons = table.by_name.get("statuscode")
    if reasons is None or creates or "statuscode" in written or "statecode" not in written:
        return
    for option in reasons.options:
        if option.state == written["statecode"]:
            written["statuscode"] = option.value
            return
