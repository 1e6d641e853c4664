"""``odata.metadata=full`` and ``none``: what rows carry besides their values.

Source: OData JSON Format 4.0, "Controlling the Amount of Control Information in Responses".
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from dataverse_source.sandbox.http.messages import Request, Response
from dataverse_source.sandbox.query.filter.relationships import navigation_names
from dataverse_source.sandbox.query.rows.edm import edm_type
from dataverse_source.sandbox.schema.tables import Schema, Table

_LEVEL = re.compile(r"odata\.metadata=(full|none)", re.IGNORECASE)
_MINIMAL = "odata.metadata=minimal"
_KEPT = ("@odata.nextLink", "@odata.count", "@odata.deltaLink")
_UNTYPED = frozenset({"Edm.String", "Edm.Boolean", "Edm.Int32", "Edm.Double"})
"""Types that JSON tells by itself (Int32: as Dataverse prints it)."""


_MARK = "\ue000number "
_MARKED = re.compile(f'"{_MARK}([^"]*)"')


def _number(text: str) -> str:
    """A number as marked text: its digits must come out as they went in."""
    return f"{_MARK}{text}"


def asked_level(request: Request) -> str | None:
    """``full`` or ``none``; None for the usual level."""
    found = _LEVEL.search(request.headers.get("accept", ""))
    return found[1].lower() if found else None


def at_level(response: Response, level: str, schema: Schema) -> Response:
    """The answer with more or fewer annotations; errors and other types stay unchanged."""
    kind = response.headers.get("Content-Type", "")
    if response.status != 200 or _MINIMAL not in kind:
        return response
    content = json.loads(response.body, parse_float=_number, parse_int=_number)
    content = _without(content) if level == "none" else _with_all(content, schema)
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    response.body = _MARKED.sub(r"\1", text).encode("utf-8", "surrogatepass")
    response.headers["Content-Type"] = kind.replace(_MINIMAL, f"odata.metadata={level}")
    return response


def _without(value: Any) -> Any:
    if isinstance(value, list):
        return [_without(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {
        name: _without(each)
        for name, each in value.items()
        if "@odata." not in name or name.endswith(_KEPT)
    }


def _with_all(content: dict[str, Any], schema: Schema) -> dict[str, Any]:
    root, _, place = str(content.get("@odata.context", "")).partition("$metadata#")
    table = schema.by_entity_set.get(re.split(r"[(/]", place, maxsplit=1)[0])
    if table is None:
        return content
    if isinstance(content.get("value"), list):
        rows = [
            dict(_row(each, table, schema, root)) if isinstance(each, dict) else each
            for each in content["value"]
        ]
        return {**content, "value": rows}
    return dict(_row(content, table, schema, root))


def _row(row: dict[str, Any], table: Table, schema: Schema, root: str) -> Iterator[tuple[str, Any]]:
    key = row.get(table.primary_id)
    place = f"{table.entity_set_name}({key})"
    for name in ("@odata.context", "@odata.etag"):
        if name in row:
            yield name, row[name]
    yield "@odata.type", f"#Microsoft.Dynamics.CRM.{table.logical_name}"
    if key is not None:
        yield "@odata.id", f"{root}{place}"
        yield "@odata.editLink", place
    for name, value in row.items():
        if name in ("@odata.context", "@odata.etag"):
            continue
        column = table.by_wire_name.get(name)
        if column is not None and edm_type(column) not in _UNTYPED and value is not None:
            yield f"{name}@odata.type", edm_type(column).replace("Edm.", "#")
        yield name, value
    if key is None:
        return
    for name in navigation_names(schema, table):
        yield f"{name}@odata.associationLink", f"{root}{place}/{name}/$ref"
        yield f"{name}@odata.navigationLink", f"{root}{place}/{name}"
