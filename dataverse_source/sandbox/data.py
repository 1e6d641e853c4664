"""The data side of the Web API: rows, functions, writes and batches, by path and method."""

from __future__ import annotations

from dataverse_source.sandbox import query as queries
from dataverse_source.sandbox.addresses import Segment, read_path
from dataverse_source.sandbox.environment import Caller, Environment
from dataverse_source.sandbox.functions import NAMES, answer_function
from dataverse_source.sandbox.messages import DataverseFault, Request, Response
from dataverse_source.sandbox.options import read_options
from dataverse_source.sandbox.preferences import read_preferences
from dataverse_source.sandbox.single import answer_row, read_key
from dataverse_source.sandbox.tables import Table
from dataverse_source.sandbox.users import require_read

LATER_OPTIONS = ("fetchXml", "savedQuery", "userQuery", "sql", "partitionId", "$apply", "$expand")


class DataSide:
    """Answers what concerns rows.

    Args:
        environment: the environment that it plays.
    """

    def __init__(self, environment: Environment) -> None:
        self._environment = environment

    def answer(self, request: Request, rest: str, caller: Caller) -> Response:
        """Answers one request; ``rest`` is the encoded path after ``/api/data/v9.x/``.

        Raises:
            DataverseFault: what Dataverse would refuse, or 501 for what the sandbox lacks.
        """
        segments = read_path(rest)
        name = segments[0].name
        if name in NAMES and len(segments) == 1:
            return answer_function(
                self._environment, caller, request, name, segments[0].inside or ""
            )
        table = self._environment.schema.by_entity_set.get(name)
        if table is None:
            code = self._environment.switches.unknown_segment_code
            raise DataverseFault(404, code, f"Resource not found for the segment '{name}'.")
        if request.method != "GET":
            raise DataverseFault(501, "0x8006088a", f"{request.method} is not there yet.")
        return self._read(request, table, segments, caller)

    def _read(
        self, request: Request, table: Table, segments: list[Segment], caller: Caller
    ) -> Response:
        """Answers a GET."""
        environment = self._environment
        require_read(environment, caller, table)
        self._refuse_later(request)
        first, rest = segments[0], segments[1:]
        path = "/".join(segment.raw for segment in segments)
        if first.inside is not None:
            if rest:
                raise DataverseFault(501, "0x8006088a", "Paths below a row are not there yet.")
            key = read_key(table, first.inside)
            return answer_row(environment, caller, request, table, key)
        query = queries.read_query(environment, caller, request, path, table)
        if not rest:
            return queries.answer_collection(query)
        if [segment.name for segment in rest] == ["$count"]:
            return queries.answer_count(query)
        code = environment.switches.unknown_segment_code
        raise DataverseFault(404, code, f"Resource not found for the segment '{rest[0].name}'.")

    def _refuse_later(self, request: Request) -> None:
        options = read_options(request.query)
        for name in LATER_OPTIONS:
            if name in options.values:
                raise DataverseFault(501, "0x8006088a", f"The sandbox has no {name} yet.")
        if "$deltatoken" in options.values or read_preferences(request).track_changes:
            raise DataverseFault(501, "0x8006088a", "The sandbox has no change tracking yet.")
