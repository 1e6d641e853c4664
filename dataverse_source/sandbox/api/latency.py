"""How long Dataverse takes: a model of an answer's time by its rows and expands."""

from __future__ import annotations

from dataclasses import dataclass

from dataverse_source.sandbox.http.messages import Request, Response

_ROW_MARK = b'"@odata.etag"'


@dataclass(frozen=True)
class LatencySettings:
    """Time added to every answer, on top of what the sandbox itself needs.

    No figures are published; ``guess()`` gives some that make a page of 5,000 rows take
    between one and two seconds.

    Attributes:
        base_seconds: for every request.
        row_seconds: for every row of the answer.
        expand_seconds: for every ``$expand`` in the query.
        scale: how many real seconds one modelled second takes; 0.1 makes it ten times faster.
            Limits book the modelled time.
    """

    base_seconds: float = 0.0
    row_seconds: float = 0.0
    expand_seconds: float = 0.0
    scale: float = 1.0

    @classmethod
    def guess(cls, scale: float = 1.0) -> LatencySettings:
        """Figures that feel like a real environment; they are a guess."""
        return cls(base_seconds=0.1, row_seconds=0.0003, expand_seconds=0.05, scale=scale)

    @property
    def is_off(self) -> bool:
        """Whether answers take no extra time."""
        return not (self.base_seconds or self.row_seconds or self.expand_seconds)

    def seconds(self, request: Request, response: Response) -> float:
        """The modelled time of one answer."""
        rows = rows_of(response) if self.row_seconds else 0
        expands = request.query.count("$expand") + request.query.count("%24expand")
        return self.base_seconds + rows * self.row_seconds + expands * self.expand_seconds


def rows_of(response: Response) -> int:
    """How many rows an answer holds."""
    return response.body.count(_ROW_MARK) if response.rows is None else response.rows
