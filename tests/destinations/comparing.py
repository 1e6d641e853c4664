"""Compares rows of any driver with the sandbox's, each cell by the type that it has to have."""

from __future__ import annotations

from datetime import date, datetime, timezone
from decimal import Decimal
from typing import Any

from dataverse_source.sandbox import Sandbox
from tests.destinations.places import Rows
from tests.support.comparing import sandbox_rows


def assert_rows(found: Rows, sandbox: Sandbox, logical_name: str) -> None:
    """These are the sandbox's rows, each once, in every cell."""
    key = sandbox.store.schema.by_logical_name[logical_name].primary_id
    columns = {name for row in found for name in row if not name.startswith("_d")}
    expected = sandbox_rows(sandbox, logical_name, columns)
    assert sorted(row[key] for row in found) == sorted(expected), f"keys of {logical_name}"
    for row in found:
        for name, want in expected[row[key]].items():
            assert alike(row[name], want), f"{logical_name}.{name}: {row[name]!r}, not {want!r}"


def alike(found: Any, want: Any) -> bool:
    """Whether a driver's value is the value that has to be there, to the last digit."""
    if found is None or want is None:
        return found is want
    if isinstance(want, bool):
        return found in (0, 1) and bool(found) == want
    if isinstance(want, Decimal):
        return not isinstance(found, float) and Decimal(found) == want
    if isinstance(want, datetime):
        return _moment(found, want.tzinfo is not None) == want
    if isinstance(want, date):
        return (date.fromisoformat(found) if isinstance(found, str) else found) == want
    if isinstance(want, bytes):
        return bytes(found) == want
    return type(found) is type(want) and bool(found == want)


def _moment(found: Any, aware: bool) -> datetime:
    """A driver's time; one without a zone is in UTC, where the column has to have one."""
    time: datetime = datetime.fromisoformat(found) if isinstance(found, str) else found
    if aware and time.tzinfo is None:
        return time.replace(tzinfo=timezone.utc)
    return time
