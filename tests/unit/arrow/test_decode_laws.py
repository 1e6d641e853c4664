"""Laws of the decoder: every way to write a value means the same, and damage is found."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataverse_source.arrow.decode import decode_fast, decode_page
from dataverse_source.arrow.decode_exact import decode_exact
from dataverse_source.errors import DataverseError, ProtocolError
from tests.unit.arrow.test_decode import DESTINATION, FULL, OWNER, OWNER_TABLE, SCHEMA, body

# Values by column, with the ways to write them that have one meaning. Dataverse's own way is
# the first; that one the fast decoder must not refuse.

EAST = timezone(timedelta(hours=5, minutes=30))


def quoted(text: str) -> str:
    return json.dumps(text)


def iso(moment: datetime) -> str:
    return quoted(moment.replace(tzinfo=None).isoformat() + "Z")


Forms = tuple[st.SearchStrategy[Any], list[Callable[[Any], str]]]

FORMS: dict[str, Forms] = {
    "text": (st.text(), [json.dumps, lambda text: json.dumps(text, ensure_ascii=False)]),
    "whole": (
        st.integers(-(2**63), 2**63 - 1),
        [str, lambda n: f"{n}.0", lambda n: f"{n}E0", lambda n: f'"{n}"'],
    ),
    "flag": (st.booleans(), [json.dumps, lambda flag: f'"{json.dumps(flag)}"']),
    "decimal": (
        st.integers(1 - 10**23, 10**23 - 1).map(lambda n: Decimal(n).scaleb(-10)),
        [
            lambda n: f"{n:f}",
            lambda n: f"{n:f}0000",
            lambda n: f"{n:e}",
            lambda n: f'"{n:f}"',
            lambda n: f"{n:f}{'0' * 40}",
        ],
    ),
    "double": (
        st.floats(allow_nan=False, allow_infinity=False),
        [repr, lambda n: f"{Decimal(n):e}", lambda n: f'"{n!r}"'],
    ),
    "day": (st.dates(), [lambda day: f'"{day}"', lambda day: f'"{day}T00:00:00Z"']),
    "moment": (
        st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1), timezones=st.just(timezone.utc)),
        [
            iso,
            lambda moment: quoted(moment.isoformat()),
            lambda moment: quoted(moment.astimezone(EAST).isoformat()),
        ],
    ),
    "clock": (
        st.datetimes(),
        [iso, lambda moment: quoted(moment.isoformat(timespec="microseconds") + "0Z")],
    ),
    "image": (st.binary(), [lambda content: quoted(base64.b64encode(content).decode())]),
    OWNER: (st.uuids().map(str), [quoted]),
    OWNER_TABLE: (st.sampled_from(["team", "systemuser"]), [quoted]),
}


@pytest.mark.parametrize(
    ("name", "form"),
    [(name, form) for name, (_, forms) in FORMS.items() for form in range(len(forms))],
)
@settings(max_examples=40)
@given(data=st.data())
def test_one_way_to_write_one_column(name: str, form: int, data: st.DataObject) -> None:
    strategy, forms = FORMS[name]
    values = data.draw(st.lists(strategy | st.none(), max_size=20))
    rows = (
        f'{{"id":"a","{name}":{"null" if value is None else forms[form](value)}}}'
        for value in values
    )
    page = f'{{"value":[{",".join(rows)}]}}'.encode()
    decode = decode_fast if form == 0 else decode_page
    decoded = decode(page, SCHEMA).rows
    assert decoded[DESTINATION[name]].to_pylist() == values
    assert decode_exact(page, SCHEMA).rows.equals(decoded)


def spread(strategy: st.SearchStrategy[Any], forms: list[Callable[[Any], str]]) -> Any:
    """Pairs of one of the ``forms`` of a value, and the value."""
    return st.tuples(strategy, st.sampled_from(forms)).map(lambda p: (p[1](p[0]), p[0]))


NULLS = st.sampled_from([("null", None), (None, None)])

ROWS = st.lists(
    st.fixed_dictionaries({name: spread(*forms) | NULLS for name, forms in FORMS.items()}),
    max_size=4,
)


@given(rows=ROWS)
def test_decoding_equals_plain_evaluation(rows: list[dict[str, tuple[str | None, Any]]]) -> None:
    texts = []
    expected = []
    for number, row in enumerate(rows):
        members = {"id": f'"{number}"'} | {n: t for n, (t, _) in row.items() if t is not None}
        texts.append("{" + ",".join(f'"{name}":{text}' for name, text in members.items()) + "}")
        values = {DESTINATION[name]: value for name, (_, value) in row.items()}
        expected.append({"id": str(number), "rule": None} | values)
    page = f'{{"value":[{",".join(texts)}]}}'.encode("utf-8", "surrogatepass")
    decoded = decode_page(page, SCHEMA).rows
    assert decoded.to_pylist() == [
        {name: row[name] for name in SCHEMA.arrow.names} for row in expected
    ]
    decoded.validate(full=True)
    assert decode_exact(page, SCHEMA).rows.equals(decoded)


@given(data=st.data())
def test_damage_is_found_or_harmless(data: st.DataObject) -> None:
    text = bytearray(body(FULL, {"id": "b"} | FULL, **{"@odata.nextLink": "https://c/"}))
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(text) - 1))
        text[place] = data.draw(st.sampled_from(b'{}[]",:0123456789eE.-tfn \\u\xff\x00'))
    damaged = bytes(text)
    try:
        page = decode_page(damaged, SCHEMA)
    except DataverseError:
        return
    # What the strict decoder took, Python's own reader must read the same.
    assert page == decode_exact(damaged, SCHEMA)
    assert page.rows.schema == SCHEMA.arrow


@given(st.binary())
def test_nothing_but_a_page_is_a_page(noise: bytes) -> None:
    with pytest.raises(ProtocolError):
        decode_page(noise, SCHEMA)
