"""Writes many rows in one request: CreateMultiple, UpdateMultiple and UpsertMultiple."""

from __future__ import annotations

import json
from typing import Any

from dataverse_source.sandbox.http.messages import DataverseFault, Response
from dataverse_source.sandbox.query.collection.query import JSON, base_url
from dataverse_source.sandbox.query.filter.keys import find_by_values, key_values, no_such_key
from dataverse_source.sandbox.query.syntax.addresses import Segment, read_path
from dataverse_source.sandbox.query.syntax.odata import Literal, bad_query
from dataverse_source.sandbox.schema.tables import Table
from dataverse_source.sandbox.writes.payloads import read_json
from dataverse_source.sandbox.writes.writes import Writer, upsert

NAMESPACE = "Microsoft.Dynamics.CRM"
CREATE, UPDATE, UPSERT = (
    f"{NAMESPACE}.{name}" for name in ("CreateMultiple", "UpdateMultiple", "UpsertMultiple")
)

Target = dict[str, Any]


def is_bulk_write(method: str, segments: list[Segment]) -> bool:
    """Whether a request is one: a POST to ``accounts/Microsoft.Dynamics.CRM.CreateMultiple``."""
    if method != "POST" or len(segments) != 2 or segments[0].inside is not None:
        return False
    return segments[1].name in (CREATE, UPDATE, UPSERT) and segments[1].inside is None


def answer_bulk(writer: Writer, table: Table, action: str) -> Response:
    """Writes the rows of ``Targets``, all or none (docs page "Use bulk operation messages").

    Raises:
        DataverseFault: the first thing that Dataverse would refuse; 501 for elastic tables,
            whose bulk operations are no transaction.
    """
    if table.table_type == "Elastic":
        message = "The sandbox has no bulk operations for elastic tables."
        raise DataverseFault(501, "0x8006088a", message)
    targets = _targets(writer, table)
    with writer.environment.store.transaction():
        if action == CREATE:
            return _created(writer, [_create(writer, table, target) for target in targets])
        for target in targets:
            if action == UPDATE:
                writer.update(table, _found(writer, table, target), target)
            else:
                upsert(writer, table, _key(table, target), target)
    return Response(204, b"", {"OData-Version": "4.0"})


def _targets(writer: Writer, table: Table) -> list[Target]:
    targets = read_json(writer.request.body).get("Targets")
    if not isinstance(targets, list) or not targets:
        raise bad_query("The parameter 'Targets' must be a collection of rows.")
    wanted = f"{NAMESPACE}.{table.logical_name}"
    for target in targets:
        if not isinstance(target, dict):
            raise bad_query("The parameter 'Targets' must be a collection of rows.")
        # The parameter's type is the base type of all tables: each row has to tell its own.
        if str(target.get("@odata.type")).lstrip("#") != wanted:
            raise bad_query(f"Each row of 'Targets' needs the @odata.type '{wanted}'.")
    return targets


def _create(writer: Writer, table: Table, target: Target) -> str:
    given = target.get(table.primary_id)
    key = key_values(table, str(given)) if given is not None else None
    return writer.create(table, target, key if isinstance(key, str) else None)


def _created(writer: Writer, keys: list[str]) -> Response:
    context = f"{base_url(writer.request)}/$metadata#{NAMESPACE}.CreateMultipleResponse"
    body = json.dumps({"@odata.context": context, "Ids": keys}).encode()
    return Response(200, body, {"Content-Type": JSON, "OData-Version": "4.0"})


def _found(writer: Writer, table: Table, target: Target) -> str:
    key = _key(table, target)
    found = key if isinstance(key, str) else find_by_values(writer.environment, table, key)
    if found is None:
        raise no_such_key(table)
    return found


def _key(table: Table, target: Target) -> str | dict[str, Literal]:
    """The row that a target means: by its primary key, or by the URL in ``@odata.id``."""
    if target.get(table.primary_id) is not None:
        return key_values(table, str(target[table.primary_id]))
    segments = read_path(str(target.get("@odata.id", "")).lstrip("/"))
    inside = segments[0].inside if len(segments) == 1 else None
    if inside is None or segments[0].name != table.entity_set_name:
        message = f"A row of 'Targets' has neither '{table.primary_id}' nor a fitting '@odata.id'."
        raise bad_query(message)
    return key_values(table, inside)
