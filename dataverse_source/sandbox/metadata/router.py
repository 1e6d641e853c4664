"""Answers what is asked about tables, columns, choices and relationships."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

from dataverse_source.sandbox.environment.environment import Caller, Environment
from dataverse_source.sandbox.http.messages import DataverseFault, Request, Response
from dataverse_source.sandbox.metadata.answers import collection, single
from dataverse_source.sandbox.metadata.changes import MetadataChanges
from dataverse_source.sandbox.metadata.definitions import Definitions, definitions_of
from dataverse_source.sandbox.metadata.path import Place, walk
from dataverse_source.sandbox.metadata.query import Query, compile_query, options
from dataverse_source.sandbox.metadata.service_document import service_document

MINIMAL = "application/json; odata.metadata=minimal"
# The docs' samples of v9.0 show a context for what is expanded, recordings of v9.2 show none.
NESTED_CONTEXTS = "/v9.0/"
SLOW_ANSWERS = {
    "502": (502, "", "The web server received an invalid response from an upstream server."),
    "504": (504, "", "The upstream server did not answer in time."),
    "500": (500, "0x80044151", "SQL timeout expired."),
}


class MetadataSide:
    """The part of the Web API that answers about metadata."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._definitions = definitions_of(environment.schema)
        self._changes = MetadataChanges()
        self._timeline = environment.timeline

    def answer(self, request: Request, rest: str, caller: Caller) -> Response:
        """Answers one request.

        Args:
            request: the request as the server received it.
            rest: its path after ``/api/data/v9.x/``, percent-encoded.
            caller: who asks.

        Raises:
            DataverseFault: what Dataverse answers with an error.
        """
        del caller  # Every role may read metadata (docs page "Privileges": prvReadEntity).
        if request.method not in ("GET", "HEAD"):
            message = f"The sandbox can't {request.method} metadata: it only reads it."
            raise DataverseFault(501, "0x8006088a", message)
        root = _service_root(request, rest)
        if rest == "$metadata":
            return self._document(request)
        if unquote(rest).partition("(")[0] == "RetrieveMetadataChanges":
            return self._changed(request, rest, root)
        if rest == "":
            return _json(service_document(self._environment.schema, root))
        return self._metadata(request, rest, root)

    def _metadata(self, request: Request, rest: str, root: str) -> Response:
        place = walk(self._current(), rest)
        context_root = f"{root}$metadata#"
        if place.value_of is not None and place.item is not None:
            value = place.item.members[place.value_of]
            return _json({"@odata.context": f"{context_root}{place.context}", "value": value})
        query = compile_query(options(request.query), place.kind)
        nested = NESTED_CONTEXTS in request.path
        if place.item is not None:
            return _json(single(place, place.item, query, context_root, nested))
        _refuse_filter(place, query)
        self._refuse_everything(place, query)
        return _json(collection(place, query, context_root, nested))

    def _changed(self, request: Request, rest: str, root: str) -> Response:
        environment = self._environment
        if self._timeline != environment.timeline:
            # Stamps of another timeline mean other metadata under the same numbers.
            self._changes, self._timeline = MetadataChanges(), environment.timeline
        members = self._changes.answer(
            self._current(),
            environment.store.metadata_version,
            environment.clock.now(),
            unquote(rest),
            options(request.query),
        )
        kind = "Microsoft.Dynamics.CRM.RetrieveMetadataChangesResponse"
        return _json({"@odata.context": f"{root}$metadata#{kind}", **members})

    def _document(self, request: Request) -> Response:
        annotated = options(request.query).get("annotations", "false").lower() == "true"
        body = self._current().document(annotated)
        return Response(200, body, {"Content-Type": "application/xml", "OData-Version": "4.0"})

    def _current(self) -> Definitions:
        schema = self._environment.schema
        own = self._environment.switches.local_global_option_set == "own"
        known = self._definitions
        if known.schema is not schema or known.local_as_global is not own:
            self._definitions = definitions_of(schema, local_as_global=own)
        return self._definitions

    def _refuse_everything(self, place: Place, query: Query) -> None:
        """Fails on the columns of all tables at once, where the switch says so."""
        setting = self._environment.switches.expand_all_attributes
        whole = place.kind.name == "EntityMetadata" and query.condition is None
        if whole and "Attributes" in query.expand and setting != "answered":
            raise DataverseFault(*SLOW_ANSWERS[setting])


def _refuse_filter(place: Place, query: Query) -> None:
    # Docs page "Query table definitions using the Web API": global choices can't be filtered.
    if place.path == "GlobalOptionSetDefinitions" and query.condition is not None:
        message = "The query parameter $filter is not supported for GlobalOptionSetDefinitions"
        raise DataverseFault(501, "0x8006088a", message)


def _service_root(request: Request, rest: str) -> str:
    path = request.path[: len(request.path) - len(rest)] if rest else request.path
    return f"{request.base_url}{path.rstrip('/')}/"


def _json(value: Any) -> Response:
    answer = Response.of_json(value)
    answer.headers["Content-Type"] = MINIMAL
    answer.headers["OData-Version"] = "4.0"
    return answer
