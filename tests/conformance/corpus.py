"""The exchanges that Microsoft's docs print."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from tests.support.places import EXCHANGES

_CUT = re.compile(
    r"\s*Additional options removed for brevity"
    r"|,\s*(\.\.\.\s*<truncated for brevity>"
    r"|< Other results truncated for brevity>"
    r"|\[ ?49 records truncated for brevity\])",
    re.IGNORECASE,
)
_ANY_HOST = re.compile(r"\[organization ur[il]\]", re.IGNORECASE)
_HOST = re.compile(r"^(https?://)?\[organization ur[il]\](/org1)?", re.IGNORECASE)


@dataclass(frozen=True)
class Exchange:
    """One printed exchange.

    Attributes:
        number: its number in the collection.
        page: name of the docs page.
        method: None when no request is printed.
        path: path and query, percent-encoded where a URL must be.
        headers: of the request, by lower-case name.
        content: body of the request.
        status: None when none is printed.
        answer_headers: of the answer, by lower-case name.
        text: body of the answer as printed.
        body: the same parsed, None when it does not parse.
        has_answer: an answer is printed.
    """

    number: int
    page: str
    method: str | None
    path: str
    headers: dict[str, str]
    content: str
    status: int | None
    answer_headers: dict[str, str]
    text: str
    body: Any
    has_answer: bool


@lru_cache(maxsize=1)
def exchanges() -> dict[int, Exchange]:
    """All exchanges by number."""
    lines = EXCHANGES.read_text(encoding="utf-8").splitlines()
    found = (_exchange(json.loads(line)) for line in lines if line.strip())
    return {exchange.number: exchange for exchange in found}


def _exchange(entry: dict[str, Any]) -> Exchange:
    request, answer = entry.get("request") or {}, entry.get("response") or {}
    text = _mended(answer.get("body_text") or "")
    headers, content = _parted(_lower(request.get("headers")), request.get("body_text") or "")
    return Exchange(
        number=int(entry["id"]),
        page=Path(entry["doc"]).stem,
        method=request.get("method"),
        path=_path(request.get("url") or ""),
        headers=headers,
        content=content,
        status=answer.get("status"),
        answer_headers=_lower(answer.get("headers")),
        text=text,
        body=parsed(text),
        has_answer=bool(text or answer.get("status")),
    )


def _parted(headers: dict[str, str], content: str) -> tuple[dict[str, str], str]:
    """Headers and body of a request; some print the headers within the body."""
    content = _ANY_HOST.sub("", content)
    if not content.lower().startswith("content-type:"):
        return headers, content
    head, _, content = content.partition("\n\n")
    pairs = (line.partition(":") for line in head.splitlines())
    return {**headers, **{name.lower(): value.strip() for name, _, value in pairs}}, content


def parsed(text: str) -> Any:
    """A body as JSON, with exact numbers; None when it is none."""
    try:
        return json.loads(text, parse_float=Decimal)
    except ValueError:
        return None


def _mended(text: str) -> str:
    """A body without what is no part of it: headers glued to it, marks of a cut, a broken BOM."""
    text = text.replace("\u00ef\u00bb\u00bf", "").lstrip("\ufeff")
    if text.startswith("REQ_ID"):
        text = text[text.index("{") :]
    return _CUT.sub("", text)


def _path(url: str) -> str:
    """Path and query below the host; what stands bare in print is encoded as a client must."""
    path = _HOST.sub("", url)
    if "%253C" in path:
        # Encoded once more than the request was.
        path = unquote(path)
    if not path.startswith(("/", "http")):
        path = f"/api/data/v9.2/{path}"
    return quote(path, safe="%/?&=$()',;:@*[]{}+!\"#")


def _lower(headers: dict[str, str] | None) -> dict[str, str]:
    return {name.lower(): value for name, value in (headers or {}).items()}
