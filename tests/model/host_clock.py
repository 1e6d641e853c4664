"""The clock of a machine that runs the pipeline, and what it knows of Dataverse's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from unittest import mock

from dataverse_source.client import client
from dataverse_source.loading.load_package import seconds_ahead


@dataclass
class HostClock:
    """One machine's.

    Attributes:
        dataverse: Dataverse's clock.
        ahead: by how much this one is ahead of it.
        offset: what the working folder knows of that, in seconds.
    """

    dataverse: Callable[[], datetime]
    ahead: timedelta = timedelta()
    offset: float = 0.0
    _packages: int = 0

    def now(self) -> datetime:
        """The time by this clock."""
        return self.dataverse() + self.ahead

    def next_package(self) -> datetime:
        """The time of a new load package, by this clock; no two are the same."""
        self._packages += 1
        return self.now() + timedelta(microseconds=10 * self._packages)

    def followed(self, package: datetime, measured: timedelta) -> datetime:
        """The time of a load package by Dataverse's clock."""
        self.offset = seconds_ahead(measured, self.offset)
        return package + timedelta(seconds=self.offset)

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Meanwhile the client has its own time from this clock."""
        now = self.now

        class Clock(datetime):
            @classmethod
            def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
                return now()

        with mock.patch.object(client, "datetime", Clock):
            yield
