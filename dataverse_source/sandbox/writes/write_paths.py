"""Answers POST, PATCH, PUT and DELETE by their path."""

from __future__ import annotations

from dataclasses import dataclass

from dataverse_source.sandbox.environment.access_rules import require_write
from dataverse_source.sandbox.http.messages import DataverseFault, Response
from dataverse_source.sandbox.query.filter.keys import key_values, no_such_row, read_key
from dataverse_source.sandbox.query.filter.relationships import (
    Associated,
    Many,
    Navigation,
    Single,
    navigation,
)
from dataverse_source.sandbox.query.syntax.addresses import Segment
from dataverse_source.sandbox.query.syntax.odata import bad_query
from dataverse_source.sandbox.query.syntax.options import Options, read_options
from dataverse_source.sandbox.schema.tables import Column, Table
from dataverse_source.sandbox.writes.associations import associate, disassociate
from dataverse_source.sandbox.writes.bulk_writes import answer_bulk, is_bulk_write
from dataverse_source.sandbox.writes.file_store import clear_file
from dataverse_source.sandbox.writes.file_uploads import answer_upload
from dataverse_source.sandbox.writes.payloads import point_at, read_json, read_reference
from dataverse_source.sandbox.writes.writes import Writer, answer_written, check_version, upsert

NO_CONTENT = {"OData-Version": "4.0"}


@dataclass(frozen=True)
class WritePath:
    """A write, followed along its path."""

    writer: Writer
    segments: list[Segment]

    def answer(self, table: Table) -> Response:
        """Answers it; ``table`` is that of the first segment.

        Raises:
            DataverseFault: what Dataverse would refuse.
        """
        first, rest = self.segments[0], self.segments[1:]
        method = self.writer.request.method
        if first.inside is None:
            if method == "POST" and not rest:
                key = self.writer.create(table, read_json(self.writer.request.body))
                return answer_written(self.writer, table, key, created=True)
            if is_bulk_write(method, self.segments):
                return answer_bulk(self.writer, table, rest[0].name)
            raise self._not_allowed()
        if not rest:
            return self._row(table, first.inside)
        key = read_key(self.writer.environment, table, first.inside, self._options.aliases)
        column = table.by_wire_name.get(rest[0].name)
        if column is not None and len(rest) == 1:
            return self._property(table, key, column)
        step = navigation(self.writer.environment.schema, table, rest[0].name)
        if step is None:
            raise self._no_segment(rest[0].name)
        if [segment.name for segment in rest[1:]] == ["$ref"]:
            return self._reference(table, key, step, rest[0].inside)
        if method == "POST" and len(rest) == 1 and not isinstance(step, Single):
            return self._create_within(table, key, step)
        raise self._not_allowed()

    @property
    def _options(self) -> Options:
        return read_options(self.writer.request.query)

    def _row(self, table: Table, inside: str) -> Response:
        """PATCH or DELETE of one row."""
        writer, aliases = self.writer, self._options.aliases
        if writer.request.method == "DELETE":
            key = read_key(writer.environment, table, inside, aliases)
            check_version(writer, table, key)
            writer.delete(table, key)
            return Response(204, b"", dict(NO_CONTENT))
        if writer.request.method != "PATCH":
            raise self._not_allowed()
        named = key_values(table, inside, aliases)
        key, created = upsert(writer, table, named, read_json(writer.request.body))
        return answer_written(writer, table, key, created=created)

    def _property(self, table: Table, key: str, column: Column) -> Response:
        """PUT of one column's value (``{"value": ...}``), or DELETE of it."""
        writer, method = self.writer, self.writer.request.method
        if method == "PATCH" and column.type in ("File", "Image"):
            return answer_upload(
                writer.environment, writer.caller, writer.request, table, key, column
            )
        if method not in ("PUT", "DELETE"):
            raise self._not_allowed()
        if method == "DELETE" and column.type == "File":
            require_write(writer.environment, writer.caller, table, "Write")
            if writer.environment.store.row(table.logical_name, key) is None:
                raise no_such_row(table, key)
            user_id = writer.caller.user_id
            clear_file(writer.environment, table.logical_name, key, column.name, user_id)
            return Response(204, b"", dict(NO_CONTENT))
        body = read_json(self.writer.request.body) if method == "PUT" else {"value": None}
        if "value" not in body:
            raise bad_query("The body needs a property 'value'.")
        self.writer.update(table, key, {column.wire_name: body["value"]})
        return Response(204, b"", dict(NO_CONTENT))

    def _reference(self, table: Table, key: str, step: Navigation, inside: str | None) -> Response:
        """Associates (POST, PUT) or disassociates (DELETE) through ``/$ref``."""
        environment, method = self.writer.environment, self.writer.request.method
        require_write(environment, self.writer.caller, table, "Write")
        if isinstance(step, Single):
            self._point(table, key, step)
        elif method == "POST":
            associate(environment, table, key, step, self._referred(step.table))
        elif method == "DELETE":
            if inside is not None:
                child = read_key(environment, step.table, inside, self._options.aliases)
            else:
                child = self._referred(step.table)
            disassociate(environment, table, key, step, child)
        else:
            raise self._not_allowed()
        return Response(204, b"", dict(NO_CONTENT))

    def _point(self, table: Table, key: str, step: Single) -> None:
        """Sets or empties the lookup behind a single-valued navigation property."""
        method = self.writer.request.method
        values: dict[str, object] = {step.column.name: None}
        if method == "PUT":
            url = read_json(self.writer.request.body).get("@odata.id")
            target, found = read_reference(self.writer.environment, str(url), must_exist=True)
            point_at(values, table, step, target, found)
        elif method != "DELETE":
            raise self._not_allowed()
        self.writer.set_lookup(table, key, values)

    def _referred(self, table: Table) -> str:
        """The row named in the body, or in ``$id`` of a DELETE."""
        if self.writer.request.method == "DELETE":
            url = self._options.get("$id") or self._options.get("@id") or ""
        else:
            url = str(read_json(self.writer.request.body).get("@odata.id"))
        target, key = read_reference(self.writer.environment, url, must_exist=True)
        if target is not table:
            raise bad_query(f"The reference '{url}' does not name a {table.logical_name}.")
        return key

    def _create_within(self, table: Table, key: str, step: Many | Associated) -> Response:
        """Creates a row in the collection of another."""
        with self.writer.environment.store.transaction():
            child = self.writer.create(step.table, read_json(self.writer.request.body))
            associate(self.writer.environment, table, key, step, child)
        return answer_written(self.writer, step.table, child, created=True)

    def _no_segment(self, name: str) -> DataverseFault:
        code = self.writer.environment.switches.unknown_segment_code
        return DataverseFault(404, code, f"Resource not found for the segment '{name}'.")

    def _not_allowed(self) -> DataverseFault:
        method = self.writer.request.method
        return DataverseFault(
            405,
            "0x80060888",
            f"The requested resource does not support http method '{method}'.",
        )
