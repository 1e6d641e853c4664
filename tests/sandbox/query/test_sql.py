from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataverse_source.sandbox.query.fetchxml.sql_parser import parse_sql
from dataverse_source.sandbox.switches import Switches
from tests.support.sandbox.fetchxml import ALL, WIDGETS, widgets
from tests.support.sandbox.reading import Reading


@pytest.fixture(scope="module")
def side() -> Iterator[Reading]:
    with widgets() as made:
        yield made


def address(text: str, collection: str = "new_widgets") -> str:
    return f"{collection}?sql={quote(text, safe='')}"


def rows(side: Reading, text: str, prefer: str = "") -> list[dict[str, Any]]:
    """The rows without their keys and etags."""
    found = side.json(address(text), prefer)["value"]
    return [
        {name: value for name, value in row.items() if name not in ("@odata.etag", "new_widgetid")}
        for row in found
    ]


def names(side: Reading, where: str) -> list[str]:
    text = f"SELECT new_name FROM new_widget AS w WHERE {where} ORDER BY new_name"
    return [row["new_name"] for row in rows(side, text)]


def test_rows_carry_their_key_and_leave_nulls_out(side: Reading) -> None:
    text = "SELECT w.new_name, w.new_count FROM new_widget AS w ORDER BY w.new_name"
    found = side.json(address(text))
    assert all({"@odata.etag", "new_widgetid"} <= row.keys() for row in found["value"])
    assert found["@odata.context"].endswith("#new_widgets(new_name,new_count,new_widgetid)")
    assert rows(side, text) == [
        {"new_name": "anvil", "new_count": 5},
        {"new_name": "Bellows", "new_count": 7},
        {"new_name": "clamp"},
        {"new_name": "drill", "new_count": 7},
    ]


def test_an_alias_tells_its_column(side: Reading) -> None:
    text = "SELECT new_name AS shown FROM new_widget WHERE new_count = 5"
    assert rows(side, text, ALL) == [
        {"shown": "anvil", "shown@OData.Community.Display.V1.AttributeName": "new_name"}
    ]


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("w.new_name LIKE 'anvil'", ["anvil"]),
        ("w.new_name LIKE '%L%'", ["anvil", "Bellows", "clamp", "drill"]),
        ("new_name LIKE '_ellows'", ["Bellows"]),
        ("new_name NOT LIKE '%l'", ["Bellows", "clamp"]),
        ("new_name LIKE '[%]off'", []),
        ("new_count = 7", ["Bellows", "drill"]),
        ("new_count <> 7", ["anvil"]),
        ("new_count != 7", ["anvil"]),
        ("new_count >= 5 AND new_count < 7", ["anvil"]),
        ("new_count > 5 OR new_name = 'clamp'", ["Bellows", "clamp", "drill"]),
        ("(new_count = 5 OR new_count = 7) AND new_color IS NOT NULL",
         ["anvil", "Bellows", "drill"]),
        ("new_count = 5 OR new_count = 7 AND new_color = 2", ["anvil", "Bellows"]),
        ("new_count IS NULL", ["clamp"]),
        ("new_count = NULL", []),
        ("new_count <> NULL", []),
        ("new_count IN (5, 6)", ["anvil"]),
        ("new_count NOT IN (5, 6)", ["Bellows", "drill"]),
        ("new_count IN (5, NULL)", ["anvil"]),
        ("new_count NOT IN (5, NULL)", []),
        ("new_count BETWEEN 6 AND 8", ["Bellows", "drill"]),
        ("new_count NOT BETWEEN 6 AND 8", ["anvil"]),
        ("new_name BETWEEN 'a' AND 'b'", ["anvil"]),
        ("new_price > 0.5", ["anvil", "clamp"]),
        ("new_name = 'O''Bryan'", []),
        ("new_ready = 1", ["anvil", "drill"]),
        ("new_madeon >= '2024-08-27T15:30:00Z'", ["anvil", "Bellows", "clamp", "drill"]),
        ("[new_name] = 'ANVIL' -- whatever the case", ["anvil"]),
    ],
)  # fmt: skip
def test_conditions(side: Reading, where: str, expected: list[str]) -> None:
    newline = "\n" if "--" in where else ""
    assert names(side, where + newline) == expected


