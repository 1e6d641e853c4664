"""Creates, updates, upserts and deletes rows over HTTP."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from dataverse_source.sandbox.environment.access_rules import require_write
from dataverse_source.sandbox.environment.environment import Caller, Environment
from dataverse_source.sandbox.http.messages import DataverseFault, Request, Response
from dataverse_source.sandbox.query.collection.query import base_url, read_query
from dataverse_source.sandbox.query.collection.single import answer_row
from dataverse_source.sandbox.query.filter.keys import find_by_values, no_such_key, no_such_row
from dataverse_source.sandbox.query.rows import derived
from dataverse_source.sandbox.query.syntax.odata import Literal
from dataverse_source.sandbox.query.syntax.options import read_options
from dataverse_source.sandbox.query.syntax.preferences import read_preferences
from dataverse_source.sandbox.schema.tables import Table
from dataverse_source.sandbox.store.cascade import Restricted
from dataverse_source.sandbox.store.errors import DuplicateRow, NoSuchRow
from dataverse_source.sandbox.store.layout import is_partitioned
from dataverse_source.sandbox.store.versions import etag_text
from dataverse_source.sandbox.writes.associations import associate
from dataverse_source.sandbox.writes.payloads import Payload, point_at, read_payload

VERSION_MISMATCH = "0x80060882"
VERSION_MISMATCH_TEXT = (
    "The version of the existing record doesn't match the RowVersion property provided."
)
DUPLICATE_KEY = "0x80040237"
DUPLICATE_ALTERNATE_KEY = "0x80060892"
CANNOT_DELETE = "0x80040227"
"""ConcurrencyVersionMismatch, DuplicateRecord, DuplicateRecordEntityKey and
CannotDeleteDueToAssociation (error code list)."""

_ETAG = re.compile(r'(?:W/)?"([^"]*)"')


@dataclass(frozen=True)
class Writer:
    """Writes on behalf of one request."""

    environment: Environment
    caller: Caller
    request: Request

    def create(self, table: Table, body: dict[str, Any], key: str | None = None) -> str:
        """Creates a row and those given along with it; returns its key.

        Raises:
            DataverseFault: the body does not fit, or the key is taken.
        """
        require_write(self.environment, self.caller, table, "Create")
        payload = read_payload(self.environment, table, body)
        with self.environment.store.transaction():
            self._create_parents(table, payload)
            values = derived.complete(self.environment, self.caller, table, None, payload.values)
            if key is not None:
                values[table.primary_id] = key
            partition_id = self.partition_id(table)
            if partition_id is not None:
                values.setdefault("partitionid", partition_id)
            self._refuse_duplicates(table, values, None)
            made_on = {"created_on": values.pop("createdon")} if "createdon" in values else {}
            try:
                made = self.environment.store.create(table.logical_name, values, **made_on)
            except DuplicateRow:
                text = "Cannot insert duplicate key."
                raise DataverseFault(412, DUPLICATE_KEY, text) from None
            self._finish(table, made, payload)
        return made

    def update(self, table: Table, key: str, body: dict[str, Any]) -> None:
        """Updates a row.

        Raises:
            DataverseFault: the body does not fit, or there is no such row.
        """
        require_write(self.environment, self.caller, table, "Write")
        store = self.environment.store
        payload = read_payload(self.environment, table, body)
        payload.values.pop(table.primary_id, None)
        with store.transaction():
            before = store.row(table.logical_name, key, self.partition_id(table))
            if before is None:
                raise no_such_row(table, key)
            self._create_parents(table, payload)
            values = derived.complete(self.environment, self.caller, table, before, payload.values)
            self._refuse_duplicates(table, {**before, **values}, key)
            partition_id = self.partition_id(table)
            store.update(table.logical_name, key, values, partition_id=partition_id)
            self._finish(table, key, payload)

    def set_lookup(self, table: Table, key: str, values: dict[str, Any]) -> None:
        """Sets or empties a lookup, given as column values.

        Raises:
            DataverseFault: there is no such row.
        """
        store = self.environment.store
        with store.transaction():
            before = store.row(table.logical_name, key)
            if before is None:
                raise no_such_row(table, key)
            written = derived.complete(self.environment, self.caller, table, before, values)
            store.update(table.logical_name, key, written)

    def delete(self, table: Table, key: str) -> None:
        """Deletes a row.

        Raises:
            DataverseFault: there is no such row, or a relationship forbids it.
        """
        require_write(self.environment, self.caller, table, "Delete")
        try:
            partition_id = self.partition_id(table)
            self.environment.store.delete(table.logical_name, key, partition_id=partition_id)
        except NoSuchRow:
            raise no_such_row(table, key) from None
        except Restricted as error:
            raise DataverseFault(405, CANNOT_DELETE, str(error)) from None

    def partition_id(self, table: Table) -> str | None:
        """The partition that the request names, for an elastic table."""
        named = read_options(self.request.query).get("partitionId")
        return named if is_partitioned(table) else None

    def _create_parents(self, table: Table, payload: Payload) -> None:
        for step, body in payload.parents:
            target = step.targets[0]
            point_at(payload.values, table, step, target, self.create(target, body))

    def _finish(self, table: Table, key: str, payload: Payload) -> None:
        """Creates the rows of collections, and associates the named ones."""
        for step, body in payload.children:
            child = self.create(step.table, body)
            associate(self.environment, table, key, step, child)
        for step, child in payload.links:
            associate(self.environment, table, key, step, child)

    def _refuse_duplicates(self, table: Table, values: Mapping[str, Any], own: str | None) -> None:
        """Refuses values of an alternate key that another row has."""
        for known in table.keys:
            given = {name: values.get(name) for name in known.columns}
            if any(value is None for value in given.values()):
                continue
            found = find_by_values(self.environment, table, _literals(given))
            if found not in (None, own):
                raise DataverseFault(
                    412,
                    DUPLICATE_ALTERNATE_KEY,
                    f"A record that has the attribute values {', '.join(given)} already exists. "
                    f"The entity key {known.name} requires that this set of attributes contains "
                    "unique values. Select unique values and try again.",
                )


def _literals(values: Mapping[str, Any]) -> dict[str, Literal]:
    """Python values as constants of a query."""
    found = {}
    for name, value in values.items():
        if isinstance(value, bool):
            found[name] = Literal(value, "boolean")
        elif isinstance(value, str):
            found[name] = Literal(value, "text")
        else:
            found[name] = Literal(Decimal(str(value)), "number")
    return found


def check_version(writer: Writer, table: Table, key: str) -> None:
    """Refuses a write whose ``If-Match`` names another version of the row.

    Raises:
        DataverseFault: 412.
    """
    text = writer.request.headers.get("if-match", "").strip()
    match = _ETAG.fullmatch(text)
    if match is None:
        return
    row = writer.environment.store.row(table.logical_name, key, writer.partition_id(table))
    version = None if row is None else row.get("versionnumber")
    if version is not None and etag_text(table, version) != match[1]:
        raise DataverseFault(412, VERSION_MISMATCH, VERSION_MISMATCH_TEXT)


def upsert(
    writer: Writer, table: Table, key: str | dict[str, Literal], body: dict[str, Any]
) -> tuple[str, bool]:
    """Updates the row that a key names, or creates it when there is none.

    ``If-Match`` prevents the create, ``If-None-Match: *`` the update (docs page "Perform
    conditional operations using the Web API").

    Returns:
        The row's GUID, and whether it was created.

    Raises:
        DataverseFault: 404 or 412 when a header prevents what is to be done.
    """
    headers = writer.request.headers
    store = writer.environment.store
    with store.transaction():
        if isinstance(key, str):
            before = store.row(table.logical_name, key, writer.partition_id(table))
            found = key if before is not None else None
        else:
            found = find_by_values(writer.environment, table, key)
        if found is not None:
            if headers.get("if-none-match", "").strip() == "*":
                text = "A record with matching key values already exists."
                raise DataverseFault(412, DUPLICATE_ALTERNATE_KEY, text)
            check_version(writer, table, found)
            writer.update(table, found, body)
            return found, False
        if headers.get("if-match"):
            raise no_such_row(table, key) if isinstance(key, str) else no_such_key(table)
        if isinstance(key, str):
            return writer.create(table, body, key), True
        named = {name: literal.value for name, literal in key.items()}
        return writer.create(table, {**named, **body}), True


def answer_written(writer: Writer, table: Table, key: str, *, created: bool) -> Response:
    """The answer to a write: where the row is, or the row when it is asked for."""
    request = writer.request
    url = f"{base_url(request)}/{table.entity_set_name}({key})"
    if not read_preferences(request).representation:
        headers = {"OData-Version": "4.0", "OData-EntityId": url}
        if created:
            headers["Location"] = url
        return Response(204, b"", headers)
    query = read_query(writer.environment, writer.caller, request, "", table)
    answer = answer_row(query, Request("GET", request.path), key)
    answer.status = 201 if created else 200
    answer.headers["Preference-Applied"] = "return=representation"
    if created:
        answer.headers["Location"] = answer.headers["OData-EntityId"] = url
    return answer
