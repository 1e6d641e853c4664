"""Reads XML that a caller sent: no document types, so that no entity can be declared."""

from __future__ import annotations

from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

MAX_DEPTH = 100
"""Elements within elements; what reads them goes as deep, and no query needs more."""


class XmlRefused(ValueError):
    """Text that is no XML, declares a document type, or is nested too deeply."""


def parse_xml(text: str) -> Element:
    """The root element of a text.

    Raises:
        XmlRefused: it is not well formed, has a document type, or is nested too deeply.
    """
    builder = _Builder()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = _refuse_doctype
    try:
        parser.Parse(text.encode(), True)
    except (expat.ExpatError, UnicodeEncodeError) as error:
        raise XmlRefused(str(error)) from None
    return builder.close()


class _Builder:
    """Builds the tree, and counts how deep it goes."""

    def __init__(self) -> None:
        self._tree = TreeBuilder()
        self._depth = 0

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise XmlRefused("it is nested too deeply")
        self._tree.start(tag, attributes)

    def end(self, tag: str) -> None:
        self._depth -= 1
        self._tree.end(tag)

    def data(self, text: str) -> None:
        self._tree.data(text)

    def close(self) -> Element:
        return self._tree.close()


def _refuse_doctype(*_: object) -> None:
    raise XmlRefused("a document type is not allowed")
