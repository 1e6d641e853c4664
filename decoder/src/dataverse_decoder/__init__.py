"""Decodes a page of Dataverse's Web API to Arrow, exactly or not at all."""

from __future__ import annotations

from collections.abc import Iterable

from dataverse_decoder import _native

__all__ = ["GUNZIP", "INTERFACE", "DecodedPage", "Decoder", "RefusedError", "gunzip"]

INTERFACE = 2
"""Raised when `Decoder` changes so that who knows the former one can't use it. 2: a page that says
whether more rows follow is refused."""

GUNZIP: str = _native.GUNZIP
"""The library that decompresses: libdeflate or zlib."""


class RefusedError(ValueError):
    """The page holds something unusual, or is damaged; the decoder does not judge which."""


class DecodedPage:
    """The rows and links of a page.

    The rows are an Arrow array of structs, for any library that knows Arrow's PyCapsule
    interface, such as ``pyarrow.array(page)``. They are handed over, so only once.

    Attributes:
        next_link: the URL of the next page, None on the last.
        delta_link: the URL of the changes since, where there is one.
    """

    def __init__(
        self, rows: tuple[object, object], next_link: str | None, delta_link: str | None
    ) -> None:
        self._rows: tuple[object, object] | None = rows
        self.next_link = next_link
        self.delta_link = delta_link

    def __arrow_c_array__(self, requested_schema: object = None) -> tuple[object, object]:
        """Hands the rows over: the capsules of a schema and of an array.

        Args:
            requested_schema: not heeded, which the interface allows.

        Raises:
            ValueError: they have been handed over before.
        """
        rows, self._rows = self._rows, None
        if rows is None:
            raise ValueError("The rows were handed over before")
        return rows


class Decoder:
    """Decodes pages with the same columns; threads may share one.

    Args:
        fields: the name of each property, and its type by the format string of Arrow's C data
            interface: ``u`` text, ``l`` integer of 64 bits, ``b`` boolean, ``g`` double,
            ``d:precision,scale`` decimal, ``tsu:zone`` microseconds since 1970, ``tdD`` date.

    Raises:
        ValueError: a type is none of these.
    """

    def __init__(self, fields: Iterable[tuple[str, str]]) -> None:
        self._plan = _native.make_plan(list(fields))

    def decode(self, body: bytes) -> DecodedPage:
        """The rows and links of one page. Other threads run meanwhile.

        A property that a row leaves out is null; one that is no field is checked and left out.

        Args:
            body: JSON in UTF-8.

        Raises:
            RefusedError: see there.
        """
        result = _native.decode(self._plan, body)
        if isinstance(result, str):
            raise RefusedError(result)
        schema, array, next_link, delta_link = result
        return DecodedPage((schema, array), next_link, delta_link)


def gunzip(data: bytes) -> bytes:
    """What was compressed with gzip. Other threads run meanwhile.

    Raises:
        RefusedError: it is damaged or cut, in several members, or larger than 100 times its
            compressed size.
    """
    result = _native.gunzip(data)
    if isinstance(result, str):
        raise RefusedError(result)
    return result
