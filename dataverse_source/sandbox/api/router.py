"""The data side of the Web API: rows, functions and writes, by path and method."""

from __future__ import annotations

from dataclasses import dataclass

from dataverse_source.sandbox.api.audit_functions import answer_audit
from dataverse_source.sandbox.api.bound_functions import answer_bound
from dataverse_source.sandbox.api.functions import NAMES, answer_function
from dataverse_source.sandbox.api.known_operations import refuse_lacking
from dataverse_source.sandbox.api.known_tables import is_lacking
from dataverse_source.sandbox.api.privileges import answer_privileges
from dataverse_source.sandbox.environment.access_rules import no_access_to_row, require_read
from dataverse_source.sandbox.environment.environment import Caller, Environment
from dataverse_source.sandbox.environment.row_access import is_visible
from dataverse_source.sandbox.http.messages import DataverseFault, Request, Response
from dataverse_source.sandbox.query.collection import query as queries
from dataverse_source.sandbox.query.collection import single
from dataverse_source.sandbox.query.collection.apply import answer_apply
from dataverse_source.sandbox.query.fetchxml.answer import answer_fetch
from dataverse_source.sandbox.query.fetchxml.views import fetch_text
from dataverse_source.sandbox.query.filter.elastic import (
    expire,
    is_elastic,
    with_partition,
    with_session_token,
)
from dataverse_source.sandbox.query.filter.keys import no_such_row, read_key
from dataverse_source.sandbox.query.filter.relationships import (
    Associated,
    Many,
    Single,
    belongs_to,
    index_of,
    navigation,
)
from dataverse_source.sandbox.query.filter.scope import Scope
from dataverse_source.sandbox.query.syntax.addresses import Segment, read_path
from dataverse_source.sandbox.query.syntax.options import read_options
from dataverse_source.sandbox.query.tracking.tracking import Tracking
from dataverse_source.sandbox.schema.tables import Table
from dataverse_source.sandbox.store.values import json_text
from dataverse_source.sandbox.writes import actions
from dataverse_source.sandbox.writes.bulk_writes import is_bulk_write
from dataverse_source.sandbox.writes.files import (
    answer_download,
    answer_in_base64,
    is_download,
    refuse_blocked,
)
from dataverse_source.sandbox.writes.write_paths import WritePath
from dataverse_source.sandbox.writes.writes import Writer


class DataSide:
    """Answers requests about rows.

    Args:
        environment: the environment that it plays.
    """

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._tracking = Tracking(environment)

    def answer(self, request: Request, rest: str, caller: Caller) -> Response:
        """Answers one request; ``rest`` is the encoded path after ``/api/data/v9.x/``.

        Raises:
            DataverseFault: what Dataverse would refuse, or 501 for what the sandbox lacks.
        """
        store = self._environment.store
        if not self._environment.lagging:
            return self._answer(request, rest, caller)
        with store.seeing(self._environment.lagging.schema_of(request.server, store.schema)):
            return self._answer(request, rest, caller)

    def _answer(self, request: Request, rest: str, caller: Caller) -> Response:
        segments = read_path(rest)
        name = segments[0].name
        if name in NAMES and len(segments) == 1:
            return answer_function(
                self._environment, caller, request, name, segments[0].inside or ""
            )
        if name in actions.NAMES and len(segments) == 1:
            return actions.answer_action(self._environment, caller, request, name)
        audited = answer_audit(self._environment, caller, request, segments)
        if audited is not None:
            return audited
        bound = answer_bound(self._environment, caller, request, segments)
        if bound is not None:
            return bound
        privileges = answer_privileges(self._environment, caller, request, segments)
        if privileges is not None:
            return privileges
        if not is_bulk_write(request.method, segments):
            refuse_lacking(segments)
        table = self._environment.schema.by_entity_set.get(name)
        if table is None and is_lacking(name):
            raise DataverseFault(501, "0x8006088a", f"The sandbox has no table {name} yet.")
        if table is None:
            raise no_segment(self._environment, name)
        if is_elastic(table):
            request = with_partition(request, segments[0].inside)
            tombstones = self._environment.switches.elastic_tracking == "ttl_tombstones"
            expire(self._environment.store, table, tombstones=tombstones)
        if request.method not in ("GET", "HEAD"):
            writer = Writer(self._environment, caller, request)
            return with_session_token(table, WritePath(writer, segments).answer(table))
        require_read(self._environment, caller, table)
        tracked = self._tracking.answer(request, caller, segments, table)
        if tracked is not None:
            return tracked
        return _Read(self._environment, caller, request, segments).answer(table)


