"""What an administrator does to an environment as a whole: back up, restore, copy, reset.

Sources: docs pages "Back up and restore environments", "Copy an environment" and "Reset an
environment". Each leaves the environment under its address. Version numbers are those of the
rows that are put in place: after a restore they are counted again from below, so that numbers,
and delta links with them, come twice.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from dataverse_source.sandbox.environment.base_rows import fill
from dataverse_source.sandbox.environment.environment import Environment, Organization
from dataverse_source.sandbox.environment.record_counts import RecordCounts
from dataverse_source.sandbox.schema.row_counts import rows_by_logical_name
from dataverse_source.sandbox.schema.tables import Schema
from dataverse_source.sandbox.store.database import FIRST_VERSION, Backup
from dataverse_source.sandbox.store.layout import is_stored, quote, sql_table
from dataverse_source.sandbox.store.store import Store
from dataverse_source.sandbox.store.values import encode, has_sort_key


@dataclass(frozen=True)
class _Saved:
    rows: Backup
    organization: Organization


class Lifecycle:
    """Backups of an environment, and what replaces its rows.

    Args:
        environment: the environment.
        user_id: systemuserid of the application user.
        folder: where backups are kept.
    """

    def __init__(self, environment: Environment, user_id: str, folder: Path) -> None:
        self._environment = environment
        self._user_id = user_id
        self._folder = folder
        self._first_schema = environment.schema
        self._saved: dict[str, _Saved] = {}
        self._files = 0

    def back_up(self, name: str) -> None:
        """Keeps the environment as it is now under a name; the last one of a name counts."""
        environment = self._environment
        rows = environment.store.back_up(self._new_path())
        self._saved[name] = _Saved(rows, environment.organization)

    def restore(self, name: str) -> None:
        """Puts the environment back to what it was at a backup.

        Raises:
            LookupError: there is no backup of this name.
        """
        if name not in self._saved:
            raise LookupError(f"There is no backup {name!r}: make it with back_up first.")
        saved = self._saved[name]
        self._replace(saved.rows, saved.organization)

    def copy_over(
        self,
        *,
        rows: Mapping[str, int],
        seed: int,
        schema: Schema | None = None,
        first_version: int = FIRST_VERSION,
        organization_id: str | None = None,
    ) -> None:
        """Replaces the environment by another one, of made-up rows.

        Args:
            rows: row counts of the other environment, by logical or entity set name.
            seed: the same seed gives the same rows.
            schema: its tables; None for the present ones.
            first_version: the version number before that of its first row.
            organization_id: id of the copy; None for a new one.

        Raises:
            ValueError: ``rows`` names a table that the schema does not have.
        """
        environment = self._environment
        schema = schema or environment.schema
        counts = rows_by_logical_name(rows, schema)
        organization = self._organization(organization_id)
        other = Store(schema, environment.clock, first_version=first_version)
        try:
            fill(other, organization, self._user_id, counts, seed)
            backup = other.back_up(self._new_path())
        finally:
            other.close()
        self._replace(backup, organization)
        backup.path.unlink()

    def copy_of(self, source: Store, organization_id: str | None = None) -> None:
        """Replaces the environment by a copy of another running one.

        Args:
            source: the rows of the other environment.
            organization_id: id of the copy; None for a new one.
        """
        organization = self._organization(organization_id)
        backup = source.back_up(self._new_path())
        self._replace(backup, organization)
        self._rename_organization(organization)
        backup.path.unlink()

    def reset(self) -> None:
        """Empties the environment: no rows but an organization's own, no customizations."""
        self.copy_over(rows={}, seed=1, schema=self._first_schema)

    def _replace(self, rows: Backup, organization: Organization) -> None:
        environment = self._environment
        environment.store.load(rows)
        environment.organization = organization
        environment.record_counts = RecordCounts()
        environment.lagging.clear()
        environment.timeline += 1

    def _organization(self, organization_id: str | None) -> Organization:
        """The organization of a copy."""
        old = self._environment.organization
        name = f"{old.organization_id}/{self._environment.timeline}"
        new_id = organization_id or str(uuid.uuid5(uuid.NAMESPACE_OID, name))
        return replace(old, organization_id=new_id)

    def _rename_organization(self, organization: Organization) -> None:
        """Writes the organization's id into all rows that hold the one of the source."""
        store = self._environment.store
        with store.transaction() as connection:
            for table in store.schema.tables:
                column = table.by_name.get("organizationid")
                if column is None or not is_stored(column) or table.is_logical_entity:
                    continue
                text, key = encode(column, organization.organization_id)
                cells = {column.name: text}
                if has_sort_key(column):
                    cells[f"{column.name}$"] = str(key)
                changes = ", ".join(f"{quote(name)} = ?" for name in cells)
                connection.execute(
                    f"UPDATE {sql_table(table.logical_name)} SET {changes} "  # noqa: S608
                    f"WHERE {quote(column.name)} IS NOT NULL",
                    tuple(cells.values()),
                )

    def _new_path(self) -> Path:
        self._files += 1
        return self._folder / f"backup-{self._files}.db"
