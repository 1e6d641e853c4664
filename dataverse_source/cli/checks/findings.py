"""What `check` finds out, step by step: well, with a warning, failed, or not tried."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from dataverse_source.errors import DataverseError

Status = Literal["ok", "warning", "failed", "not_tried"]


@dataclass(frozen=True)
class Finding:
    """What one step has shown.

    Attributes:
        step: its name for machines, which stays: ``sign_in``, ``table``.
        title: its name for people.
        status: a warning does not make the check fail.
        details: what was found, a line or more.
        remedy: what to do about it.
        facts: the same as ``details``, for machines.
    """

    step: str
    title: str
    status: Status
    details: str = ""
    remedy: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


class Findings:
    """The findings so far; a step whose ground is missing is not tried."""

    def __init__(self) -> None:
        self.all: list[Finding] = []

    def add(self, finding: Finding) -> None:
        """One more."""
        self.all.append(finding)

    def ok(self, step: str, title: str, details: str, **facts: Any) -> None:
        """A step that is well."""
        self.add(Finding(step, title, "ok", details, facts=facts))

    def warn(self, step: str, title: str, details: str, remedy: str | None, **facts: Any) -> None:
        """A step that is well enough, with something to know."""
        self.add(Finding(step, title, "warning", details, remedy, facts))

    def fail(self, step: str, title: str, error: DataverseError, **facts: Any) -> None:
        """A step that failed."""
        parts = [f"{error.what}.", error.where, error.why]
        details = "\n".join(part for part in parts if part)
        more = {"error": type(error).__name__, "request_id": error.request_id}
        self.add(Finding(step, title, "failed", details, error.remedy, {**more, **facts}))

    def not_tried(self, steps: Mapping[str, str]) -> None:
        """Steps whose ground is missing, by name and title."""
        for step, title in steps.items():
            self.add(Finding(step, title, "not_tried"))

    @contextmanager
    def trying(self, step: str, title: str, *, then: Mapping[str, str]) -> Iterator[None]:
        """A part of the check that failing ends; ``then`` are the steps that build on it.

        Raises:
            StoppedError: the part has failed, and is among the findings.
        """
        try:
            yield
        except DataverseError as error:
            self.fail(step, title, error)
            self.not_tried(then)
            raise StoppedError from error

    @property
    def failed(self) -> bool:
        """Whether any step has failed."""
        return any(one.status == "failed" for one in self.all)


class StoppedError(Exception):
    """Nothing more can be found out."""
