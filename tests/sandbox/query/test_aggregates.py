"""Parts of dates; what groups and figures give is tested with ``$apply`` and FetchXML."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from dataverse_source.sandbox.query.collection.aggregates import date_part


@pytest.mark.parametrize(
    ("day", "week"),
    # The first two are printed on docs page "Aggregate data using FetchXml".
    [((2023, 3, 25), 12), ((2023, 8, 27), 35), ((2024, 1, 1), 1), ((2024, 1, 7), 2),
     ((2022, 1, 1), 1), ((2022, 1, 2), 2), ((2024, 12, 31), 53)],
)  # fmt: skip
def test_weeks(day: tuple[int, int, int], week: int) -> None:
    assert date_part(datetime(*day, tzinfo=timezone.utc), "week") == week


def test_parts_of_a_date() -> None:
    moment = datetime(2024, 11, 30, tzinfo=timezone.utc)
    parts = {part: date_part(moment, part) for part in ("day", "month", "quarter", "year")}
    assert parts == {"day": 30, "month": 11, "quarter": 4, "year": 2024}
