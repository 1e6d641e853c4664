"""SQL Server's wildcards against a plain reading of them."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataverse_source.sandbox.query.filter.patterns import glob_of

LETTERS = "ab*?%_"
PIECES = st.lists(st.sampled_from([*LETTERS, "[ab]", "[^a]", "[%]", "[_]"]), min_size=0, max_size=5)


@pytest.fixture(scope="module")
def database() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:")
    yield connection
    connection.close()


def expression(pieces: list[str], function: str) -> re.Pattern[str]:
    """The regular expression that the pieces of a pattern mean."""
    meanings = {"%": ".*", "_": ".", "[ab]": "[ab]", "[^a]": "[^a]", "[%]": "%", "[_]": "_"}
    inner = "".join(meanings.get(piece, re.escape(piece)) for piece in pieces)
    before = "" if function == "startswith" else ".*"
    after = "" if function == "endswith" else ".*"
    return re.compile(f"{before}{inner}{after}", re.DOTALL)


@pytest.mark.parametrize("function", ["contains", "startswith", "endswith"])
@given(pieces=PIECES, text=st.text(LETTERS, max_size=6))
def test_wildcards(
    database: sqlite3.Connection, function: str, pieces: list[str], text: str
) -> None:
    pattern = glob_of("".join(pieces), function)
    (found,) = database.execute("SELECT ? GLOB ?", (text, pattern)).fetchone()
    assert bool(found) == bool(expression(pieces, function).fullmatch(text))
