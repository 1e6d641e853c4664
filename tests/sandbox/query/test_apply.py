"""``$apply``: groups and totals."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from dataverse_source.sandbox.query.collection import apply
from tests.support.sandbox.reading import ROOT, Reading, reading


@pytest.fixture(scope="module")
def side() -> Iterator[Reading]:
    with reading() as made:
        maker = made.store.create("new_maker", {"new_name": "Adatum"})
        rows: list[dict[str, Any]] = [
            {"new_color": 1, "new_price": Decimal("0.1"), "new_count": 1, "new_makerid": maker},
            {"new_color": 1, "new_price": Decimal("0.2"), "new_count": 2, "new_name": "X"},
            {"new_color": 2, "new_count": 5, "new_name": "x", "new_weight": 1.5},
            {"new_price": Decimal("99999999999.9999"), "new_makerid": maker},
        ]
        for row in rows:
            made.store.create("new_widget", row)
        yield made


def groups(side: Reading, text: str) -> list[dict[str, Any]]:
    answer = side.json(f"new_widgets?$apply={text}")
    assert answer["@odata.context"] == f"{ROOT}$metadata#new_widgets"
    found: list[dict[str, Any]] = answer["value"]
    return found


def test_groups_leave_nulls_out_and_have_no_etag(side: Reading) -> None:
    assert groups(side, "groupby((new_color))") == [{}, {"new_color": 1}, {"new_color": 2}]
    assert groups(side, "groupby((new_color),aggregate($count as number))") == [
        {"number": 1},
        {"new_color": 1, "number": 2},
        {"new_color": 2, "number": 1},
    ]


def test_totals_are_exact(side: Reading) -> None:
    text = "aggregate(new_price with sum as total,new_price with max as most,$count as rows)"
    answer = side.ask(f"new_widgets?$apply={text}").body.decode()
    assert '"total":100000000000.299900000,"most":99999999999.9999,"rows":4' in answer
    text = "filter(new_color eq 1)/groupby((new_color),aggregate(new_price with sum as total))"
    assert groups(side, text) == [{"new_color": 1, "total": Decimal("0.3")}]


def test_an_average_of_whole_numbers_is_cut(side: Reading) -> None:
    assert groups(side, "aggregate(new_count with average as mean)") == [{"mean": 2}]
    assert groups(side, "aggregate(new_weight with average as mean)") == [{"mean": Decimal("1.5")}]


def test_text_groups_without_case_and_related_columns_name_their_table(side: Reading) -> None:
    assert len(groups(side, "filter(new_name ne null)/groupby((new_name))")) == 1
    found = groups(side, "groupby((new_MakerId/new_name),aggregate($count as c))")
    assert found == [{"c": 2}, {"new_maker_new_name": "Adatum", "c": 2}]


def test_first_and_last_moments(side: Reading) -> None:
    (row,) = groups(side, "aggregate(createdon with min as first)")
    assert row["first"] == f"{side.clock.now():%Y-%m-%dT%H:%M:%SZ}"


@pytest.mark.parametrize(
    "text",
    [
        "groupby((createdon))",
        "groupby((nope))",
        "groupby(new_color)",
        "aggregate(new_name with sum as x)",
        "aggregate(new_count with countdistinct as x)",
        "aggregate(new_count)",
        "groupby((new_color))/aggregate($count as c)",
        "filter(new_color eq 1)",
        "topcount(1,new_count)",
    ],
)
def test_refusals(side: Reading, text: str) -> None:
    assert side.fault(f"new_widgets?$apply={text}")[:2] == (400, "0x80060888")


def test_groups_have_no_order(side: Reading) -> None:
    text = "groupby((new_color),aggregate($count as c))&$orderby=c"
    assert side.fault(f"new_widgets?$apply={text}") == (
        400,
        "0x80060888",
        "The query node SingleValueOpenPropertyAccess is not supported",
    )


def test_too_many_rows_are_refused(side: Reading, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apply, "RECORD_LIMIT", 3)
    assert side.fault("new_widgets?$apply=aggregate($count as c)") == (
        400,
        "0x8004E023",
        "AggregateQueryRecordLimit exceeded. Cannot perform this operation.",
    )
