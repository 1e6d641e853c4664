"""Reads a schema from files: EntityMetadata in JSON, or the ``$metadata`` of an organization."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from dataverse_source.sandbox.schema.entity_metadata import schema_of
from dataverse_source.sandbox.schema.tables import Schema

BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def read_schema(path: Path) -> Schema:
    """The schema in a file, gzipped (``.gz``) or not, or in all JSON files of a folder.

    Args:
        path: a ``$metadata`` document, or JSON of EntityDefinitions as the Web API answers it: one
            table or many, with ``$expand=Attributes,Keys,ManyToOneRelationships`` and the like,
            and the answer of GlobalOptionSetDefinitions.

    Raises:
        OSError: it can't be read.
        ValueError: it is neither.
    """
    if path.is_dir():
        return read_definitions(sorted(path.glob("*.json")))
    content = _content(path)
    if content.startswith((b"{", b"[")):
        return read_definitions([path])
    # Most runs read JSON only: start-up does not wait for the other reader.
    from dataverse_source.sandbox.schema.csdl_reader import parse_schema

    return parse_schema(content)


def read_definitions(paths: Iterable[Path]) -> Schema:
    """The schema that JSON files of EntityMetadata and OptionSetMetadata make together.

    Raises:
        OSError: one can't be read.
        ValueError: one is no JSON of such metadata.
    """
    tables: list[dict[str, Any]] = []
    choices: list[dict[str, Any]] = []
    for path in paths:
        for item in _items(path):
            (tables if _is_table(item) else choices).append(item)
    if not tables:
        raise ValueError("there is no table in it: no item has Attributes")
    try:
        return schema_of(tables, choices)
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"not EntityMetadata as the Web API writes it: {error!r}") from error


def _items(path: Path) -> Iterator[dict[str, Any]]:
    """The metadata items of a document: one, a list of them, or an answer with such a list."""
    try:
        document = json.loads(_content(path))
    except ValueError as error:
        raise ValueError(f"{path.name} is no JSON: {error}") from None
    listed = document.get("value", [document]) if isinstance(document, dict) else document
    for item in listed if isinstance(listed, list) else ():
        if not isinstance(item, dict) or not (_is_table(item) or "Options" in item):
            raise ValueError(f"{path.name} holds what is neither a table nor a choice")
        yield item


def _is_table(item: dict[str, Any]) -> bool:
    return "Attributes" in item


def _content(path: Path) -> bytes:
    content = path.read_bytes()
    content = gzip.decompress(content) if path.suffix == ".gz" else content
    return content.removeprefix(BYTE_ORDER_MARK).lstrip()
