"""Change tracking: ``Prefer: odata.track-changes``, delta links and what they answer.

Source: docs page "Use change tracking to synchronize data with external systems"; what it
leaves open is decided by switches.
"""

from __future__ import annotations

import sqlite3
import threading
from dataclasses import dataclass, replace
from urllib.parse import unquote_plus

from dataverse_source.sandbox.environment.environment import Caller, Environment
from dataverse_source.sandbox.http.messages import Request, Response
from dataverse_source.sandbox.query.collection import query as queries
from dataverse_source.sandbox.query.page.next_links import given_out, refuse_expired
from dataverse_source.sandbox.query.page.paging import invalid_cookie
from dataverse_source.sandbox.query.rows.rows import read_select
from dataverse_source.sandbox.query.syntax.addresses import Segment
from dataverse_source.sandbox.query.syntax.odata import bad_query
from dataverse_source.sandbox.query.syntax.options import Options, read_options
from dataverse_source.sandbox.query.syntax.preferences import (
    applied,
    most_rows,
    page_size,
    read_preferences,
)
from dataverse_source.sandbox.query.tracking.delta_chains import Chain, chain_skiptoken, read_chain
from dataverse_source.sandbox.query.tracking.delta_rows import Item, Reader
from dataverse_source.sandbox.query.tracking.delta_tokens import DeltaToken
from dataverse_source.sandbox.query.tracking.tracking_rules import (
    good_token,
    read_token,
    refuse_options,
    require_tracked,
)
from dataverse_source.sandbox.schema.tables import Table
from dataverse_source.sandbox.store.layout import is_partitioned
from dataverse_source.sandbox.store.values import json_text

REMEMBERED_TOKENS = 10_000


@dataclass(frozen=True)
class _Answer:
    """A page on its way: what was asked, and the chain that it belongs to.

    Attributes:
        query: table, options, preferences.
        select: the encoded ``$select=...`` that is in force, None for all columns.
        chain: the chain, from where this page starts.
        fresh: the token of this page's moment.
    """

    query: queries.Query
    select: str | None
    chain: Chain
    fresh: DeltaToken

    @property
    def token(self) -> DeltaToken:
        """The token that this page's delta link has."""
        return self.chain.first or self.fresh

    def link(self, *options: str) -> str:
        """The URL of the table with the ``$select`` in force and some options more."""
        kept = self.query.options.without("$select", "$skiptoken", "$deltatoken")
        parts = [part for part in (self.select, kept, *options) if part]
        return f"{self.query.base}/{self.query.path}?{'&'.join(parts)}"


