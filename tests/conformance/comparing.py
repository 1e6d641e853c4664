"""Compares an answer with the printed one, after normalisations that are all listed here.

1. The host, and whether ``https://`` stands before its stand-in.
2. The order of an object's members: JSON gives it no meaning.
3. Digits of a number: ``10000`` and ``10000.0000`` are one amount.
4. Case of GUIDs, hexadecimal digits of percent-encodings, and spaces in URLs.
5. ``@odata.context``: older prints list expanded properties twice
   (``name,primarycontactid,primarycontactid(fullname)``) and leave out what newer ones have at
   the end (``transactioncurrencyid()``, ``primarycontactid/$ref()``).
6. Of the headers only those are compared that tell something of the answer.
7. The order of preferences in ``Preference-Applied``, and quotes around their values.
8. ``MetadataId``, and the same within contexts: every organization has its own.
9. The token within a delta link.
10. A byte order mark before plain text.
11. ``odata.streaming=true`` of a Content-Type, which two prints have and all others have not.
12. The first eight digits of an elastic row's etag, which Cosmos DB gives it.
13. What print leaves out: ``<... removed for brevity>`` stands for any text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import unquote

from dataverse_source.sandbox.query.syntax.options import split_top

HOST = "https://contoso.example"
HEADERS = (
    "odata-version",
    "preference-applied",
    "content-type",
    "mimetype",
    "x-ms-file-size",
    "x-ms-file-name",
    "x-ms-chunk-size",
    "access-control-expose-headers",
)
_PRINTED_HOST = re.compile(r"(https?://)?\[organization ur[il]\]", re.IGNORECASE)
_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_ELASTIC_ETAG = re.compile(r'(?<=^W/")[0-9a-f]{8}(?=-0000-0200-0000-[0-9a-f]{12}"$)')
_LEFT_OUT = re.compile(r"<[^<>]* removed for brevity>")
_STREAMING = "odata.streaming=true"
_DELTA_TOKEN = re.compile(r"deltatoken=.*", re.IGNORECASE)


def differences(printed: Any, answered: Any, at: str = "") -> Iterator[str]:
    """Where an answer differs from the printed one."""
    if isinstance(printed, Mapping) and isinstance(answered, Mapping):
        for name in sorted(printed.keys() | answered.keys()):
            place = f"{at}/{name}"
            if name not in answered:
                yield f"{place}: missing, printed {short(printed[name])}"
            elif name not in printed:
                yield f"{place}: not printed, answered {short(answered[name])}"
            elif name != "MetadataId":
                yield from differences(printed[name], answered[name], place)
    elif isinstance(printed, list) and isinstance(answered, list):
        if len(printed) != len(answered):
            yield f"{at}: printed {len(printed)} items, answered {len(answered)}"
        for number, (one, other) in enumerate(zip(printed, answered)):  # noqa: B905
            yield from differences(one, other, f"{at}/{number}")
    elif not left_out(printed, answered) and plain(printed) != plain(answered):
        yield f"{at}: printed {short(plain(printed))}, answered {short(plain(answered))}"


def left_out(printed: Any, answered: Any) -> bool:
    """Whether print has a note in the place of a text that is there."""
    is_note = isinstance(printed, str) and _LEFT_OUT.fullmatch(printed) is not None
    return is_note and isinstance(answered, str) and bool(answered)


def plain(value: Any) -> Any:
    """A value without what says nothing."""
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int | Decimal):
        return Decimal(value)
    if not isinstance(value, str):
        return value
    text = _PRINTED_HOST.sub(HOST, value)
    text = _ELASTIC_ETAG.sub("........", text)
    text = _GUID.sub(lambda match: match[0].lower(), text)
    if "$metadata#EntityDefinitions" in text:
        text = _GUID.sub("...", text)
    if "$metadata#" in text:
        return one_listing(re.sub(r"/v9\.\d/", "/v9.x/", text).replace(" ", ""))
    if text.startswith(HOST):
        text = re.sub(r"\s", "", unquote(unquote(text)).lower())
        return _DELTA_TOKEN.sub("deltatoken=...", text)
    return text.strip()


def one_listing(context: str) -> str:
    """A context that lists each expanded property once, and no navigation property of a lookup."""
    head, mark, listed = context.partition("(")
    if not mark or "/$metadata#" not in head:
        return context
    inside, mark, tail = listed.rpartition(")")
    names = split_top(inside, ",")
    listed_once = [name for name in names if not name.endswith("()")]
    expanded = {name.partition("(")[0] for name in listed_once if "(" in name}
    kept = [name for name in listed_once if name not in expanded]
    return f"{head}({','.join(kept)}{mark}{tail}"


def header_differences(printed: Mapping[str, str], answered: Mapping[str, str]) -> Iterator[str]:
    """Which headers differ."""
    given = {name.lower(): value for name, value in answered.items()}
    for name in HEADERS:
        if name in printed and _header(printed[name]) != _header(given.get(name, "")):
            yield f"{name}: printed {printed[name]!r}, answered {given.get(name)!r}"


def _header(text: str) -> tuple[str, ...]:
    parts = re.findall(r'[^,;"]+(?:"[^"]*")?', text)
    named = (part.replace('"', "").strip() for part in parts)
    return tuple(sorted(part for part in named if part != _STREAMING))


def short(value: Any) -> str:
    """A value's text, cut."""
    text = repr(value)
    return text if len(text) <= 160 else f"{text[:157]}..."
