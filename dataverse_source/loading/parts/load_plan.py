"""What a plan says: JSON that any scheduler can hand from task to task. It holds no credentials."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from dataverse_source.errors import ConfigurationError
from dataverse_source.loading.parts.landing import read_plan_file
from dataverse_source.sync.read.created_on import Interval, from_state, to_state

FORMAT = 2
"""Of the JSON; a later version that reads other plans counts up."""


@dataclass(frozen=True)
class Part:
    """A part of a table.

    Attributes:
        intervals: of createdon, see `dataverse_source.sync.read.created_on.to_state`.
        rows: how many they held when the plan was made.
    """

    intervals: tuple[Mapping[str, str], ...]
    rows: int

    @classmethod
    def of(cls, intervals: tuple[Interval, ...], rows: int) -> Part:
        """A part with these intervals."""
        return cls(tuple(map(to_state, intervals)), rows)

    @property
    def as_intervals(self) -> tuple[Interval, ...]:
        """Its intervals."""
        return tuple(map(from_state, self.intervals))


@dataclass(frozen=True)
class LoadPlan:
    """How one table is loaded: which parts have to be read first.

    Attributes:
        id: of the plan.
        table: entity set name.
        logical_name: of the table.
        environment: id of the environment, see `Connection.environment`.
        organization: id of its organization; None if it is not known.
        asked: how many parts were asked for.
        why: why there are so many parts, in words.
        must_be_loaded: there are no parts as the table is loaded; if it is not any more when the
            plan is finished, a new plan is needed.
        landing: the plan's folder in the landing place; empty without parts.
        columns: fingerprint of what is read.
        column_names: the columns that are read.
        state: of the table, as `write_state` writes it: the delta link or the cursor.
        highest: the highest version number when the plan was made.
        leaves_out_newer: whether rows above it are left out; the ordinary run brings them.
        page_bytes: size of a page of rows in memory, measured.
        parts: what to read.
        forecast: see `dataverse_source.loading.parts.forecast`.
        format: of the JSON.
    """

    id: str
    table: str
    logical_name: str
    environment: str
    organization: str | None
    asked: int
    why: str
    must_be_loaded: bool = False
    landing: str = ""
    columns: str = ""
    column_names: tuple[str, ...] = ()
    state: Mapping[str, Any] = field(default_factory=dict)
    highest: int = 0
    leaves_out_newer: bool = True
    page_bytes: int = 0
    parts: tuple[Part, ...] = ()
    forecast: Mapping[str, Any] = field(default_factory=dict)
    format: int = FORMAT

    def to_json(self) -> dict[str, Any]:
        """The plan as JSON values; ``numbers`` has the numbers of its parts."""
        found: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return {**found, "numbers": list(range(len(self.parts)))}


def load_plan(given: Mapping[str, Any] | str) -> LoadPlan:
    """A plan from its JSON.

    Args:
        given: what `LoadPlan.to_json` returned, as a dict or as text; or path or URL of a file
            with it.

    Raises:
        ConfigurationError: it is no plan, or one of another version.
    """
    if isinstance(given, str):
        text = given.strip()
        try:
            given = json.loads(text) if text.startswith("{") else read_plan_file(text)
        except ValueError as error:
            raise _no_plan(str(error)) from None
    if not isinstance(given, Mapping):
        raise _no_plan(f"it is a {type(given).__name__}")
    found = {name: value for name, value in given.items() if name != "numbers"}
    if found.get("format") != FORMAT:
        raise _no_plan(f"its format is {found.get('format')!r} instead of {FORMAT}")
    try:
        parts = tuple(
            Part(tuple(one["intervals"]), int(one["rows"])) for one in found.pop("parts", ())
        )
        names = tuple(found.pop("column_names", ()))
        return LoadPlan(parts=parts, column_names=names, **found)
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise _no_plan(str(error)) from None


def _no_plan(why: str) -> ConfigurationError:
    return ConfigurationError(
        "This is no plan of this version",
        where="plan",
        why=why,
        remedy="Pass what plan_load returned, or the file that `dataverse-source plan -o` wrote; "
        "plan, parts and finish need the same version of dlt-dataverse.",
    )
