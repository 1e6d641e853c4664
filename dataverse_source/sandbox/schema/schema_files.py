"""Reads a schema from files: EntityMetadata in JSON or XML, or an organization's ``$metadata``."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable
from pathlib import Path
from xml.etree.ElementTree import Element

from dataverse_source.sandbox.schema.entity_metadata import schema_of
from dataverse_source.sandbox.schema.metadata_documents import MetadataDocuments
from dataverse_source.sandbox.schema.tables import Schema

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
ENDINGS = (".json", ".xml", ".json.gz", ".xml.gz")


def read_schema(path: Path) -> Schema:
    """The schema in a file, gzipped (``.gz``) or not, or in all JSON and XML files of a folder.

    Args:
        path: a ``$metadata`` document; or EntityMetadata, as the Web API answers it in JSON or
            as DataContractSerializer writes it in XML. Several files of a folder may describe one
            table: its definition in one, the options of its choices in another.

    Raises:
        OSError: it can't be read.
        ValueError: it is none of these, or a table lacks its columns.
    """
    if path.is_dir():
        return _whole(read_definitions(p for p in sorted(path.iterdir()) if _is_metadata(p)))
    content = _content(path)
    if not _is_json(content):
        from dataverse_source.sandbox.schema.csdl_reader import is_csdl, read_csdl

        root = _parsed(content)
        if is_csdl(root):
            return read_csdl(root)
    return _whole(read_definitions([path]))


def read_definitions(paths: Iterable[Path]) -> Schema:
    """The schema that files of EntityMetadata and OptionSetMetadata make together.

    Raises:
        OSError: one can't be read.
        ValueError: one holds no such metadata.
    """
    documents = MetadataDocuments()
    for path in paths:
        try:
            _add(documents, path)
        except ValueError as error:
            raise ValueError(f"{path.name}: {error}") from error
    try:
        return schema_of(documents.tables, documents.choices)
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"it is not as EntityMetadata is: {error!r}") from error


def _add(documents: MetadataDocuments, path: Path) -> None:
    content = _content(path)
    if _is_json(content):
        try:
            documents.add(json.loads(content))
        except json.JSONDecodeError as error:
            raise ValueError(f"no JSON: {error}") from None
        return
    # The default tables are JSON: the start of a sandbox does not wait for this reader.
    from dataverse_source.sandbox.schema.data_contract import metadata_items

    documents.add_items(metadata_items(_parsed(content)))


def _whole(schema: Schema) -> Schema:
    """The same schema, once each table is known to have its key."""
    if not schema.tables:
        raise ValueError("it holds no table: neither EntityMetadata nor the types of $metadata")
    for table in schema.tables:
        if table.primary_id not in table.by_name:
            raise ValueError(
                f"table {table.logical_name!r} has no column {table.primary_id!r}, its primary key:"
                " ask for EntityDefinitions with $expand=Attributes"
            )
    return schema


def _parsed(content: bytes) -> Element:
    from dataverse_source.sandbox.schema.safe_xml import XmlRefused, parse_xml

    try:
        return parse_xml(content)
    except XmlRefused as error:
        raise ValueError(f"neither JSON nor XML that can be read: {error}") from None


def _is_metadata(path: Path) -> bool:
    return path.name.endswith(ENDINGS)


def _is_json(content: bytes) -> bool:
    return content.startswith((b"{", b"["))


def _content(path: Path) -> bytes:
    content = path.read_bytes()
    content = gzip.decompress(content) if path.suffix == ".gz" else content
    return content.removeprefix(BYTE_ORDER_MARK).lstrip()
