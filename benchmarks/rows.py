"""Rows of accounts as JSON text: those of the sandbox, again and again, each with its own key.

The sandbox makes some accounts and renders them; further ones repeat their content with keys,
times and versions of their own. Row n was created and last changed
``SECONDS_APART`` after row n-1, and keys grow with n: all orders in which a table is read
are the same order.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

import requests

from benchmarks.plain import signed_in
from dataverse_source.sandbox import Sandbox
from dataverse_source.sandbox.schema.catalog import default_schema

FIRST_CREATED = datetime(2019, 1, 1, tzinfo=timezone.utc)
SECONDS_APART = 20
FIRST_VERSION = 1_000_000
LOOKUPS = 'odata.include-annotations="Microsoft.Dynamics.CRM.lookuplogicalname"'

NARROW = (
    *("accountid", "name", "accountnumber", "revenue", "numberofemployees", "industrycode"),
    *("statecode", "createdon", "modifiedon", "versionnumber"),
)
"""Some columns: reading them is bound by the service, not by the machine."""

ROW_START = b'{"@odata.etag":'
_OWN = re.compile(
    rb'("@odata\.etag":"W/\\")\d+|("versionnumber":)\d+|("accountid":")[^"]+'
    rb'|("createdon":")[^"]+|("modifiedon":")[^"]+'
)
VERSION_ROW = (
    b'{"@odata.etag":"W/\\"1\\"","versionnumber":1,'
    b'"accountid":"00000000-0000-0000-0000-000000000000"}'
)
"""A row of key and version number alone."""
DATED_ROW = VERSION_ROW.replace(b"}", b',"createdon":"2019-01-01T00:00:00Z"}')
"""The same with createdon."""
_GOLDEN = 0x9E3779B97F4A7C15  # spreads row numbers over 64 bits: keys compress as random ones do


def columns() -> list[str]:
    """All columns of account but images, and what describes images and files."""
    known = default_schema().by_logical_name["account"].by_wire_name.items()
    return [
        name
        for name, column in known
        if column.type not in ("Virtual", "Image") and column.attribute_of is None
    ]


def created(number: int) -> datetime:
    """When a row was created, and last changed."""
    return FIRST_CREATED + timedelta(seconds=SECONDS_APART * number)


def number_at(moment: datetime) -> int:
    """The number of the first row that was created at ``moment`` or later."""
    return max(-int((FIRST_CREATED - moment).total_seconds() // SECONDS_APART), 0)


def key(number: int) -> str:
    """The key of a row."""
    spread = f"{(number * _GOLDEN) % (1 << 64):016x}"
    return f"{number:08x}-{spread[:4]}-4{spread[4:7]}-a{spread[7:10]}-{spread[10:]}{spread[:6]}"


def distinct_rows(variant: str, count: int) -> list[bytes]:
    """What the sandbox renders.

    Args:
        variant: ``lookups``: with the annotations that name a lookup's table; ``plain``:
            without; ``narrow``: some columns.
        count: how many.
    """
    with Sandbox({"account": count, "contact": 300, "systemuser": 30}, seed=1) as sandbox:
        session = signed_in(sandbox.connection)
        prefer = ["odata.maxpagesize=5000", *([LOOKUPS] if variant == "lookups" else [])]
        select = ",".join(NARROW if variant == "narrow" else columns())
        url = f"{sandbox.environment_url}/api/data/v9.2/accounts?$select={select}"
        rows: list[bytes] = []
        while url:
            answer = session.get(url, headers={"Prefer": ",".join(prefer)}, timeout=300)
            rows += _split(answer)
            url = str(answer.json().get("@odata.nextLink", ""))
    return rows


def _split(answer: requests.Response) -> list[bytes]:
    """The texts of the rows of a page. Text within values has its quotes escaped."""
    answer.raise_for_status()
    _, _, text = answer.content.partition(b'"value":[')
    first, *pieces = text.split(ROW_START)
    if first:
        raise ValueError(f"the page does not begin with a row: {first[:80]!r}")
    last = pieces.pop()
    end = re.search(rb'\}\](?:,"@odata\.nextLink":"[^"]*")?\}$', last)
    if end is None:
        raise ValueError(f"the page does not end with a row: {last[-80:]!r}")
    whole = [piece.rstrip(b",") for piece in pieces] + [last[: end.start() + 1]]
    return [ROW_START + piece for piece in whole]


class Rows:
    """Texts of rows by number.

    Args:
        distinct: rows of the sandbox; empty for rows that hold nothing but their key.
    """

    def __init__(self, distinct: Sequence[bytes]) -> None:
        self._distinct = distinct
        self._shapes: dict[int, tuple[list[bytes], list[str]]] = {}

    def text(self, number: int) -> bytes:
        """One row."""
        version, at = FIRST_VERSION + number, f"{created(number).isoformat()[:19]}Z"
        if not self._distinct:
            return b'{"@odata.etag":"W/\\"%d\\"","accountid":"%s"}' % (
                version,
                key(number).encode(),
            )
        index = number % len(self._distinct)
        if index not in self._shapes:
            self._shapes[index] = self._shape(self._distinct[index])
        shape, order = self._shapes[index]
        own: dict[str, Any] = {"version": version, "key": key(number), "time": at}
        parts = [shape[0]]
        for name, rest in zip(order, shape[1:], strict=True):
            parts += [str(own[name]).encode(), rest]
        return b"".join(parts)

    @staticmethod
    def _shape(row: bytes) -> tuple[list[bytes], list[str]]:
        """The text between a row's own values, and which values these are."""
        kinds = ("version", "version", "key", "time", "time")
        between, order, at = [], [], 0
        for found in _OWN.finditer(row):
            index = next(i for i in range(1, 6) if found[i] is not None)
            order.append(kinds[index - 1])
            between.append(row[at : found.end(index)])
            at = found.end()
        if sorted(order) not in (sorted(kinds), sorted(kinds[:3]), sorted(kinds[:4])):
            raise ValueError(f"a row without all of its own values: {row[:200]!r}")
        return [*between, row[at:]], order