def no_segment(environment: Environment, name: str) -> DataverseFault:
    """The fault for an unknown part of a path."""
    code = environment.switches.unknown_segment_code
    return DataverseFault(404, code, f"Resource not found for the segment '{name}'.")


@dataclass(frozen=True)
class _Read:
    """A GET, followed along its path."""

    environment: Environment
    caller: Caller
    request: Request
    segments: list[Segment]

    def answer(self, table: Table) -> Response:
        """Answers it; ``table`` is that of the first segment."""
        first, rest = self.segments[0], self.segments[1:]
        if first.inside is None:
            return self._collection(self._query(table), rest)
        aliases = read_options(self.request.query).aliases
        key = read_key(self.environment, table, first.inside, aliases)
        return self._row(table, key, rest)

    def _query(self, table: Table, within: queries.Within | None = None) -> queries.Query:
        path = "/".join(segment.raw for segment in self.segments)
        return queries.read_query(self.environment, self.caller, self.request, path, table, within)

    def _collection(self, query: queries.Query, rest: list[Segment]) -> Response:
        names = [segment.name for segment in rest]
        if not names and query.options.get("$apply") is not None:
            return answer_apply(query)
        if query.options.get("sql") is not None:
            raise DataverseFault(501, "0x8006088a", "The sandbox answers no SQL queries.")
        if not names:
            text = fetch_text(query)
            return queries.answer_collection(query) if text is None else answer_fetch(query, text)
        if names == ["$count"]:
            return queries.answer_count(query)
        if names == ["$ref"]:
            return single.answer_references(query)
        raise no_segment(self.environment, names[0])

    def _row(self, table: Table, key: str, rest: list[Segment]) -> Response:
        if not rest:
            return single.answer_row(self._query(table), self.request, key)
        name, names = rest[0].name, [segment.name for segment in rest]
        column = table.by_wire_name.get(name)
        if column is not None and len(rest) == 1:
            if is_download(self.request, column):
                return answer_in_base64(
                    self.environment, self.caller, self.request, table, key, column
                )
            return single.answer_property(self._query(table), key, column)
        if column is not None and names[1:] == ["$value"] and column.type in ("File", "Image"):
            return answer_download(self.environment, self.caller, self.request, table, key, column)
        if column is not None and names[1:] == ["$value"]:
            refuse_blocked(self.environment, table, key, column)
            return single.answer_raw_value(self._query(table), key, column)
        step = navigation(self.environment.schema, table, name)
        if isinstance(step, Single):
            return self._related(table, key, step, rest[1:])
        if step is None:
            raise no_segment(self.environment, name)
        return self._children(table, key, step, rest)

    def _related(self, table: Table, key: str, step: Single, rest: list[Segment]) -> Response:
        """Follows a lookup to its row; answers 204 when the lookup is empty."""
        row = self.environment.store.row(table.logical_name, key)
        if row is None:
            raise no_such_row(table, key)
        related = row[step.column.name]
        kind = row.get(f"{step.column.name}@table") or step.targets[0].logical_name
        target = next((each for each in step.targets if each.logical_name == kind), None)
        if related is None or target is None:
            return Response(204, b"", {"OData-Version": "4.0"})
        require_read(self.environment, self.caller, target)
        if not is_visible(self.environment, self.caller, table, key):
            raise no_access_to_row(self.environment, self.caller, table)
        if [segment.name for segment in rest] == ["$ref"]:
            return single.answer_reference(self._query(target), target, related)
        return self._row(target, related, rest)

    def _children(
        self, table: Table, key: str, step: Many | Associated, rest: list[Segment]
    ) -> Response:
        """Follows a collection of related rows."""
        store = self.environment.store
        if store.row(table.logical_name, key) is None:
            raise no_such_row(table, key)
        if not is_visible(self.environment, self.caller, table, key):
            raise no_access_to_row(self.environment, self.caller, table)
        require_read(self.environment, self.caller, step.table)
        store.ensure_index(*index_of(step))
        if rest[0].inside is not None:
            aliases = read_options(self.request.query).aliases
            child = read_key(self.environment, step.table, rest[0].inside, aliases)
            return self._row(step.table, child, rest[1:])

        def within(scope: Scope) -> str:
            return belongs_to(scope.add(json_text(key)), table, step, scope.alias)

        return self._collection(self._query(step.table, within), rest[1:])
