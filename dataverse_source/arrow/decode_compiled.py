"""Reads pages with the compiled decoder, see `dataverse_source.config.compiled`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import pyarrow as pa

from dataverse_source.config.compiled import compiled_decoder
from dataverse_source.config.log import logger


class RawPage(NamedTuple):
    """A page as it was read, before deleted rows are set apart.

    Attributes:
        rows: an array of structs, a member for each type that was asked for.
        next_link: the URL of the next page.
        delta_link: the URL of the changes since.
    """

    rows: pa.StructArray
    next_link: str | None
    delta_link: str | None


def read_compiled(body: bytes, types: Mapping[str, pa.DataType]) -> RawPage | None:
    """A page as the compiled decoder reads it; None where there is none, or it refuses the page.

    Args:
        body: JSON in UTF-8.
        types: of the properties to read, by name.
    """
    library = compiled_decoder()
    if library is None:
        return None
    fields = [(name, _arrow_format(kind)) for name, kind in types.items()]
    try:
        page = library.Decoder(fields).decode(body)
    except library.RefusedError as refusal:
        logger.debug("The compiled decoder leaves a page to the others: %s", refusal)
        return None
    return RawPage(pa.array(page), page.next_link, page.delta_link)


def _arrow_format(kind: pa.DataType) -> str:
    """The format string of a type in Arrow's C data interface."""
    if pa.types.is_decimal(kind):
        return f"d:{kind.precision},{kind.scale}"
    if pa.types.is_timestamp(kind):
        return f"tsu:{kind.tz or ''}"
    return _FORMATS[kind]


_FORMATS: dict[pa.DataType, str] = {
    pa.string(): "u",
    pa.int64(): "l",
    pa.bool_(): "b",
    pa.float64(): "g",
    pa.date32(): "tdD",
    pa.binary(): "u",  # its base64
}
