"""Column security: which secured columns a caller reads, and which of them masked.

Source: docs page "Column-level security to control access". A caller reads a secured column when a
field security profile of the user, or of one of its teams, allows it (``canread``). A masking
rule shows the text with some characters replaced; ``UnMaskedData=true`` shows it in clear to whom
``canreadunmasked`` allows: 1 in reads of one row, 3 in all.
"""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from dataverse_source.sandbox.environment.callers import Caller
from dataverse_source.sandbox.environment.environment import Environment
from dataverse_source.sandbox.environment.row_access import teams_of
from dataverse_source.sandbox.schema.tables import Column, Schema, Table
from dataverse_source.sandbox.store.layout import literal, sql_table, wire
from dataverse_source.sandbox.store.values import TEXT_TYPES, json_text

Access = Literal["clear", "masked", "hidden"]
_TABLES = ("fieldpermission", "systemuserprofiles")
_ALLOWED, _SINGLE, _ALL = 4, 1, 3


@dataclass(frozen=True)
class MaskingRule:
    """A masking rule: every character of each match is replaced.

    Attributes:
        expression: the regular expression.
        character: the character that is shown instead.
    """

    expression: str
    character: str


ALL_MASKED = MaskingRule(r"[\s\S]", "*")


@dataclass(frozen=True)
class ColumnSecurity:
    """What one request may read of secured columns.

    Attributes:
        unmasked: the request asks for ``UnMaskedData=true``.
        single: the request reads one row.
    """

    environment: Environment
    caller: Caller
    unmasked: bool = False
    single: bool = False
    _cache: dict[str, Access] = field(default_factory=dict, compare=False)

    def access(self, table: Table, column: Column) -> Access:
        """How the caller sees a column."""
        if not column.secured:
            return "clear"
        name = f"{table.logical_name}.{column.name}"
        if name not in self._cache:
            self._cache[name] = self._decided(name, column)
        return self._cache[name]

    def wire(self, alias: str, table: Table, column: Column) -> str | None:
        """SQL of the column's JSON text as the caller sees it; None when it is hidden."""
        access = self.access(table, column)
        if access == "hidden":
            return None
        sql = wire(alias, column)
        rule = self.rule(f"{table.logical_name}.{column.name}")
        if access == "clear" or rule is None:
            return sql
        return f"masked({sql}, {literal(rule.expression)}, {literal(rule.character)})"

    def rule(self, name: str) -> MaskingRule | None:
        """The masking rule of ``<table>.<column>``."""
        if self.environment.switches.masked_columns == "all_secured":
            return ALL_MASKED
        return self._rules.get(name)

    def _decided(self, name: str, column: Column) -> Access:
        read, unmasked = self._permissions.get(name, (0, 0))
        switched = self.environment.switches.masked_columns == "all_secured"
        is_text = column.type in TEXT_TYPES
        readable = read == _ALLOWED or name in self.caller.readable_columns
        if not readable and not (switched and is_text):
            return "hidden"
        if self.rule(name) is None or not is_text:
            return "clear"
        given = self.caller.unmasked_columns.get(name, "never")
        everywhere = unmasked == _ALL or given == "all"
        in_one_row = self.single and (unmasked == _SINGLE or given == "single")
        return "clear" if self.unmasked and (everywhere or in_one_row) else "masked"

    @cached_property
    def _permissions(self) -> dict[str, tuple[int, int]]:
        """Highest ``canread`` and ``canreadunmasked`` by ``<table>.<column>``."""
        schema = self.environment.schema
        if not all(name in schema.by_logical_name for name in _TABLES):
            return {}
        with self.environment.store.reading() as connection:
            return _read_permissions(connection, schema, self.caller.user_id)

    @cached_property
    def _rules(self) -> dict[str, MaskingRule]:
        schema = self.environment.schema
        if not {"attributemaskingrule", "maskingrule"} <= schema.by_logical_name.keys():
            return {}
        store = self.environment.store
        rules = {row["maskingruleid"]: row for row in store.rows("maskingrule")}
        return {
            f"{row['entityname']}.{row['attributelogicalname']}": MaskingRule(
                rule["regularexpression"] or "", rule["maskedcharacter"] or "*"
            )
            for row in store.rows("attributemaskingrule")
            if (rule := rules.get(row["maskingruleid"])) is not None
        }


def _read_permissions(
    connection: sqlite3.Connection, schema: Schema, user_id: str
) -> dict[str, tuple[int, int]]:
    user = literal(json_text(user_id))
    profiles = (
        f"SELECT fieldsecurityprofileid FROM {sql_table('systemuserprofiles')} "  # noqa: S608
        f"WHERE systemuserid = {user}"
    )
    teams = teams_of(schema, user)
    if teams is not None and "teamprofiles" in schema.by_logical_name:
        profiles += (
            f" UNION SELECT fieldsecurityprofileid FROM {sql_table('teamprofiles')} "  # noqa: S608
            f"WHERE teamid IN ({teams})"
        )
    permission = schema.by_logical_name["fieldpermission"].by_name
    unmasked = "canreadunmasked" if "canreadunmasked" in permission else "0"
    found = connection.execute(
        f"SELECT entityname, attributelogicalname, max(canread), max({unmasked}) "  # noqa: S608
        f"FROM {sql_table('fieldpermission')} WHERE fieldsecurityprofileid IN ({profiles}) "
        "GROUP BY 1, 2"
    )
    allowed: dict[str, tuple[int, int]] = {}
    for table, column, read, clear in found:
        name = f"{json.loads(table)}.{json.loads(column)}"
        allowed[name] = (int(read or 0), int(clear or 0))
    return allowed
