"""Reads pages with the compiled decoder, where ``dlt-dataverse-decoder`` is installed.

It is an option: it takes a fraction of the time, and refuses every page that is unusual, which is
then decoded as if it were not there. So results and errors are the same with it and without.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping
from types import ModuleType
from typing import NamedTuple

import pyarrow as pa

from dataverse_source.config.log import logger

SWITCH = "DATAVERSE_DECODER"
"""Environment variable; ``off`` switches the compiled decoder off for the process."""

INTERFACE = 1
"""`dataverse_decoder.INTERFACE` of the releases that can be used."""


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
    library = None if switched_off() else find_library()
    if library is None:
        return None
    fields = [(name, _arrow_format(kind)) for name, kind in types.items()]
    try:
        page = library.Decoder(fields).decode(body)
    except library.RefusedError as refusal:
        logger.debug("The compiled decoder leaves a page to the others: %s", refusal)
        return None
    return RawPage(pa.array(page), page.next_link, page.delta_link)


def switched_off() -> bool:
    """Whether the user wants no compiled decoder."""
    return os.environ.get(SWITCH, "").strip().lower() in ("off", "false", "no", "0")


@functools.cache
def find_library() -> ModuleType | None:
    """The module of the compiled decoder, None where there is none that can be used.

    The log says so once a process.
    """
    try:
        import dataverse_decoder
    except ModuleNotFoundError:
        return None
    except ImportError as error:  # built for another machine, or without a library that it needs
        logger.warning(
            "The compiled decoder can't be loaded, pages are decoded without it: %s", error
        )
        return None
    if dataverse_decoder.INTERFACE != INTERFACE:
        logger.warning(
            "The compiled decoder is of another version, pages are decoded without it. Install "
            "the one that fits: pip install 'dlt-dataverse[fast]'"
        )
        return None
    logger.info("Pages are decoded by the compiled decoder (%s=off switches it off)", SWITCH)
    return dataverse_decoder


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
