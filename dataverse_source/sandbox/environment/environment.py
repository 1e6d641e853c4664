"""The environment that the sandbox plays: its organization, rows, clock, switches and callers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dataverse_source.sandbox.environment.callers import Caller
from dataverse_source.sandbox.environment.clock import Clock
from dataverse_source.sandbox.environment.lagging import LaggingColumns
from dataverse_source.sandbox.environment.record_counts import RecordCounts
from dataverse_source.sandbox.environment.users import Users
from dataverse_source.sandbox.switches import Switches

if TYPE_CHECKING:
    from dataverse_source.sandbox.schema.tables import Schema
    from dataverse_source.sandbox.store.store import Store

__all__ = ["Caller", "Environment", "Organization"]


@dataclass(frozen=True)
class Organization:
    """What WhoAmI, RetrieveVersion and RetrieveCurrentOrganization tell of the environment.

    The ids are fixed, so that a sandbox answers the same at every start.
    """

    organization_id: str = "5a1d0b2c-7e64-4f7a-9d0e-0c6f1e2a3b40"
    business_unit_id: str = "38e0dbe4-131b-e111-ba7e-78e7d1620f5e"
    environment_id: str = "b7c1f7f0-93a1-4a5f-8c3e-61d2f0a4c9d1"
    tenant_id: str = "72f988bf-0000-4000-8000-2d7cd011db47"
    friendly_name: str = "Contoso Sandbox"
    unique_name: str = "contososandbox"
    url_name: str = "contoso"
    geo: str = "EMEA"
    version: str = "9.2.26062.00185"


@dataclass
class Environment:
    """Everything that the rooms of the sandbox share.

    Attributes:
        store: rows and schema.
        clock: the time for rows and tokens.
        switches: replaced as a whole when one is set (``switches.changed(...)``).
        organization: ids, names, version.
        record_counts: what RetrieveTotalRecordCount answers.
        users: what its users may do.
        lagging: columns that some web servers do not know yet.
        administration_mode: only administrators may come in, so no application user may.
        timeline: how often the rows were replaced as a whole: a restore, a copy, a reset.
    """

    store: Store
    clock: Clock = field(default_factory=Clock)
    switches: Switches = field(default_factory=Switches)
    organization: Organization = field(default_factory=Organization)
    record_counts: RecordCounts = field(default_factory=RecordCounts)
    users: Users = field(default_factory=Users)
    lagging: LaggingColumns = field(default_factory=LaggingColumns)
    administration_mode: bool = False
    timeline: int = 0

    @property
    def schema(self) -> Schema:
        """The environment's metadata at this moment."""
        return self.store.schema
