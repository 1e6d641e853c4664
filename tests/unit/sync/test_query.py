"""Queries: whole seconds, closed start, and no URL that is too long."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from dataverse_source.metadata.model import Column
from dataverse_source.sync.read.query import (
    MAX_SELECT_LENGTH,
    literal,
    modified_filters,
    preferences,
    rows_query,
)

NAME = Column("name", "StringType")
PARENT = Column("parentcustomerid", "CustomerType", targets=("account", "contact"))
START = datetime(2026, 1, 2, 3, 4, 5, 678_900, tzinfo=timezone.utc)


def test_lookups_are_selected_by_their_value() -> None:
    assert rows_query([NAME, PARENT]) == {"$select": "name,_parentcustomerid_value"}


def test_a_select_that_does_not_fit_in_a_url_is_left_out() -> None:
    columns = [Column(f"new_column{number}", "StringType") for number in range(2000)]
    assert sum(len(column.name) for column in columns) > MAX_SELECT_LENGTH
    assert rows_query(columns) == {}


def test_filters_are_joined_in_parentheses() -> None:
    query = rows_query([NAME], filters=["a eq 1 or b eq 2", "c eq 3"])
    assert query["$filter"] == "(a eq 1 or b eq 2) and (c eq 3)"


def test_bounds_are_floored_to_seconds_and_the_start_is_closed() -> None:
    assert modified_filters(None, None) == []
    assert modified_filters(START, None) == [
        "modifiedon ge 2026-01-02T03:04:05Z or modifiedon eq null"
    ]
    assert modified_filters(START, START + timedelta(days=1)) == [
        "modifiedon ge 2026-01-02T03:04:05Z",
        "modifiedon lt 2026-01-03T03:04:05Z",
    ]


def test_literals_are_in_utc() -> None:
    berlin = timezone(timedelta(hours=2))
    assert literal(datetime(2026, 7, 1, 12, 0, tzinfo=berlin)) == "2026-07-01T10:00:00Z"


def test_annotations_are_asked_for_only_where_they_tell_something() -> None:
    assert preferences([NAME]) == []
    assert preferences([NAME, PARENT]) == [
        'odata.include-annotations="Microsoft.Dynamics.CRM.lookuplogicalname"',
    ]
