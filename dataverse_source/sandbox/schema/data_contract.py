"""Reads EntityMetadata as .NET's DataContractSerializer writes it: XML, turned into JSON's shape.

Projects that test against Dataverse's SDK keep their tables so: one EntityMetadata a file, an
ArrayOfEntityMetadata, or either within a document of their own (a dictionary by name).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from xml.etree.ElementTree import Element

METADATA = "{http://schemas.microsoft.com/xrm/2011/Metadata}"
INSTANCE = "{http://www.w3.org/2001/XMLSchema-instance}"
LISTS = frozenset(
    {
        "Attributes", "KeyAttributes", "Keys", "LocalizedLabels", "ManyToManyRelationships",
        "ManyToOneRelationships", "OneToManyRelationships", "Options", "Targets",
    }
)  # fmt: skip
"""Elements whose children are the items of a list."""
TEXTS = frozenset({"Label", "Name"})
"""Elements whose text is text, even if it reads "true"."""


def metadata_items(root: Element) -> Iterator[dict[str, Any]]:
    """The tables and global choices in a document, each with the members that JSON has."""
    for element in _items(root):
        yield _members(element)


def _items(element: Element) -> Iterator[Element]:
    """The outermost elements that hold a table or a choice.

    Rows have Attributes too, in another namespace.
    """
    if element.find(f"{METADATA}Attributes") is not None or _is_choice(element):
        yield element
        return
    for child in element:
        yield from _items(child)


def _is_choice(element: Element) -> bool:
    return (
        element.find(f"{METADATA}OptionSetType") is not None
        and element.find(f"{METADATA}Name") is not None
    )


def _members(element: Element) -> dict[str, Any]:
    members = {_local(child.tag): _value(child) for child in element}
    # "b:StringAttributeMetadata": the prefix is the document's own.
    kind = element.get(f"{INSTANCE}type", "").rpartition(":")[2]
    return {"@odata.type": kind, **members} if kind else members


def _value(element: Element) -> Any:
    name = _local(element.tag)
    if element.get(f"{INSTANCE}nil") == "true":
        return None
    if name in LISTS:
        return [_members(child) if len(child) else child.text or "" for child in element]
    if len(element):
        return _members(element)
    text = element.text or ""
    return text == "true" if text in ("true", "false") and name not in TEXTS else text


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]
