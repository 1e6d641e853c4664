"""Has a table compared or read again when something says that the world has moved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from dlt.common.schema.typing import TTableSchema

from dataverse_source.config.log import logger
from dataverse_source.loading.load_package import Package
from dataverse_source.loading.run_context import RunContext
from dataverse_source.loading.user_rights import CHANGED, are_others
from dataverse_source.loading.world_check import World
from dataverse_source.metadata.model import Table
from dataverse_source.sync.audit_changes import AUDIT_CHANGES
from dataverse_source.sync.state import COMPARED
from dataverse_source.sync.write.file_table import FILES


@dataclass(frozen=True)
class MovedTable:
    """One table of a load package.

    Attributes:
        table: its overview entry.
        state: of its resource.
        stored: its own state, which is part of that.
        package: that is being filled.
        run: knows what was found out about the destination.
    """

    table: Table
    state: dict[str, Any]
    stored: dict[str, Any]
    package: Package
    run: RunContext

    def follow(self, world: World, organization: str | None) -> str | None:
        """Changes the table's state so that this run compares the table, or reads all its rows.

        Args:
            world: what was found out about the environment.
            organization: id of its organization; None if it is not known.

        Returns:
            The key of the newest row that was read, if Dataverse does not have it now.
        """
        missing = self._missing_newest(world)
        self._compare_for_other_rights(world.rights)
        reason = self._of_another_organization(organization)
        self._restart(reason)
        self._mark_schema()
        return missing

    @property
    def _loaded_as(self) -> str:
        return self.package.loaded_as(str(self.table.entity_set_name))

    def _missing_newest(self, world: World) -> str | None:
        if world.newest.get(self.table.logical_name) != "gone":
            return None
        missing: str | None = self.stored.get("newest", {}).get("key")
        if missing and self.stored.get("mode") == "cursor":
            self.stored.pop(COMPARED, None)  # deleted, or never there
        return missing

    def _compare_for_other_rights(self, now: str | None) -> None:
        name = self.table.logical_name
        before = self.state.get("rights", {}).get(name)
        if before is not None and are_others(before, now):
            # a log is never compared, but a read of all its rows brings those that were hidden
            moved = self.run.reasons if self.table.is_log else self.run.comparisons
            moved.setdefault(self._loaded_as, CHANGED)
        if now:
            self.state.setdefault("rights", {})[name] = now
        elif before is not None and are_others(before, now):
            del self.state["rights"][name]

    def _of_another_organization(self, organization: str | None) -> str | None:
        if not organization:
            return None
        organizations: dict[str, str] = self.state.setdefault("organizations", {})
        known = organizations.get(self.table.logical_name, organization)
        organizations[self.table.logical_name] = organization
        if known == organization:
            return None
        return f"the environment is another one than before (organization id {organization})"

    def _restart(self, reason: str | None) -> None:
        """Empties the table's state if it no longer describes the source or the destination."""
        name, logical_name = self.table.entity_set_name, self.table.logical_name
        reason = reason or self.run.reason_to_read_again(logical_name, self._loaded_as)
        compared_for = self.run.reason_to_compare(logical_name, self._loaded_as)
        if self.table.kind == "elastic":  # its rows can't be compared
            reason, compared_for = reason or compared_for, None
        if self.table.is_log:  # nor are a log's: what Dataverse has purged stays
            compared_for = None
        if self.stored and reason:
            logger.warning("%s: %s; all its rows are read again", name, reason)
            self.stored.clear()
        elif self.stored.get("complete") and compared_for:
            logger.warning("%s: %s; all its rows are compared", name, compared_for)
            self.stored.pop(COMPARED, None)

    def _mark_schema(self) -> None:
        """Has dlt look at the destination's tables, and repair them, when rows are read anew."""
        names = [self._loaded_as, FILES, AUDIT_CHANGES] if not self.stored else []
        if self._is_compared() and not self.package.destination(FILES, "key", None).has_rows():
            names = [FILES]
        schema = self.package.schema
        for name in map(self.package.loaded_as, names):
            if schema is not None and name in schema.tables:
                mark: dict[str, Any] = {
                    "name": name,
                    "columns": {},
                    "x-dataverse-read": self.package.load_id,
                }
                schema.update_table(cast("TTableSchema", mark))

    def _is_compared(self) -> bool:
        """Whether the table will be compared, and files are loaded."""
        schema = self.package.schema
        has_files = schema is not None and self.package.loaded_as(FILES) in schema.tables
        return has_files and bool(self.stored) and COMPARED not in self.stored
