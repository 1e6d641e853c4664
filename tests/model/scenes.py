"""The pipelines of histories: which tables each reads, and with which settings."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from dataverse_source.config.values import is_pattern
from dataverse_source.sandbox.schema.tables import Schema, Table


@dataclass(frozen=True)
class Scene:
    """One pipeline.

    Attributes:
        names: what is configured.
        changing: logical names of the tables whose rows change.
        settings: by configured name.
        remodelled: logical names of the tables whose schema may change: no setting names a
            column of theirs, and they are not configured by the name that changes.
    """

    names: tuple[str, ...]
    changing: tuple[str, ...]
    settings: dict[str, dict[str, Any]] = field(default_factory=dict)
    remodelled: tuple[str, ...] = ()

    def tables(self, schema: Schema) -> dict[str, str]:
        """Logical names of the tables that are read, each with the name that stands for it."""
        found: dict[str, str] = {}
        for name in sorted(self.names, key=is_pattern):
            for table in schema.tables:
                if self._means(name, table):
                    found.setdefault(table.logical_name, name)
        return found

    @staticmethod
    def _means(name: str, table: Table) -> bool:
        if not is_pattern(name):
            return name in (table.entity_set_name, table.logical_name)
        return table.logical_name.startswith(name.rstrip("*")) and table.table_type != "Virtual"


EVERY_RUN = {"sweep_interval": 0}
SELECTED = {
    "accounts": ("name", "revenue", "statecode", "new_billingcustomerid"),
    "contacts": ("lastname",),
}

CORE = Scene(
    names=("accounts", "contacts", "accountleadscollection"),
    changing=("account", "contact", "accountleads", "account"),
    settings={
        "accounts": {"select": list(SELECTED["accounts"])},
        "contacts": {"sync": "cursor", "select": list(SELECTED["contacts"]), **EVERY_RUN},
        "accountleadscollection": EVERY_RUN,
    },
)
SINGLE = Scene(
    names=("account",),
    changing=("account", "contact"),
    remodelled=("account",),
)
CUSTOM = Scene(
    names=("new_*", "new_externalproducts"),
    changing=(
        "new_project",
        "new_ledgerentry",
        "new_setting",
        "new_archive",
        "new_sensorreading",
        "new_externalproduct",
    ),
    remodelled=("new_project", "new_setting", "new_sensorreading"),
)
CASCADES = Scene(
    names=("accounts", "tasks", "activitypointer", "contact"),
    changing=("account", "task", "contact", "task"),
    settings={"tasks": EVERY_RUN},
    remodelled=("contact",),
)
IN_FULL = Scene(
    names=("accounts", "new_projects"),
    changing=("account", "new_project"),
    settings={"accounts": {"sync": "full"}, "new_projects": {"sync": "cursor"}},
)
VERSIONS = {"history": True, "deletes": "remove"}
WITH_HISTORY = Scene(
    names=("account", "contacts", "new_setting", "new_ledgerentry", "new_archive"),
    changing=("account", "contact", "account", "new_setting", "new_ledgerentry", "new_archive"),
    settings={
        "account": VERSIONS,
        "contacts": {"sync": "cursor", **EVERY_RUN, **VERSIONS},
        "new_setting": {**EVERY_RUN, **VERSIONS},
        "new_ledgerentry": {**EVERY_RUN, **VERSIONS},
        "new_archive": {"sync": "full", **VERSIONS},
    },
    remodelled=("account",),
)
SCENES = (CORE, SINGLE, CUSTOM, CASCADES, IN_FULL, WITH_HISTORY)
