"""What the control server needs of a sandbox."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from dataverse_source.sandbox.api.faults import Faults
from dataverse_source.sandbox.api.hooks import Hooks
from dataverse_source.sandbox.api.latency import LatencySettings
from dataverse_source.sandbox.api.limits import Limits
from dataverse_source.sandbox.api.request_log import RequestLog
from dataverse_source.sandbox.environment.clock import Clock
from dataverse_source.sandbox.environment.environment import Environment
from dataverse_source.sandbox.environment.users import Users
from dataverse_source.sandbox.identity.applications import Application
from dataverse_source.sandbox.identity.managed_identity import ManagedIdentity
from dataverse_source.sandbox.schema.tables import Column
from dataverse_source.sandbox.store.store import Store
from dataverse_source.sandbox.switches import Switches


class Controlled(Protocol):
    """A running sandbox, as the control server and its changes see it."""

    clock: Clock
    faults: Faults
    hooks: Hooks
    limits: Limits
    managed_identity: ManagedIdentity
    requests: RequestLog
    switches: Switches
    latency: LatencySettings
    users: Users
    administration_mode: bool

    @property
    def connection(self) -> Mapping[str, str]:
        """What a client needs to connect."""

    @property
    def environment(self) -> Environment:
        """What the rooms of the sandbox share."""

    @property
    def store(self) -> Store:
        """The rows."""

    def add_application(self, name: str = ..., **rights: Any) -> Application:
        """Adds an app registration with a secret, and its application user."""

    def back_up(self, name: str = ...) -> None:
        """Keeps the environment as it is now."""

    def restore(self, name: str = ...) -> None:
        """Restores a backup."""

    def copy_over(self, **options: Any) -> None:
        """Copies an environment of made-up rows over this one."""

    def reset(self) -> None:
        """Resets the environment."""

    def add_column(
        self, table: str, column: Column, *, known_to: Iterable[int] | None = ...
    ) -> None:
        """Adds a column that all web servers know, or only some."""

    def spread_columns(self) -> None:
        """Lets all web servers know all columns."""
