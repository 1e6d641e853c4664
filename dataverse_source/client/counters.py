"""What requests cost: counters of a client, and sums of several."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import astuple, dataclass


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
        pairs = zip(astuple(self), astuple(before), strict=True)
        return Counters(*(now - then for now, then in pairs))

    @classmethod
    def total(cls, counters: Iterable[Counters]) -> Counters:
        """The sum of several."""
        columns = zip(*map(astuple, (cls(), *counters)), strict=True)
        return cls(*map(sum, columns))

    def __str__(self) -> str:
        """One line: short while there is nothing to tell."""
        line = f"{self.requests:,} request{'' if self.requests == 1 else 's'}"
        if self.mean_concurrency >= 1.5:
            line += f", {self.mean_concurrency:.1f} at once on average"
        if self.seconds_waited >= 1:
            line += f", {self.seconds_waited:,.0f} s waited"
        if self.retries:
            line += f", {self.retries:,} retried"
        if self.throttled:
            line += f', {self.throttled:,} answered "too many requests"'
        return line