LINKED = [("anvil", "Acme"), ("Bellows", "Acme"), ("clamp", "Bolt")]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("INNER JOIN", LINKED),
        ("JOIN", LINKED),
        ("LEFT JOIN", [("drill", None), *LINKED]),
        ("left outer join", [("drill", None), *LINKED]),
    ],
)
def test_joins(side: Reading, kind: str, expected: list[tuple[str, str | None]]) -> None:
    text = (
        f"SELECT w.new_name, m.new_name AS maker FROM new_widget w {kind} new_maker m "
        "ON m.new_makerid = w.new_makerid ORDER BY m.new_name, w.new_name"
    )
    assert [(row["new_name"], row.get("maker")) for row in rows(side, text)] == expected


def test_a_join_of_a_table_to_itself_and_conditions_on_it(side: Reading) -> None:
    text = (
        "SELECT a.new_name, b.new_name AS other FROM new_widget AS a INNER JOIN new_widget AS b "
        "ON a.new_makerid = b.new_makerid WHERE b.new_count = 7 AND a.new_count = 5"
    )
    assert rows(side, text) == [{"new_name": "anvil", "other": "Bellows"}]


def test_joins_after_one_another(side: Reading) -> None:
    text = (
        "SELECT a.new_name, b.new_name AS other FROM new_widget AS a "
        "JOIN new_maker AS m ON a.new_makerid = m.new_makerid "
        "JOIN new_widget AS b ON m.new_makerid = b.new_makerid "
        "WHERE m.new_name = 'Acme' ORDER BY a.new_name, b.new_name"
    )
    pairs = [(row["new_name"], row["other"]) for row in rows(side, text)]
    assert pairs == [(a, b) for a in ("anvil", "Bellows") for b in ("anvil", "Bellows")]


def test_orders_and_distinct_values(side: Reading) -> None:
    text = "SELECT DISTINCT w.new_color FROM new_widget AS w ORDER BY w.new_color DESC"
    found = side.json(address(text))["value"]
    assert found == [{"new_color": 2}, {"new_color": 1}, {}]
    text = "SELECT new_name AS n FROM new_widget ORDER BY new_count DESC, n"
    assert [row["n"] for row in rows(side, text)] == ["Bellows", "drill", "anvil", "clamp"]


def test_aggregates(side: Reading) -> None:
    text = (
        "SELECT COUNT(*) AS n, COUNT(new_count) AS counted, COUNT(DISTINCT new_count) AS kinds, "
        "SUM(new_count) AS total, MIN(new_count) AS least, MAX(new_count) AS most "
        "FROM new_widget"
    )
    assert rows(side, text) == [
        {"n": 4, "counted": 3, "kinds": 2, "total": 19, "least": 5, "most": 7}
    ]
    text = (
        "SELECT m.new_name, COUNT(*) AS n FROM new_maker AS m "
        "INNER JOIN new_widget AS w ON m.new_makerid = w.new_makerid "
        "GROUP BY m.new_name ORDER BY m.new_name"
    )
    found = side.json(address(text, "new_makers"))["value"]
    assert found == [{"new_name": "Acme", "n": 2}, {"new_name": "Bolt", "n": 1}]
    text = "SELECT new_color, COUNT(*) AS n FROM new_widget GROUP BY new_color ORDER BY n DESC"
    assert rows(side, text)[0] == {"new_color": 1, "n": Decimal(2)}


@pytest.mark.parametrize(
    "text",
    [
        "SELECT new_name FROM new_widget",
        "SELECT new_name FROM new_widget ORDER BY new_count DESC",
        "SELECT DISTINCT new_name FROM new_widget ORDER BY new_name",
        "SELECT w.new_name FROM new_widget AS w LEFT JOIN new_maker AS m "
        "ON w.new_makerid = m.new_makerid ORDER BY m.new_name, w.new_name",
        "SELECT new_name, COUNT(*) AS n FROM new_widget GROUP BY new_name",
    ],
)
@pytest.mark.parametrize("size", [1, 3])
def test_pages(side: Reading, text: str, size: int) -> None:
    whole = rows(side, text)
    found = list(side.pages(address(text), f"odata.maxpagesize={size}"))
    assert [len(page["value"]) for page in found] == ([1] * 4 if size == 1 else [3, 1])
    paged = [row["new_name"] for page in found for row in page["value"]]
    assert paged == [row["new_name"] for row in whole]


