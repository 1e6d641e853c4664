"""Reads XML from outside: no document types, so no entities, and no bottomless nesting."""

from __future__ import annotations

from xml.etree.ElementTree import Element, TreeBuilder

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import ParseError, XMLParser

MAX_DEPTH = 100
"""Elements within elements; what reads them goes as deep, and no query needs more."""


class XmlRefused(ValueError):
    """Text that is no XML, declares a document type, or is nested too deeply."""


def parse_xml(text: str | bytes) -> Element:
    """The root element of a document.

    Raises:
        XmlRefused: it is not well formed, has a document type, or is nested too deeply.
    """
    parser = XMLParser(target=_Builder(), forbid_dtd=True)
    try:
        parser.feed(text)
        root: Element = parser.close()
    except DefusedXmlException:
        raise XmlRefused("a document type is not allowed") from None
    except (ParseError, UnicodeEncodeError) as error:
        raise XmlRefused(str(error)) from None
    return root


class _Builder(TreeBuilder):
    """Builds the tree, and counts how deep it goes."""

    _depth = 0

    def start(self, tag: str, attributes: dict[str, str], /) -> Element:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise XmlRefused("it is nested too deeply")
        return super().start(tag, attributes)

    def end(self, tag: str, /) -> Element:
        self._depth -= 1
        return super().end(tag)
