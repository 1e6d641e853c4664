"""Decodes a page with Python's JSON reader, value by value, without loss.

It is much slower than `dataverse_source.arrow.decode`, so it decodes only pages that pyarrow
refuses. It accepts every value with one meaning: ``1.0`` in an integer column, a number in quotes
(as with ``IEEE754Compatible=true``), a date followed by midnight. It cuts times off to
microseconds, which is the most that destinations hold, with a warning. Its error for any other
value names the table, column and row.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal
from functools import cache
from typing import Any, NoReturn

import pyarrow as pa

from dataverse_source.arrow.json_values import converter, exceeds_microseconds
from dataverse_source.arrow.page import (
    CONTEXT,
    DELETED_CONTEXT,
    DELETED_KEY,
    DELTA_LINK,
    MORE_RECORDS,
    NEXT_LINK,
    ROWS,
    Page,
)
from dataverse_source.arrow.schema import Field, TableSchema
from dataverse_source.config.log import logger
from dataverse_source.errors import DataError, MalformedBodyError, ProtocolError

SHOWN_VALUE = 80
"""Characters of a value that a message shows; a value may be a whole document."""


def decode_exact(body: bytes, schema: TableSchema, *, delta: bool = False) -> Page:
    """The rows and links of one page; with ``delta`` it may contain deleted rows.

    Raises:
        MalformedBodyError: ``body`` is not complete JSON.
        ProtocolError: there is no list of rows, or there is an error instead of rows.
        DataError: a column can't hold a value without loss.
    """
    where = schema.table.logical_name
    document = _load(body, where)
    entries = _rows(document, where)
    gone = [entry for entry in entries if delta and _is_deleted(entry)]
    rows = [entry for entry in entries if not (delta and _is_deleted(entry))]
    columns = [_column(rows, field, schema) for field in schema.fields]
    table = pa.Table.from_arrays(columns, schema=schema.arrow)
    return Page(
        table,
        _link(document, NEXT_LINK, where),
        _link(document, DELTA_LINK, where),
        pa.array([_deleted_key(entry, where) for entry in gone], pa.string()),
        _more(document, where),
    )


def _is_deleted(entry: dict[str, Any]) -> bool:
    return str(entry.get(CONTEXT) or "").endswith(DELETED_CONTEXT)


def _deleted_key(entry: dict[str, Any], where: str) -> str | None:
    key = entry.get(DELETED_KEY)
    if key is None or isinstance(key, str):
        return key
    raise ProtocolError("The key of a deleted row is not text", where=where, why=repr(key))


def _load(body: bytes, where: str) -> dict[str, Any]:
    try:
        document = json.loads(
            body.decode("utf-8-sig"),
            parse_float=Decimal,
            parse_constant=_refuse_constant,
            object_pairs_hook=_object,
        )
    except (ValueError, ArithmeticError, RecursionError) as error:
        raise MalformedBodyError(
            "The response is not complete JSON",
            where=where,
            why=_shorten(f"{type(error).__name__}: {error}"),
        ) from error
    if not isinstance(document, dict):
        raise ProtocolError(
            "The response is not a JSON object", where=where, why=_shorten(repr(document))
        )
    return document


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a property occurs twice")
    return found


def _rows(document: dict[str, Any], where: str) -> list[dict[str, Any]]:
    error = document.get("error")
    if error is not None:
        code, message = "", error
        if isinstance(error, dict):
            code, message = f"{error.get('code')}: ", error.get("message")
        raise ProtocolError(
            "Dataverse reported an error in a response with status 200",
            where=where,
            why=_shorten(f"{code}{message}"),
        )
    rows = document.get(ROWS)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ProtocolError(
            "The response holds no list of rows",
            where=where,
            why=_shorten(f"properties: {', '.join(document)}"),
        )
    return rows


def _link(document: dict[str, Any], name: str, where: str) -> str | None:
    link = document.get(name)
    if link is None or isinstance(link, str):
        return link
    raise ProtocolError(f"{name} is not text", where=where, why=_shorten(repr(link)))


def _more(document: dict[str, Any], where: str) -> bool | None:
    more = document.get(MORE_RECORDS)
    if more is None or isinstance(more, bool):
        return more
    if isinstance(more, str) and more.lower() in ("true", "false"):
        return more.lower() == "true"
    raise ProtocolError(f"{MORE_RECORDS} is neither true nor false", where=where, why=repr(more))


def _column(rows: Sequence[dict[str, Any]], field: Field, schema: TableSchema) -> pa.Array:
    convert = converter(field.arrow_type)
    is_time = pa.types.is_timestamp(field.arrow_type)
    values: list[Any] = []
    for row in rows:
        raw = row.get(field.wire_name)
        try:
            values.append(None if raw is None else convert(raw))
            if is_time and exceeds_microseconds(raw):
                _warn_of_cut(f"{schema.table.logical_name}.{field.name}")
        except ValueError as error:
            key = row.get(schema.primary_key)
            raise DataError(
                f"A value does not fit {field.arrow_type}: {error}",
                where=f"{schema.table.logical_name}.{field.name}, row {key}",
                why=_shorten(repr(str(raw))),
                remedy="Remove the column from select, or correct the row in Dataverse.",
            ) from error
    return pa.array(values, field.arrow_type)


@cache
def _warn_of_cut(column: str) -> None:
    """Warns once a process and column."""
    logger.warning("%s: times are cut off to microseconds; the rest cannot be loaded", column)


def _shorten(text: str) -> str:
    return text if len(text) <= SHOWN_VALUE else f"{text[:SHOWN_VALUE]}..."
