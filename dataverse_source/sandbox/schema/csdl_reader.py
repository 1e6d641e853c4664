"""Reads a ``$metadata`` file of a real organization into a schema.

The file tells tables, columns by Edm type, keys and relationships. It tells no labels, lengths,
choices or date behaviours; what follows from names by convention is filled in, the rest is left
at values that hold anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from dataverse_source.sandbox.schema.csdl_links import read_relationships
from dataverse_source.sandbox.schema.safe_xml import XmlRefused, parse_xml
from dataverse_source.sandbox.schema.tables import LOOKUP_TYPES, Column, Option, Schema, Table

EDM = "{http://docs.oasis-open.org/odata/ns/edm}"
CHANGE_TRACKING = "Org.OData.Capabilities.V1.ChangeTracking"
# Types that are no tables: the metadata's own and the roots of the others.
NO_TABLES = frozenset({"crmbaseentity", "crmmodelbaseentity", "MetadataBase"})
PRINCIPAL, OWNER = "principal", "owner"
PRIMARY_NAMES = ("name", "fullname", "title", "subject", "filename")
FIRST_CUSTOM_CODE = 10_000
# Digits after the point that hold what the platform can store.
DECIMAL_DIGITS, MONEY_DIGITS, RATE_DIGITS = 10, 4, 12

_BY_EDM_TYPE = {
    "Edm.Binary": "Image",
    "Edm.Boolean": "Boolean",
    "Edm.Date": "DateTime",
    "Edm.DateTimeOffset": "DateTime",
    "Edm.Decimal": "Decimal",
    "Edm.Double": "Double",
    "Edm.Guid": "Uniqueidentifier",
    "Edm.Int16": "Integer",
    "Edm.Int32": "Integer",
    "Edm.Int64": "BigInt",
    "Edm.String": "String",
    "mscrm.BooleanManagedProperty": "ManagedProperty",
}


@dataclass(frozen=True)
class RawType:
    """An EntityType as the file has it.

    Attributes:
        base: name of the type that it derives from.
        properties: Edm type by property name, inherited ones included.
        element: its XML.
    """

    name: str
    base: str | None
    key: str | None
    properties: Mapping[str, str]
    element: Element


def parse_schema(content: bytes) -> Schema:
    """The schema of a ``$metadata`` document.

    Raises:
        ValueError: the document is no CSDL of version 4.
    """
    try:
        root = parse_xml(content.lstrip(b"\xef\xbb\xbf"))
    except XmlRefused as error:
        raise ValueError(f"not a $metadata document: {error}") from None
    return read_csdl(root)


def is_csdl(root: Element) -> bool:
    """Whether a document is CSDL of version 4."""
    return root.find(f".//{EDM}Schema") is not None


def read_csdl(root: Element) -> Schema:
    """The schema of a parsed ``$metadata`` document.

    Raises:
        ValueError: the document is no CSDL of version 4.
    """
    schemas = list(root.iter(f"{EDM}Schema"))
    if not schemas:
        raise ValueError("not a $metadata document: it holds no Schema of OData version 4")
    types = _raw_types(schemas[0])
    sets = {
        _bare(element.get("EntityType", "")): element for element in root.iter(f"{EDM}EntitySet")
    }
    relationships = read_relationships(types)
    intersects = frozenset(link.intersect for link in relationships.many_to_many)
    tables = []
    for code, raw in enumerate(types.values(), start=FIRST_CUSTOM_CODE):
        targets = relationships.targets.get(raw.name, {})
        tables.append(_table(raw, sets.get(raw.name), targets, code, raw.name in intersects))
    return Schema(
        tables=tuple(tables),
        one_to_many=relationships.one_to_many,
        many_to_many=relationships.many_to_many,
    )


def _raw_types(schema: Element) -> dict[str, RawType]:
    elements = {element.get("Name", ""): element for element in schema.iter(f"{EDM}EntityType")}
    found = {}
    for name, element in elements.items():
        lineage = list(_lineage(name, elements))
        if name in NO_TABLES or "MetadataBase" in lineage or element.get("OpenType") == "true":
            continue
        key, properties = None, {}
        for ancestor in lineage:
            for reference in elements[ancestor].iter(f"{EDM}PropertyRef"):
                key = reference.get("Name")
            if ancestor != PRINCIPAL or name == PRINCIPAL:
                own = elements[ancestor].findall(f"{EDM}Property")
                properties.update({p.get("Name", ""): p.get("Type", "") for p in own})
        if f"{name}id" in properties:
            key = f"{name}id"
        if key is not None:
            base = _bare(element.get("BaseType", ""))
            found[name] = RawType(name, base, key, properties, element)
    return found


def _lineage(name: str, elements: Mapping[str, Element]) -> Iterator[str]:
    """The type's ancestors, the most distant first, and itself last."""
    base = _bare(elements[name].get("BaseType", ""))
    if base in elements:
        yield from _lineage(base, elements)
    yield name


