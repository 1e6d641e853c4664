"""The rows of an environment and the rules that hold when one of them is written."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from dataverse_source.sandbox.schema.tables import Schema
from dataverse_source.sandbox.store import activities, cascade, migration, seed
from dataverse_source.sandbox.store.audit import CREATE, UPDATE, audited
from dataverse_source.sandbox.store.row_store import RowStore
from dataverse_source.sandbox.store.values import parse_guid


class Store(RowStore):
    """Rows whose writes are audited, cascade to other rows and keep activitypointer in step.

    Args and errors are those of ``RowStore``.
    """

    def create(
        self,
        logical_name: str,
        values: Mapping[str, Any],
        *,
        created_on: datetime | None = None,
        modified_on: datetime | None = None,
        version: int | None = None,
    ) -> str:
        """Creates a row and returns its key.

        Args:
            logical_name: the table.
            values: by logical column name; a lookup's target table under ``<column>@table``.
            created_on: instead of the present moment.
            modified_on: instead of ``created_on``.
            version: a number from ``reserve_version``, instead of the next one.

        Raises:
            DuplicateRow: the key is taken.
            ValueRefused: an unknown column, or a value that it can't hold.
        """
        table = self.table(logical_name)
        key = parse_guid(str(values.get(table.primary_id) or self.new_key()))
        with self.transaction() as connection:
            with audited(self, connection, table, key, CREATE):
                self.insert(
                    table,
                    key,
                    values,
                    created_on=created_on,
                    modified_on=modified_on,
                    version=version,
                )
            activities.on_written(self, connection, table, key)
        return key

    def update(
        self,
        logical_name: str,
        key: str,
        values: Mapping[str, Any],
        *,
        modified_on: datetime | None = None,
        touch: bool = True,
        version: int | None = None,
        partition_id: str | None = None,
    ) -> None:
        """Changes columns of a row; it gets a new version number and modifiedon.

        Args:
            logical_name: the table.
            key: the row.
            values: as for ``create``.
            modified_on: instead of the present moment.
            touch: False leaves modifiedon as it is (a rollup's recalculation).
            version: a number from ``reserve_version``, instead of the next one.
            partition_id: of an elastic row, whose key may stand in several partitions.

        Raises:
            NoSuchRow: there is no such row.
            ValueRefused: an unknown column, or a value that it can't hold.
        """
        table, key = self.table(logical_name), parse_guid(key)
        with self.transaction() as connection:
            with audited(self, connection, table, key, UPDATE):
                self.change(
                    table,
                    key,
                    values,
                    modified_on=modified_on,
                    touch=touch,
                    version=version,
                    partition_id=partition_id,
                )
            activities.on_written(self, connection, table, key)

    def delete(
        self,
        logical_name: str,
        key: str,
        *,
        in_bulk: bool = False,
        partition_id: str | None = None,
    ) -> None:
        """Deletes a row and does to the rows that point at it what their relationships say.

        Args:
            logical_name: the table.
            key: the row.
            in_bulk: deleted by a bulk delete job or by long-term retention, which the switch
                ``cascade_tombstones`` may keep out of the changes.
            partition_id: as for ``update``.

        Raises:
            NoSuchRow: there is no such row.
            cascade.Restricted: a relationship forbids it.
        """
        with self.transaction() as connection:
            deletion = cascade.Deletion(self, connection, self)
            deletion.delete(logical_name, parse_guid(key), in_bulk, partition_id)

    def retain(self, logical_name: str, key: str) -> None:
        """Moves a row, and those that a delete of it deletes, to the long-term store.

        Change tracking sees deletes, such as those of a bulk delete job.

        Raises:
            NoSuchRow: there is no such row.
            cascade.Restricted: a relationship forbids to delete it.
        """
        with self.transaction() as connection:
            deletion = cascade.Deletion(self, connection, self, archives=True)
            deletion.delete(logical_name, parse_guid(key), cascaded=True)

    def seed(self, logical_name: str, count: int, seed_number: int = 1) -> None:
        """Adds ``count`` made-up rows: the same ones for the same seed."""
        seed.seed_table(self, logical_name, count, seed_number)

    def change_schema(self, schema: Schema) -> None:
        """Replaces the schema, takes the rows along and moves the metadata version on."""
        with self.transaction() as connection:
            changed = migration.migrate(connection, self.schema, schema)
            version = self.next_version()
        self._indexes.clear()
        metadata_version = self.next_metadata_version()
        for logical_name in changed:
            self.changed_at[logical_name] = metadata_version
            self.schema_changes[logical_name] = migration.change_of(
                self.schema, schema, logical_name, version, self.schema_changes.get(logical_name)
            )
        self.schema = schema
