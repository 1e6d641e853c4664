"""The results of `check`, one per step: ok, warning, failed, or not tried."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from dataverse_source.errors import DataverseError

Status = Literal["ok", "warning", "failed", "not_tried"]


@dataclass(frozen=True)
class Finding:
    """The result of one step.

    Attributes:
        step: its name in JSON, which does not change: ``sign_in``, ``table``.
        title: its name on the screen.
        status: a warning does not fail the check.
        details: one or more lines.
        remedy: what to do next.
        facts: the details for JSON.
    """

    step: str
    title: str
    status: Status
    details: str = ""
    remedy: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


class Findings:
    """The findings so far."""

    def __init__(self) -> None:
        self.all: list[Finding] = []

    def add(self, finding: Finding) -> None:
        """Adds a finding."""
        self.all.append(finding)

    def ok(self, step: str, title: str, details: str, **facts: Any) -> None:
        """Adds a step that succeeded."""
        self.add(Finding(step, title, "ok", details, facts=facts))

    def warn(self, step: str, title: str, details: str, remedy: str | None, **facts: Any) -> None:
        """Adds a step that succeeded with a warning."""
        self.add(Finding(step, title, "warning", details, remedy, facts))

    def fail(self, step: str, title: str, error: DataverseError, **facts: Any) -> None:
        """Adds a step that failed."""
        parts = [f"{error.what}.", error.where, error.why]
        details = "\n".join(part for part in parts if part)
        more = {"error": type(error).__name__, "request_id": error.request_id}
        self.add(Finding(step, title, "failed", details, error.remedy, {**more, **facts}))

    def not_tried(self, steps: Mapping[str, str]) -> None:
        """Adds steps, by name and title, that an earlier failure made impossible."""
        for step, title in steps.items():
            self.add(Finding(step, title, "not_tried"))

    @contextmanager
    def trying(self, step: str, title: str, *, then: Mapping[str, str]) -> Iterator[None]:
        """A step that later steps, ``then``, depend on.

        Raises:
            StoppedError: the step failed; it is among the findings.
        """
        try:
            yield
        except DataverseError as error:
            self.fail(step, title, error)
            self.not_tried(then)
            raise StoppedError from error

    @property
    def failed(self) -> bool:
        """Whether any step failed."""
        return any(one.status == "failed" for one in self.all)


class StoppedError(Exception):
    """The remaining steps cannot be checked."""
