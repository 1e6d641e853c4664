"""What requests cost: counters of a client, and those of all clients that a run uses."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar, Protocol

from dlt.common.configuration import configspec
from dlt.common.configuration.container import Container
from dlt.common.configuration.specs.base_configuration import ContainerInjectableContext

__all__ = ["Counters", "Meter", "metered", "note_client"]


@dataclass(frozen=True)
class Counters:
    """What was asked of Dataverse.

    Attributes:
        requests: requests sent, retries among them.
        retries: requests sent once more.
        throttled: answers that said "too many requests".
        seconds_waited: time in which faults or limits held requests back.
        busy_seconds: time in which a request was under way.
        request_seconds: the time of all requests together.
    """

    requests: int = 0
    retries: int = 0
    throttled: int = 0
    seconds_waited: float = 0.0
    busy_seconds: float = 0.0
    request_seconds: float = 0.0

    @property
    def mean_concurrency(self) -> float:
        """Requests at once, over the time in which there was one; 0 when there was none."""
        return self.request_seconds / self.busy_seconds if self.busy_seconds else 0.0

    def since(self, before: Counters) -> Counters:
        """What has come on top of ``before``."""
        return Counters(
            self.requests - before.requests,
            self.retries - before.retries,
            self.throttled - before.throttled,
            self.seconds_waited - before.seconds_waited,
            self.busy_seconds - before.busy_seconds,
            self.request_seconds - before.request_seconds,
        )

    def __str__(self) -> str:
        """One line: short while there is nothing to tell."""
        line = f"{self.requests:,} request{'' if self.requests == 1 else 's'}"
        if self.mean_concurrency >= 1.5:
            line += f", {self.mean_concurrency:.1f} at once on average"
        if self.seconds_waited >= 1:
            line += f", {self.seconds_waited:,.0f} s waited"
        if self.throttled:
            line += f', {self.throttled:,} answered "too many requests"'
        return line


class Counting(Protocol):
    """A client."""

    @property
    def counters(self) -> Counters:
        """What it has done so far."""
        ...


@configspec
class Meter(ContainerInjectableContext):
    """The clients of one run; dlt's container gives it to all threads of the run."""

    can_create_default: ClassVar[bool] = False

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._clients: list[tuple[Counting, Counters]] = []

    def note(self, client: Counting) -> None:
        """Counts what ``client`` does from now on; once for each client."""
        with self._lock:
            if not any(one is client for one, _ in self._clients):
                self._clients.append((client, client.counters))

    @property
    def counters(self) -> Counters:
        """What the clients have done since they were noted."""
        with self._lock:
            done = [client.counters.since(before) for client, before in self._clients]
        return Counters(
            sum(one.requests for one in done),
            sum(one.retries for one in done),
            sum(one.throttled for one in done),
            sum(one.seconds_waited for one in done),
            sum(one.busy_seconds for one in done),
            sum(one.request_seconds for one in done),
        )


@contextmanager
def metered() -> Iterator[Meter]:
    """While it lasts, clients that are used are counted together."""
    meter = Meter()
    with Container().injectable_context(meter):
        yield meter


def note_client(client: Counting) -> None:
    """Tells the run that is going on, if any, which client it uses."""
    container = Container()
    if Meter in container:
        container[Meter].note(client)