class Tracking:
    """Answers reads with change tracking. Thread-safe.

    Args:
        environment: the environment that it plays.
    """

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._lock = threading.Lock()
        self._selects: dict[tuple[str, str], str | None] = {}
        """``$select`` that the tokens were given with, by table and token."""

    def answer(
        self, request: Request, caller: Caller, segments: list[Segment], table: Table
    ) -> Response | None:
        """The answer to a read of a table with change tracking; None for any other read.

        Raises:
            DataverseFault: the table is not tracked, the caller may not, the token is no
                good, or an option is not supported with change tracking.
        """
        names = [segment.name for segment in segments[1:]]
        if segments[0].inside is not None or names not in ([], ["$count"]):
            return None
        options = read_options(request.query)
        if not names and _is_tracked(request, options):
            return self._page(request, caller, segments[0].raw, table)
        if names and "$deltatoken" in options.values:
            return self._count(request, caller, segments[0].raw, table)
        return None

    def _page(self, request: Request, caller: Caller, path: str, table: Table) -> Response:
        """A page of the initial chain or of a delta."""
        environment, options = self._environment, read_options(request.query)
        require_tracked(environment, caller, table)
        refuse_options(options)
        chain = self._chain(table, options)
        select = self._select_in_force(table, options, chain)
        query = queries.read_query(environment, caller, request, path, table)
        skiptoken = options.raw("$skiptoken")
        if skiptoken is not None:
            refuse_expired(query.scope, skiptoken)
        size = page_size(
            query.preferences, most_rows(table), environment.switches.page_size_out_of_range
        )
        reader = _reader(query, select)
        environment.store.ensure_index(table.logical_name, ("versionnumber",))
        with environment.store.reading() as connection:
            answer = _Answer(query, select, chain, self._token_seen_by(connection, query))
            if chain.page == 1:
                answer = replace(
                    answer, chain=self._begun(chain, answer.fresh, is_partitioned(table))
                )
            items = reader.read(connection, answer.chain, size + 1)
        return self._envelope(answer, reader, items, size)

    def _count(self, request: Request, caller: Caller, path: str, table: Table) -> Response:
        """``/$count?$deltatoken=``: how many changes there are, as plain text."""
        environment, options = self._environment, read_options(request.query)
        require_tracked(environment, caller, table)
        refuse_options(options)
        query = queries.read_query(environment, caller, request, path, table)
        reader = _reader(query, None)
        chain = self._chain(table, options)
        environment.store.ensure_index(table.logical_name, ("versionnumber",))
        with environment.store.reading() as connection:
            return queries.count_response(reader.count(connection, chain))

    def _chain(self, table: Table, options: Options) -> Chain:
        """The chain that a request goes on with, or begins."""
        environment = self._environment
        skiptoken = options.get("$skiptoken")
        if skiptoken is not None:
            chain = read_chain(skiptoken)
            if chain is None:
                raise invalid_cookie()
            if chain.since is None or good_token(environment, table, chain.since):
                return chain
            return Chain(is_delta=True, since=None)
        text = options.get("$deltatoken")
        if text is None:
            return Chain(is_delta=False, since=None)
        return Chain(is_delta=True, since=read_token(environment, table, text))

    def _begun(self, chain: Chain, now: DeltaToken, partitioned: bool) -> Chain:
        """A chain at its first page, ordered and bounded as the switches say.

        Keys that may stand in several partitions are no order to go by.
        """
        switches = self._environment.switches
        if chain.is_delta and switches.delta_chain == "snapshot":
            return replace(chain, first=now, bounded=True)
        by_key = switches.first_delta_link != "last_page_version_order" and not partitioned
        first = now if switches.first_delta_link == "first_page" else None
        return replace(chain, by_key=by_key, first=first)

    def _token_seen_by(self, connection: sqlite3.Connection, query: queries.Query) -> DeltaToken:
        """The token of the moment that a reader sees."""
        store = self._environment.store
        if self._environment.switches.version_commit_order == "tokens_guarded":
            version = store.settled_version_seen_by(connection)
        else:
            version = store.version_seen_by(connection)
        return DeltaToken(version, query.scope.now.replace(microsecond=0))

    def _select_in_force(self, table: Table, options: Options, chain: Chain) -> str | None:
        """The encoded ``$select=...`` of a page, None for all columns.

        A token holds no columns. What another ``$select`` beside it does, no document says:
        the switch ``delta_select`` decides.

        Raises:
            DataverseFault: the switch refuses another ``$select``.
        """
        asked = next((raw for name, raw in options.pairs if name == "$select"), None)
        setting = self._environment.switches.delta_select
        token = options.get("$deltatoken")
        if setting == "accepted" or token is None or chain.page > 1:
            return asked
        with self._lock:
            given = self._selects.get((table.logical_name, token), asked)
        if setting == "refused" and given != asked:
            raise bad_query("The $select of a delta request must be that of the first request.")
        return given

    def _envelope(self, answer: _Answer, reader: Reader, items: list[Item], size: int) -> Response:
        """The page: context, delta link, annotations, entries and next link."""
        query, more = answer.query, len(items) > size
        shown = items[:size]
        context = f"{query.base}/$metadata#{query.scope.table.entity_set_name}"
        asked = reader.selection.asked
        context += f"({','.join(asked)})" if asked else ""
        context += "/$delta" if answer.chain.is_delta else ""
        parts = [f'{{"@odata.context":{json_text(context)}']
        if self._has_delta_link(answer, more):
            parts.append(f',"@odata.deltaLink":{json_text(self._delta_link(answer))}')
        parts.append(queries.collection_annotations(query, None))
        if more and not queries.gives_links(query):
            parts.append(queries.MORE_RECORDS)
        parts.append(',"value":[')
        ending = "]"
        if more and queries.gives_links(query):
            link = self._next_link(answer, shown[-1])
            ending += f',"@odata.nextLink":{json_text(link)}'
        body = b"".join(
            (
                "".join(parts).encode(),
                b",".join(item.json for item in shown),
                f"{ending}}}".encode(),
            )
        )
        headers = {"Content-Type": query.content_type, "OData-Version": "4.0"}
        names = ("odata.track-changes", "odata.maxpagesize", "odata.include-annotations")
        granted = applied(query.preferences, names, size)
        if granted:
            headers["Preference-Applied"] = granted
        return Response(200, body, headers)

    def _has_delta_link(self, answer: _Answer, more: bool) -> bool:
        switches, chain = self._environment.switches, answer.chain
        if more and switches.delta_link_pages == "last_only":
            return False
        if answer.query.preferences.track_changes:
            return True
        if chain.is_delta and switches.delta_prefer == "required":
            return False
        # Such a next link does not tell that the chain is tracked: only the header can.
        return chain.page == 1 or switches.tracked_next_link != "skiptoken_tracking_false"

    def _delta_link(self, answer: _Answer) -> str:
        name = answer.query.scope.table.logical_name
        with self._lock:
            if len(self._selects) >= REMEMBERED_TOKENS:
                self._selects.pop(next(iter(self._selects)))
            self._selects[name, answer.token.text] = answer.select
        return answer.link(f"$deltatoken={answer.token.encoded}")

    def _next_link(self, answer: _Answer, last: Item) -> str:
        form = self._environment.switches.tracked_next_link
        chain = replace(answer.chain, page=answer.chain.page + 1, position=last.position)
        tracking = form != "skiptoken_tracking_false"
        scope, previous = answer.query.scope, answer.query.options.get("$skiptoken")
        text = chain_skiptoken(chain, tracking=tracking)
        skiptoken = f"$skiptoken={given_out(scope, text, chain.page, previous)}"
        if form != "deltatoken_and_skiptoken":
            return answer.link(skiptoken)
        token = chain.since or answer.token
        return answer.link(f"$deltatoken={token.encoded}", skiptoken)


def _is_tracked(request: Request, options: Options) -> bool:
    """Whether a read of a collection is one with change tracking."""
    if "$deltatoken" in options.values or read_preferences(request).track_changes:
        return True
    skiptoken = options.get("$skiptoken")
    return skiptoken is not None and read_chain(skiptoken) is not None


def _reader(query: queries.Query, select: str | None) -> Reader:
    scope = query.scope
    text = None if select is None else unquote_plus(select.partition("=")[2])
    selection = read_select(text, scope.table, scope.schema)
    return Reader(scope, selection, query.preferences, query.base)
