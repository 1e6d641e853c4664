"""Parses XML with the line and column of each element, and writes it again.

Expat (Python's own) is used directly: it says where each element stands. A document type is
refused as soon as it begins, so no entity is ever declared, expanded or fetched.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.etree import ElementTree
from xml.parsers import expat

from dataverse_source.errors import ConfigurationError

MOST_DEPTH = 60
"""Elements within elements; FetchXML takes 15 links, and filters are far less deep."""

_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that no XML document may have (XML 1.0, section 2.2)."""


@dataclass
class Element:
    """An element; changed by `dataverse_source.metadata.queries.rewrite` before it is sent.

    Attributes:
        tag: its name.
        attributes: by name.
        children: elements in it.
        text: the text in it.
        line: where it begins, from 1; 0 for one that was added.
        column: likewise.
    """

    tag: str
    attributes: dict[str, str] = field(default_factory=dict)
    children: list[Element] = field(default_factory=list)
    text: str = ""
    line: int = 0
    column: int = 0

    def all(self, tag: str) -> list[Element]:
        """The children of this name."""
        return [one for one in self.children if one.tag == tag]

    def walk(self) -> Iterator[Element]:
        """This element and all below it, in the order of the text."""
        yield self
        for child in self.children:
            yield from child.walk()

    def flag(self, name: str) -> bool:
        """Whether an attribute is ``true``, or 1."""
        return self.attributes.get(name, "").strip().lower() in ("true", "1")


@dataclass(frozen=True)
class Source:
    """Where a query's text comes from.

    Attributes:
        query: name of the query.
        place: file, setting or view.
    """

    query: str
    place: str

    def error(
        self, what: str, at: Element | tuple[int, int] | None = None, remedy: str | None = None
    ) -> ConfigurationError:
        """An error that says where in the text it is.

        Args:
            what: what is wrong.
            at: the element, or line and column.
            remedy: what to do.
        """
        line, column = (at.line, at.column) if isinstance(at, Element) else at or (0, 0)
        where = f"line {line}, column {column} of {self.place}" if line else self.place
        return ConfigurationError(
            f"Query {self.query}: {what}", where=where, remedy=remedy, setting="queries"
        )


def parse(text: str, source: Source) -> Element:
    """The root element of a document.

    Raises:
        ConfigurationError: it is not well-formed, has a document type, or is nested too deeply.
    """
    before = len(text) - len(text.lstrip("\ufeff \t\r\n"))
    lines = text[:before].count("\n")
    parser = expat.ParserCreate("utf-8")
    open_elements: list[Element] = []
    roots: list[Element] = []

    def here() -> tuple[int, int]:
        return parser.CurrentLineNumber + lines, parser.CurrentColumnNumber + 1

    def start(tag: str, attributes: dict[str, str]) -> None:
        line, column = here()
        one = Element(tag, attributes, line=line, column=column)
        if len(open_elements) >= MOST_DEPTH:
            raise source.error("its elements are nested too deeply", one)
        (open_elements[-1].children if open_elements else roots).append(one)
        open_elements.append(one)

    def end(_tag: str) -> None:
        open_elements.pop()

    def data(some: str) -> None:
        if open_elements:
            open_elements[-1].text += some

    def doctype(*_: object) -> None:
        raise source.error(
            "it declares a document type, which could contain entities",
            here(),
            "Remove the declaration <!DOCTYPE ...>: FetchXML has none.",
        )

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = data
    parser.StartDoctypeDeclHandler = doctype
    try:
        parser.Parse(text[before:].encode("utf-8"), True)
    except expat.ExpatError as error:
        raise source.error(
            f"it is not well-formed XML: {expat.ErrorString(error.code)}",
            (error.lineno + lines, error.offset + 1),
            "Correct it there; in values write &lt; for < and &amp; for &.",
        ) from None
    except UnicodeEncodeError:
        raise source.error("it has characters that no text may have") from None
    return roots[0]


def written(root: Element) -> str:
    """The document as text; the library escapes all values.

    It leaves a carriage return in a text as it is, where parsers read a line feed.
    """
    return ElementTree.tostring(_made(root), encoding="unicode").replace("\r", "&#13;")


def is_text(value: str) -> bool:
    """Whether XML can hold the value."""
    return _NO_XML.search(value) is None


def _made(one: Element) -> ElementTree.Element:
    made = ElementTree.Element(one.tag, one.attributes)
    made.text = one.text.strip() or None if one.children else one.text or None
    made.extend([_made(child) for child in one.children])
    return made
