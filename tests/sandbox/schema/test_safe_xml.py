"""XML that a caller sent is read, or refused where it could do harm."""

from __future__ import annotations

import pytest

from dataverse_source.sandbox.schema.safe_xml import MAX_DEPTH, XmlRefused, parse_xml


def test_elements_attributes_and_text() -> None:
    root = parse_xml("<a x='1 &amp; 2'><b>\u00fc&lt;</b><b/></a>")
    assert (root.tag, root.get("x")) == ("a", "1 & 2")
    assert [child.text for child in root] == ["\u00fc<", None]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "plain",
        "<a>",
        "<a/><b/>",
        "<a>&nbsp;</a>",
        "<a>\ud800</a>",
        "<!DOCTYPE a><a/>",
        "<!DOCTYPE a [<!ENTITY e 'x'>]><a>&e;</a>",
        "<!DOCTYPE a SYSTEM 'file:///etc/hostname'><a/>",
        "<a>" * (MAX_DEPTH + 1) + "</a>" * (MAX_DEPTH + 1),
    ],
)
def test_refusals(text: str) -> None:
    with pytest.raises(XmlRefused):
        parse_xml(text)


def test_the_deepest_that_is_read() -> None:
    assert parse_xml("<a>" * MAX_DEPTH + "</a>" * MAX_DEPTH).tag == "a"