def _bare(type_name: str) -> str:
    return type_name.rpartition(".")[2]


def _table(
    raw: RawType,
    entity_set: Element | None,
    targets: Mapping[str, tuple[str, ...]],
    code: int,
    is_intersect: bool,
) -> Table:
    hidden = set(targets) - {_column_name(wire_name) for wire_name in raw.properties}
    columns = [_column(raw, name, kind, targets) for name, kind in raw.properties.items()]
    columns += [
        Column(name, "Lookup", targets=targets[name], readable=False) for name in sorted(hidden)
    ]
    names = {column.name for column in columns}
    custom = re.match(r"[a-z0-9]+_", raw.name) is not None
    is_owner = raw.name == PRINCIPAL
    return Table(
        logical_name=OWNER if is_owner else raw.name,
        schema_name=OWNER if is_owner else raw.name,
        entity_set_name=entity_set.get("Name") if entity_set is not None else None,
        primary_id=raw.key or "",
        primary_name=_primary_name(raw.name, names),
        object_type_code=code,
        columns=tuple(columns),
        ownership=_ownership(names),
        change_tracking=_tracked(entity_set, names),
        is_activity=raw.base == "activitypointer" or raw.name == "activitypointer",
        is_intersect=is_intersect,
        is_custom=custom,
        is_logical_entity=is_owner,
    )


def _column_name(wire_name: str) -> str:
    match = re.fullmatch(r"_(.+)_value", wire_name)
    return match[1] if match else wire_name


def _column(
    raw: RawType, wire_name: str, edm: str, targets: Mapping[str, tuple[str, ...]]
) -> Column:
    name = _column_name(wire_name)
    kind = _BY_EDM_TYPE.get(edm, "Virtual")
    if name != wire_name:
        kind = _lookup_type(name, targets.get(name, ()))
    elif name in ("statecode", "statuscode"):
        kind = {"statecode": "State", "statuscode": "Status"}[name]
    elif edm == "Edm.Decimal" and _is_money(name, raw.properties):
        kind = "Money"
    return Column(
        name,
        kind,
        targets=targets.get(name, ()) if kind in LOOKUP_TYPES else (),
        is_primary_id=name == raw.key,
        is_primary_name=name == _primary_name(raw.name, set(raw.properties)),
        options=_OPTIONS.get(kind, ()),
        date_behavior=_behavior(edm) if kind == "DateTime" else None,
        format="DateOnly" if edm == "Edm.Date" else None,
        precision=_precision(name, kind),
        calculation_of=name.removesuffix("_base") if name.endswith("_base") else None,
        is_custom=re.match(r"[a-z0-9]+_", name) is not None,
    )


_OPTIONS = {
    "Boolean": (Option(0, "No"), Option(1, "Yes")),
    "State": (Option(0, "Active"), Option(1, "Inactive")),
    "Status": (Option(1, "Active", 0), Option(2, "Inactive", 1)),
}


def _lookup_type(name: str, targets: tuple[str, ...]) -> str:
    if name == "ownerid":
        return "Owner"
    return "Customer" if sorted(targets) == ["account", "contact"] else "Lookup"


def _is_money(name: str, properties: Mapping[str, str]) -> bool:
    return f"{name}_base" in properties or (
        name.endswith("_base") and name.removesuffix("_base") in properties
    )


def _behavior(edm: str) -> str:
    return "DateOnly" if edm == "Edm.Date" else "UserLocal"


def _precision(name: str, kind: str) -> int | None:
    if name == "exchangerate":
        return RATE_DIGITS
    return {"Decimal": DECIMAL_DIGITS, "Money": MONEY_DIGITS, "Double": 5}.get(kind)


def _primary_name(table: str, names: set[str]) -> str | None:
    prefix = table.partition("_")[0]
    for name in (f"{prefix}_name", *PRIMARY_NAMES):
        if name in names:
            return name
    return None


def _ownership(names: set[str]) -> str:
    if "ownerid" in names:
        return "UserOwned"
    return "BusinessOwned" if "businessunitid" in names else "OrganizationOwned"


def _tracked(entity_set: Element | None, names: set[str]) -> bool:
    """As the annotation says; without one, where there is a version number to track by."""
    if entity_set is None:
        return False
    for annotation in entity_set.findall(f"{EDM}Annotation"):
        if annotation.get("Term") == CHANGE_TRACKING:
            supported = annotation.find(f".//{EDM}PropertyValue")
            return supported is not None and supported.get("Bool") == "true"
    return "versionnumber" in names and "modifiedon" in names
