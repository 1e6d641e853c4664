"""The ``Prefer`` header: what a caller wishes, and which wishes were granted."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase

from dataverse_source.sandbox.http.messages import Request
from dataverse_source.sandbox.query.syntax.odata import bad_query
from dataverse_source.sandbox.schema.tables import Table

FORMATTED_VALUE = "OData.Community.Display.V1.FormattedValue"
LOOKUP_LOGICAL_NAME = "Microsoft.Dynamics.CRM.lookuplogicalname"
NAVIGATION_PROPERTY = "Microsoft.Dynamics.CRM.associatednavigationproperty"
TOTAL_RECORD_COUNT = "Microsoft.Dynamics.CRM.totalrecordcount"
TOTAL_RECORD_COUNT_EXCEEDED = "Microsoft.Dynamics.CRM.totalrecordcountlimitexceeded"
METADATA_VERSION = "Microsoft.Dynamics.CRM.globalmetadataversion"

MAX_PAGE_SIZE = 5000
"""Docs page "Page results": the default and the most rows a page can have."""
MAX_ELASTIC_PAGE_SIZE = 500
"""Docs page "Elastic tables"."""
MAX_VIRTUAL_PAGE_SIZE = 100
"""A provider decides; ``aadusers`` was seen to answer 100 rows at a time, whatever is asked."""

_PREFERENCE = re.compile(r'\s*((?:[^",]|"[^"]*")+)\s*(?:,|$)')


@dataclass(frozen=True)
class Preferences:
    """A request's preferences.

    Attributes:
        given: all of them, in order, as name and unquoted value.
        annotations: patterns of ``odata.include-annotations``.
        page_size: text of ``odata.maxpagesize``, None when not given.
        track_changes: ``odata.track-changes``.
        continue_on_error: ``odata.continue-on-error``.
        representation: ``return=representation``.
        numbers_as_text: decimals and 64-bit numbers are printed as strings.
    """

    given: tuple[tuple[str, str], ...] = ()
    annotations: tuple[str, ...] = ()
    page_size: str | None = None
    track_changes: bool = False
    continue_on_error: bool = False
    representation: bool = False
    numbers_as_text: bool = False

    def wants(self, annotation: str) -> bool:
        """Whether an annotation is to be printed."""
        return any(fnmatchcase(annotation, pattern) for pattern in self.annotations)


def most_rows(table: Table) -> int:
    """The most rows that a page of a table has."""
    sizes = {"Elastic": MAX_ELASTIC_PAGE_SIZE, "Virtual": MAX_VIRTUAL_PAGE_SIZE}
    return sizes.get(table.table_type, MAX_PAGE_SIZE)


def read_preferences(request: Request) -> Preferences:
    """The preferences of a request; names are taken without regard to case."""
    given = []
    for match in _PREFERENCE.finditer(request.headers.get("prefer", "")):
        name, _, value = match[1].partition("=")
        given.append((name.strip().lower(), value.strip().strip('"')))
    by_name = dict(given)
    patterns = by_name.get("odata.include-annotations", "")
    return Preferences(
        given=tuple(given),
        annotations=tuple(part.strip() for part in patterns.split(",") if part.strip()),
        page_size=by_name.get("odata.maxpagesize"),
        track_changes="odata.track-changes" in by_name,
        continue_on_error=by_name.get("odata.continue-on-error", "false").lower() != "false",
        representation=by_name.get("return") == "representation",
    )


def page_size(preferences: Preferences, most: int, out_of_range: str) -> int:
    """Rows of a page: what ``odata.maxpagesize`` asks for, within 1 and ``most``.

    Args:
        preferences: the caller's.
        most: the table's maximum.
        out_of_range: switch ``page_size_out_of_range``: ``clamp`` or ``refused``.

    Raises:
        DataverseFault: out of range, when the switch says that this is refused.
    """
    text = preferences.page_size
    if text is None:
        return most
    size = int(text) if re.fullmatch(r"[0-9]{1,9}", text) else 0
    if 1 <= size <= most:
        return size
    if out_of_range == "refused":
        raise bad_query(f"The value '{text}' of the preference odata.maxpagesize is not valid.")
    return most


def applied(preferences: Preferences, names: tuple[str, ...], size: int | None = None) -> str:
    """The header ``Preference-Applied``: those of ``names`` that were given, in their order."""
    parts = []
    for name, value in preferences.given:
        if name not in names:
            continue
        if name == "odata.maxpagesize" and size is not None:
            parts.append(f"{name}={size}")
        elif name == "odata.include-annotations":
            parts.append(f'{name}="{value}"')
        else:
            parts.append(f"{name}={value}" if value else name)
    return ", ".join(parts)