def test_cookies_that_never_move_on() -> None:
    """Seen of the sql endpoint alone: the page number grows, the cookie stays."""
    with widgets() as side:
        side.environment.switches = Switches(stuck_cookie="sql")
        text = address("SELECT new_name FROM new_widget")
        pages = side.pages(text, "odata.maxpagesize=1")
        found = [next(pages)["value"][0]["new_name"] for _ in range(5)]
        assert found[1] == found[2] == found[3] == found[4] != found[0]
        plain = list(side.pages("new_widgets?$select=new_name", "odata.maxpagesize=1"))
        assert len(plain) == len(WIDGETS)


@pytest.mark.parametrize(
    "text",
    [
        "SELECT * FROM new_widget",
        "SELECT TOP 5 new_name FROM new_widget",
        "SELECT new_name FROM new_widget ORDER BY new_name OFFSET 5 ROWS",
        "SELECT new_name FROM new_widget WHERE 1=1",
        "SELECT new_name FROM new_widget WHERE LEN(new_name) = 1",
        "SELECT new_name FROM new_widget WHERE new_name IN (SELECT new_name FROM new_maker)",
        "SELECT new_name FROM new_widget WHERE EXISTS (SELECT new_name FROM new_maker)",
        "SELECT new_name FROM new_widget ORDER BY LEN(new_name)",
        "SELECT new_name FROM new_widget; SELECT new_name FROM new_maker",
        "SELECT w.new_name FROM new_widget w RIGHT JOIN new_maker m ON new_size = new_count",
        "SELECT w.new_name FROM new_widget w CROSS JOIN new_maker m",
        "SELECT w.new_name FROM new_widget w JOIN new_maker m ON w.new_makerid < m.new_makerid",
        "SELECT w.new_name FROM new_widget w JOIN new_maker m ON w.new_makerid = w.new_makerid",
        "SELECT w.new_name FROM new_widget w JOIN new_maker w ON w.new_makerid = w.new_makerid",
        "SELECT COUNT(*) AS n FROM new_widget HAVING COUNT(*) > 1",
        "SELECT COUNT(*) FROM new_widget",
        "SELECT SUM(*) AS n FROM new_widget",
        "SELECT SUM(DISTINCT new_count) AS n FROM new_widget",
        "SELECT new_name, COUNT(*) AS n FROM new_widget",
        "SELECT DISTINCT COUNT(*) AS n FROM new_widget",
        "SELECT COUNT(*) AS n FROM new_widget GROUP BY new_name ORDER BY new_name",
        "SELECT nothing FROM new_widget",
        "SELECT x.new_name FROM new_widget",
        "SELECT new_name FROM nothing",
        "SELECT new_name FROM new_maker",
        "SELECT new_name FROM new_widget WHERE new_count = 'x'",
        "DELETE FROM new_widget",
        "",
    ],
)  # fmt: skip
def test_what_is_not_supported(side: Reading, text: str) -> None:
    assert side.fault(address(text))[0] == 400


def test_other_options_beside_it(side: Reading) -> None:
    text = address("SELECT new_name FROM new_widget")
    assert side.fault(f"{text}&$select=new_name")[0] == 501
    assert side.fault(f"{text}&$skiptoken=x")[1] == "0x8004112A"


NAMES = st.sampled_from(["new_name", "w.new_name", "[new_count]"])
LITERALS = st.one_of(st.integers(-9, 9).map(str), st.text("ab'% ", max_size=3).map(
    lambda text: "'" + text.replace("'", "''") + "'"))  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(NAMES, st.sampled_from(["=", "<>", "!=", "<", "<=", ">", ">="]), LITERALS)
def test_constants_are_read_as_written(name: str, operator: str, constant: str) -> None:
    found = parse_sql(f"SELECT new_name FROM new_widget w WHERE {name} {operator} {constant}")
    expected = constant[1:-1].replace("''", "'") if constant.startswith("'") else constant
    assert found.where is not None
    assert getattr(found.where, "operator") == operator  # noqa: B009
    assert getattr(found.where, "values") == (expected,)  # noqa: B009
