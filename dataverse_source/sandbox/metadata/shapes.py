"""The building blocks of metadata in JSON: ids, labels, managed properties and items."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Union

ENGLISH = 1033
NO_ID = "00000000-0000-0000-0000-000000000000"
# A fixed root for every id, so that a sandbox has the same ids at each start.
_ROOT = uuid.UUID("6f2d7a34-58c1-5f0e-9a3b-0d6f5c1e7b42")
FIRST_MODIFIED = "2024-01-01T00:00:00Z"
# EntityMetadata.CreatedOn of the platform's own tables.
PLATFORM_CREATED = "1900-01-01T00:00:00Z"

Related = Union["Item", "list[Item]", None]


@dataclass(frozen=True)
class Item:
    """One metadata item: a table, a column, a choice, a relationship or a key.

    Attributes:
        kind: its type without the namespace, such as ``StringAttributeMetadata``.
        members: everything about it but its navigation properties, in the order of answers.
        related: its navigation properties, each a function that gives what it leads to.
        typed: answers name its type in ``@odata.type``.
    """

    kind: str
    members: Mapping[str, Any]
    related: Mapping[str, Callable[[], Related]] = field(default_factory=dict)
    typed: bool = False

    @property
    def metadata_id(self) -> str:
        """The item's MetadataId."""
        return str(self.members["MetadataId"])


@lru_cache(maxsize=100_000)
def metadata_id(*names: str) -> str:
    """The MetadataId of what these names lead to, the same at every start."""
    return str(uuid.uuid5(_ROOT, "/".join(names)))


def label(text: str, *names: str, managed_: bool = True) -> dict[str, Any]:
    """A Label: the text in each language, English only. No text gives an empty label."""
    if not text:
        return {"LocalizedLabels": [], "UserLocalizedLabel": None}
    localized = {
        "Label": text,
        "LanguageCode": ENGLISH,
        "IsManaged": managed_,
        "MetadataId": metadata_id("label", *names),
        "HasChanged": None,
    }
    return {"LocalizedLabels": [localized], "UserLocalizedLabel": dict(localized)}


def managed(value: Any, name: str, can_be_changed: bool = True) -> dict[str, Any]:
    """A managed property: its value and whether a customizer may change it."""
    return {"Value": value, "CanBeChanged": can_be_changed, "ManagedPropertyLogicalName": name}
