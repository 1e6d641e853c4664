"""A sandbox whose accounts come from prerendered pages: what all contenders read from.

    python -m benchmarks.page_server FOLDER --rows 200000 [--servers 3 ...]

Sign-in, metadata, limits and latency are the sandbox's own. Prints the sandbox's line of JSON
when it is ready, and serves until it is ended.
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
import threading
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from benchmarks.pages import PAGE_ROWS, VARIANTS, Pages
from benchmarks.rows import FIRST_VERSION, NARROW, columns, number_at
from benchmarks.serving import serve
from dataverse_source.sandbox import LatencySettings, LimitSettings, Sandbox
from dataverse_source.sandbox.api.gateway import Gateway, Side
from dataverse_source.sandbox.environment.environment import Caller, Environment
from dataverse_source.sandbox.http.compression import accepts_gzip
from dataverse_source.sandbox.http.messages import DataverseFault, Request, Response
from dataverse_source.sandbox.query.syntax.options import Options, read_options, read_top
from dataverse_source.sandbox.query.syntax.preferences import LOOKUP_LOGICAL_NAME, read_preferences

TABLE, KEY = "accounts", "accountid"
ORDERS = {KEY, "createdon", "modifiedon", "versionnumber"}
"""Columns in whose order the rows stand; see `benchmarks.rows`."""

_JSON = {"Content-Type": "application/json; odata.metadata=minimal", "OData-Version": "4.0"}
_TERM = re.compile(r"(?:createdon|modifiedon) (ge|gt|le|lt|eq) ([0-9T:.+-]+Z)")
_NULL = re.compile(r"(?:createdon|modifiedon) (eq|ne) null")
_VERSION = re.compile(r"versionnumber gt (\d+)")
_PLACE = re.compile(r'pagenumber="(\d+)" pagingcookie="row%20(\d+)"')


class PageSide:
    """Answers reads of accounts from pages, and everything else as the sandbox does.

    Args:
        folder: from `make_pages`.
        rows: how many rows there are.
        other: the sandbox's data side.
    """

    def __init__(self, folder: Path, rows: int, other: Side) -> None:
        made = [one for one in VARIANTS if (folder / f"{one}.json").exists()]
        self._pages = {variant: Pages(folder, variant) for variant in made}
        self._rows = rows
        self._other = other
        self._columns = set(columns())

    def answer(self, request: Request, rest: str, caller: Caller) -> Response:
        """Answers one request.

        Raises:
            DataverseFault: 501 for a query that pages can't answer.
        """
        if rest.startswith("RetrieveTotalRecordCount"):
            counted = {"Count": 1, "Keys": ["account"], "Values": [self._rows]}
            return Response.of_json({"EntityRecordCountCollection": counted})
        if rest == f"{TABLE}/$count" and not request.query:
            return Response(200, str(self._rows).encode(), {"Content-Type": "text/plain"})
        if rest != TABLE or request.method != "GET":
            return self._other.answer(request, rest, caller)
        options = read_options(request.query)
        if "$deltatoken" in options.values:
            return self._page(request, options, self._rows, self._rows)
        start, stop = self._range(options)
        if _is_descending(options):
            top = read_top(options) or 0
            if top != 1:
                raise _lacks("a descending order without $top=1")
            start = max(stop - 1, start)
        return self._page(request, options, start, stop)

    def _range(self, options: Options) -> tuple[int, int]:
        """Which rows the filter leaves."""
        start, stop = 0, self._rows
        text = re.sub(r"[()]", "", options.get("$filter") or "")
        if text.endswith(" or modifiedon eq null") and text.count(" or ") == 1:
            text = text.removesuffix(" or modifiedon eq null")
        for term in filter(None, re.split(r"\s+and\s+", text)):
            version = _VERSION.fullmatch(term.strip())
            if version:
                start = max(start, int(version[1]) + 1 - FIRST_VERSION)
                continue
            null, found = _NULL.fullmatch(term.strip()), _TERM.fullmatch(term.strip())
            if null:
                stop = 0 if null[1] == "eq" else stop
                continue
            if not found:
                raise _lacks(f"the filter {term!r}")
            moment = datetime.fromisoformat(found[2].replace("Z", "+00:00"))
            at, after = number_at(moment), _number_after(moment)
            start = max(start, {"ge": at, "gt": after, "eq": at}.get(found[1], 0))
            stop = min(stop, {"lt": at, "le": after, "eq": after}.get(found[1], stop))
        return min(start, stop), stop

    def _page(self, request: Request, options: Options, start: int, stop: int) -> Response:
        preferences = read_preferences(request)
        size = min(int(preferences.page_size or PAGE_ROWS), PAGE_ROWS)
        number = 1
        place = _PLACE.search(options.get("$skiptoken") or "")
        if place:
            number, start = int(place[1]), int(place[2])
        top = read_top(options)
        if top is not None:
            stop = min(stop, start + top)
        pages = self._variant(options, wants_lookups=preferences.wants(LOOKUP_LOGICAL_NAME))
        if pages is None and top != 1:
            raise _lacks("$select of some columns, but of one row")
        end = pages.end_of_page(start, stop, size) if pages and top is None else stop
        base = f"{request.base_url}{request.path}"
        context = f"{base.rpartition('/')[0]}/$metadata#{TABLE}"
        tail = b"]"
        if end < stop:
            tail += f',"@odata.nextLink":"{_next(base, options, number + 1, end)}"'.encode()
        elif preferences.track_changes:
            token = quote(f"{self._rows}!01/01/2026 00:00:00")
            select = options.raw("$select")
            kept = f"$select={select}&" if select else ""
            tail += f',"@odata.deltaLink":"{base}?{kept}$deltatoken={token}"'.encode()
        head = f'{{"@odata.context":"{context}","value":['.encode()
        if pages is None:
            texts = self._selected(options, start, end)
            body = gzip.compress(head + b",".join(texts) + tail + b"}", 1)
        else:
            body = pages.body(start, end, head, tail + b"}")
        headers = {**_JSON, "Preference-Applied": request.headers.get("prefer", "")}
        if not accepts_gzip(request.headers.get("accept-encoding", "")):
            return Response(200, gzip.decompress(body), headers, end - start)
        return Response(200, body, {**headers, "Content-Encoding": "gzip"}, end - start)

    def _selected(self, options: Options, start: int, end: int) -> list[bytes]:
        """Some columns of a row."""
        names = {"@odata.etag", *(options.get("$select") or "").split(",")}
        pages = self._pages.get("narrow")
        if pages is None or pages.rows < self._rows or not names <= {"@odata.etag", *NARROW}:
            pages = self._pages["lookups"]
        rows = (json.loads(text) for text in pages.texts(start, end))
        shown = ({name: row[name] for name in row if name in names} for row in rows)
        return [json.dumps(row, separators=(",", ":")).encode() for row in shown]

    def _variant(self, options: Options, *, wants_lookups: bool) -> Pages | None:
        """The pages that hold what was selected; None where no pages do."""
        select = options.get("$select")
        names = set(select.split(",")) if select else self._columns
        variant = "lookups" if wants_lookups else "plain"
        if names == {KEY}:
            variant = "keys"
        elif names == {KEY, "versionnumber"}:
            variant = "versions"
        elif {KEY, "createdon"} <= names <= {KEY, "versionnumber", "createdon"}:
            variant = "dated"
        elif names == set(NARROW):
            variant = "narrow"
        elif names != self._columns:
            return None
        pages = self._pages.get(variant)
        if pages is None or pages.rows < self._rows:
            raise _lacks(f"{variant}: too few pages were made")
        return pages


def _next(base: str, options: Options, number: int, at: int) -> str:
    cookie = f'<cookie pagenumber="{number}" pagingcookie="row%20{at}" istracking="False" />'
    kept = options.without("$skiptoken")
    return f"{base}?{kept}{'&' if kept else ''}$skiptoken={quote(cookie)}"


def _number_after(moment: datetime) -> int:
    """The number of the first row created after ``moment``."""
    at = number_at(moment)
    return at + (number_at(moment.replace(microsecond=1)) > at)


def _is_descending(options: Options) -> bool:
    """Checks that the order is one that the rows stand in; whether it goes backwards."""
    terms = [term.split() for term in (options.get("$orderby") or "").split(",") if term]
    if any(term[0] not in ORDERS for term in terms):
        raise _lacks(f"the order {options.get('$orderby')!r}")
    return bool(terms) and terms[0][-1] == "desc"


def _lacks(what: str) -> DataverseFault:
    return DataverseFault(501, "0x8006088a", f"Prerendered pages can't answer {what}.")


class PageSandbox(Sandbox):
    """A sandbox that answers accounts from prerendered pages.

    Args:
        folder: from `make_pages`.
        count: how many accounts there are.
        settings: those of `Sandbox`.
    """

    def __init__(self, folder: Path, count: int, **settings: Any) -> None:
        super().__init__({"account": 1}, **settings)
        self._folder, self._count = folder, count

    def _gateway(self, environment: Environment, stopping: threading.Event) -> Gateway:
        gateway = super()._gateway(environment, stopping)
        gateway.data = PageSide(self._folder, self._count, gateway.data)
        return gateway


def main() -> None:
    """Serves until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, required=True)
    parser.add_argument("--limits", type=json.loads, help="settings of the limits, as JSON")
    parser.add_argument("--latency", type=float, help="seconds that an answer takes")
    options = parser.parse_args()
    limits = LimitSettings(enforced=True, **options.limits) if options.limits else None
    latency = LatencySettings(options.latency) if options.latency else None
    settings: dict[str, Any] = {"limits": limits, "latency": latency, "control_port": 0}
    serve(PageSandbox(options.folder, options.rows, **settings).start())


if __name__ == "__main__":
    main()
