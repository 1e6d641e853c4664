"""Decodes the bytes of a page to an Arrow table with the table's fixed schema.

pyarrow's JSON reader decodes a whole page in one pass and releases Python's interpreter lock. It
is strict; `dataverse_source.arrow.decode_exact` decodes the pages that it refuses.
"""

from __future__ import annotations

import base64
import struct
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pj

from dataverse_source.arrow.decode_compiled import RawPage, read_compiled
from dataverse_source.arrow.decode_exact import decode_exact
from dataverse_source.arrow.keys import ids_of_deleted, no_ids, no_keys, plain_ids
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
from dataverse_source.arrow.schema import MAX_DECIMAL_DIGITS, MOMENT, TEXT, WALL_CLOCK, TableSchema
from dataverse_source.config.log import logger
from dataverse_source.errors import ProtocolError

__all__ = ["Page", "decode_fast", "decode_page"]

BYTE_ORDER_MARK = b"\xef\xbb\xbf"

BLOCK_SLACK = 1024
"""Added to the length of the page, so that pyarrow never divides it into blocks."""


MEMBERS_LENGTH = 4096
"""Bytes at both ends of a page in which an error stands that came while its rows were written."""

_MORE_RECORDS = f'"{MORE_RECORDS}"'.encode()
_ERROR = b'"error"'


class _NotPlainError(Exception):
    """The page holds something that only the exact decoder can decode."""


def decode_page(body: bytes, schema: TableSchema, *, delta: bool = False) -> Page:
    """The rows and links of one page.

    A property that a row lacks is null. Properties that the schema lacks are ignored.

    Args:
        body: as received.
        schema: of the table.
        delta: the page may contain deleted rows.

    Raises:
        MalformedBodyError: ``body`` is not complete JSON.
        ProtocolError: there is no list of rows, there is an error instead of rows, or a row, also
            a deleted one, has no key.
        DataError: a column can't hold a value without loss.
    """
    try:
        _check_for_error(body)
        compiled = read_compiled(body, _row_types(schema, delta=delta))
        if compiled is None:
            if _MORE_RECORDS in body:  # the compiled decoder leaves such a page to the others
                raise _NotPlainError("it says whether more rows follow, or a text in it looks so")
            page = decode_fast(body, schema, delta=delta)
        else:
            page = _page(compiled, schema, delta=delta)
    except (_NotPlainError, pa.ArrowException, ValueError) as refusal:
        logger.debug("%s: a page is decoded exactly: %s", schema.table.logical_name, refusal)
        page = decode_exact(body, schema, delta=delta)
    deleted = page.deleted
    if schema.primary_key in schema.fields_of_ids and len(deleted):
        deleted = ids_of_deleted(deleted)
    page = replace(page, deleted=deleted)
    _check_keys(page, schema)
    # Dataverse gives a delta link on the last page of a chain only.
    more = False if page.more is None and page.delta_link and not page.next_link else page.more
    rows = _with_whole_keys(_with_plain_ids(page.rows, schema), schema)
    return replace(page, rows=rows, more=more)


def _check_for_error(body: bytes) -> None:
    """Leaves a page to the exact decoder that may hold an error instead of its last rows.

    Raises:
        _NotPlainError: it may.
    """
    if _ERROR in body[:MEMBERS_LENGTH] or _ERROR in body[-MEMBERS_LENGTH:]:
        raise _NotPlainError("it may say that reading it has failed")


def decode_fast(body: bytes, schema: TableSchema, *, delta: bool = False) -> Page:
    """The rows and links of a page that holds nothing unusual.

    Raises:
        ValueError: or another exception, when the page needs the exact decoder.
    """
    # pyarrow crashes the process on a document that is the bare word null.
    if not body.removeprefix(BYTE_ORDER_MARK).lstrip().startswith(b"{"):
        raise _NotPlainError("not an object")
    _check_encoding(body)
    document = pj.read_json(
        pa.BufferReader(body),
        read_options=pj.ReadOptions(use_threads=False, block_size=len(body) + BLOCK_SLACK),
        parse_options=pj.ParseOptions(
            explicit_schema=_document_schema(schema, delta=delta),
            unexpected_field_behavior="ignore",
        ),
        memory_pool=pa.system_memory_pool(),  # Arrow's own keeps more of it
    )
    if document.num_rows != 1:
        raise _NotPlainError("several documents")
    lists = document[ROWS].chunk(0)
    rows = lists.flatten()
    if lists.null_count or rows.null_count:
        raise _NotPlainError("no list of rows")
    next_link, delta_link = (document[name][0].as_py() for name in (NEXT_LINK, DELTA_LINK))
    return _page(RawPage(rows, next_link, delta_link), schema, delta=delta)


def _page(raw: RawPage, schema: TableSchema, *, delta: bool) -> Page:
    """A page whose rows were read as `_row_types` says, each type as itself or as its raw form."""
    rows, deleted = _take_deleted(raw.rows) if delta else (raw.rows, no_keys())
    columns = [
        _finish(values, field.type)
        for values, field in zip(rows.flatten(), schema.arrow, strict=False)
    ]
    table = pa.Table.from_arrays(columns, schema=schema.arrow)
    return Page(table, raw.next_link, raw.delta_link, deleted)


