"""What a test changes of a running sandbox as a whole."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dataverse_source.sandbox.api.gateway import Gateway
from dataverse_source.sandbox.api.latency import LatencySettings
from dataverse_source.sandbox.environment.environment import Environment
from dataverse_source.sandbox.environment.lifecycle import Lifecycle
from dataverse_source.sandbox.schema.schema_changes import with_column
from dataverse_source.sandbox.switches import Switches

if TYPE_CHECKING:
    from dataverse_source.sandbox.schema.tables import Column
    from dataverse_source.sandbox.store.store import Store


@dataclass(frozen=True)
class Running:
    """The parts of a running sandbox."""

    url: str
    ca_bundle: Path
    environment: Environment
    gateway: Gateway
    lifecycle: Lifecycle
    control_url: str | None


class Steering:
    """Rows, switches and the environment of a sandbox; usable while it runs.

    Args:
        switches: behaviours that no document settles.
        latency: how long answers take.
    """

    def __init__(self, switches: Switches, latency: LatencySettings) -> None:
        self._switches = switches
        self._latency = latency
        self._running: Running | None = None

    @property
    def environment(self) -> Environment:
        """What the rooms of the sandbox share."""
        return self._live.environment

    @property
    def store(self) -> Store:
        """The rows."""
        return self._live.environment.store

    @property
    def switches(self) -> Switches:
        """The setting of the switches; assign another to change it while running."""
        return self._running.environment.switches if self._running else self._switches

    @switches.setter
    def switches(self, value: Switches) -> None:
        self._switches = value
        if self._running:
            self._running.environment.switches = value
            self._running.environment.store.audit_changedata = value.audit_changedata

    @property
    def latency(self) -> LatencySettings:
        """How long answers take; assign another to change it while running."""
        return self._running.gateway.latency if self._running else self._latency

    @latency.setter
    def latency(self, value: LatencySettings) -> None:
        self._latency = value
        if self._running:
            self._running.gateway.latency = value

    def back_up(self, name: str = "backup") -> None:
        """Keeps the environment as it is now, for ``restore``."""
        self._live.lifecycle.back_up(name)

    def restore(self, name: str = "backup") -> None:
        """Restores a backup: rows, tables and version numbers are those of that moment.

        Raises:
            LookupError: there is no backup of this name.
        """
        self._live.lifecycle.restore(name)

    def copy_over(self, source: Steering | None = None, **options: Any) -> None:
        """Copies another environment over this one, under the same address.

        Args:
            source: another running sandbox; None for an environment of made-up rows.
            options: as ``Lifecycle.copy_over`` takes them, or ``organization_id`` alone with a
                source. The copy has a new organization id unless one is given.
        """
        if source is not None:
            self._live.lifecycle.copy_of(source.store, **options)
        else:
            self._live.lifecycle.copy_over(**{"rows": {}, "seed": 1, **options})

    def reset(self) -> None:
        """Resets the environment: no rows but an organization's own, no customizations."""
        self._live.lifecycle.reset()

    @property
    def administration_mode(self) -> bool:
        """Whether the environment is in administration mode; assign to turn it on or off."""
        return self._live.environment.administration_mode

    @administration_mode.setter
    def administration_mode(self, value: bool) -> None:
        self._live.environment.administration_mode = value

    def add_column(
        self, table: str, column: Column, *, known_to: Iterable[int] | None = None
    ) -> None:
        """Adds a column to a table.

        Args:
            table: logical name.
            column: the column.
            known_to: numbers of the web servers that know it at once (``limits.settings.servers``
                says how many there are); the others do so after ``spread_columns``. None for all.

        Raises:
            ValueError: there is no such table, or it has such a column.
        """
        environment = self._live.environment
        if known_to is not None:
            environment.lagging.add(table, column.name, known_to)
        environment.store.change_schema(with_column(environment.schema, table, column))

    def spread_columns(self) -> None:
        """Lets all web servers know all columns."""
        self._live.environment.lagging.clear()

    @property
    def _live(self) -> Running:
        if self._running is None:
            raise RuntimeError("This sandbox is not running: call start(), or use it in a `with`.")
        return self._running