def _check_encoding(body: bytes) -> None:
    """Checks that a page is UTF-8: the cast checks it without copying the page.

    pyarrow's JSON reader accepts any bytes in values and names. A damaged name would lose its
    column's values.

    Raises:
        ValueError: the page is not UTF-8 (pyarrow's ArrowInvalid is a ValueError).
    """
    text = pa.py_buffer(body)
    ends = pa.py_buffer(struct.pack("=qq", 0, text.size))
    pa.Array.from_buffers(pa.large_binary(), 1, [None, ends, text]).cast(pa.large_string())


def _take_deleted(rows: pa.StructArray) -> tuple[pa.StructArray, pa.Array]:
    """The existing rows, and the keys of the deleted ones."""
    gone = pc.fill_null(pc.ends_with(rows.field(CONTEXT), DELETED_CONTEXT), False)
    if not pc.any(gone).as_py():
        return rows, no_keys()
    return rows.filter(pc.invert(gone)), rows.field(DELETED_KEY).filter(gone).cast(TEXT)


def _document_schema(schema: TableSchema, *, delta: bool) -> pa.Schema:
    types = _row_types(schema, delta=delta)
    row = pa.struct([(name, _read_type(target)) for name, target in types.items()])
    return pa.schema([(ROWS, pa.list_(row)), (NEXT_LINK, TEXT), (DELTA_LINK, TEXT)])


def _row_types(schema: TableSchema, *, delta: bool) -> dict[str, pa.DataType]:
    """What is read from each row: names on the wire, with the types that they end as."""
    types = {field.wire_name: field.arrow_type for field in schema.fields}
    if delta:  # after the table's own columns, one of which may have the same name
        types.setdefault(DELETED_KEY, TEXT)
        types.setdefault(CONTEXT, TEXT)
    return types


def _read_type(target: pa.DataType) -> pa.DataType:
    """The type that pyarrow's reader decodes JSON to, before the cast to ``target``."""
    if pa.types.is_decimal(target):
        # Dataverse pads decimals with zeros (5000000.0000000000), which need room.
        return pa.decimal128(MAX_DECIMAL_DIGITS, target.scale)
    if target == WALL_CLOCK:
        return MOMENT
    if pa.types.is_date(target) or pa.types.is_binary(target):
        return TEXT
    return target


def _finish(values: pa.Array, target: pa.DataType) -> pa.Array:
    """Casts ``values`` to ``target``.

    Raises:
        ValueError: a value does not fit (pyarrow's ArrowInvalid is a ValueError).
    """
    if pa.types.is_binary(target):
        return _from_base64(values, target)
    if pa.types.is_floating(target) and not _all_finite(values):
        # JSON has no NaN, and a number too big for a double must not become infinite.
        raise _NotPlainError("a number that is not finite")
    return values if values.type == target else values.cast(target)


def _all_finite(values: pa.Array) -> bool:
    return pc.all(pc.is_finite(values)).as_py() is not False


def _from_base64(values: pa.Array, target: pa.DataType) -> pa.Array:
    decoded = [
        None if text is None else base64.b64decode(text, validate=True)
        for text in values.to_pylist()
    ]
    return pa.array(decoded, target)


def _with_plain_ids(rows: pa.Table, schema: TableSchema) -> pa.Table:
    """``rows`` with one spelling of each id: keys and lookups are compared as text."""
    for name in schema.fields_of_ids:
        before = rows[name]
        after = plain_ids(before)
        if after is not before:
            place = rows.schema.get_field_index(name)
            rows = rows.set_column(place, schema.arrow.field(name), after)
    return rows


def _with_whole_keys(rows: pa.Table, schema: TableSchema) -> pa.Table:
    """``rows`` of an elastic table, with their partition filled in.

    Docs "Use elastic tables": without a partitionid, a row's primary key is its partition.
    """
    if schema.table.kind != "elastic":
        return rows
    first = rows[schema.primary_key]
    for name in schema.key[1:]:
        place = rows.schema.get_field_index(name)
        rows = rows.set_column(place, schema.arrow.field(name), pc.coalesce(rows[name], first))
    return rows


def _check_keys(page: Page, schema: TableSchema) -> None:
    # Dataverse leaves out the partition of an elastic row where it is the key.
    names = schema.key if schema.table.kind == "query" else (schema.primary_key,)
    for name in names:
        missing = page.rows[name].null_count
        if missing:
            raise ProtocolError(
                f"{missing} of {page.rows.num_rows} rows in a page have no primary key",
                where=f"{schema.table.logical_name}.{name}",
            )
    if page.deleted.null_count:
        raise ProtocolError(
            f"{page.deleted.null_count} of {len(page.deleted)} deleted rows in a page have no key",
            where=schema.table.logical_name,
        )
    are_ids = schema.primary_key in schema.fields_of_ids
    strange = no_ids(page.deleted) if are_ids else no_keys()
    if len(strange):
        raise ProtocolError(
            f"{len(strange)} of {len(page.deleted)} deleted rows in a page have no ids as keys",
            where=schema.table.logical_name,
            why=repr(strange[0].as_py()),
        )
