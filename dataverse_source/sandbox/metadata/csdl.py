"""Writes ``$metadata``: a schema's tables as CSDL, the XML that OData clients read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from xml.sax.saxutils import quoteattr

from dataverse_source.sandbox.metadata.csdl_functions import (
    COMPLEX_TYPES,
    ENUM_TYPES,
    FUNCTIONS,
    TERMS,
)
from dataverse_source.sandbox.query.rows.edm import edm_type
from dataverse_source.sandbox.schema.tables import Column, ManyToMany, OneToMany, Schema, Table

CORE = "Org.OData.Core.V1"
CAPABILITIES = "Org.OData.Capabilities.V1"
VOCABULARIES = (("OData.Community.Keys.V1", "Keys"), ("OData.Community.Display.V1", "Display"))
BASE = "crmbaseentity"
PRINCIPAL = "principal"
OWNER = "owner"
POINTER = "activitypointer"
UNDER_PRINCIPAL = ("systemuser", "team")


@dataclass(frozen=True)
class End:
    """One end of a relationship, as a navigation property of a type."""

    name: str
    target: str
    partner: str
    many: bool
    constraint: tuple[str, str] | None = None


def metadata_document(schema: Schema, annotations: bool = False) -> bytes:
    """The ``$metadata`` document.

    Holds all tables that can be queried, and the functions that the sandbox answers, but not
    the metadata types (EntityMetadata and its relatives).

    Args:
        schema: the tables.
        annotations: with descriptions, computed columns, permissions and change tracking, as
            ``?annotations=true`` asks for.
    """
    return "\n".join(_document(schema, annotations)).encode()


def _document(schema: Schema, annotations: bool) -> Iterator[str]:
    yield '<?xml version="1.0" encoding="utf-8"?>'
    yield '<edmx:Edmx Version="4.0" xmlns:edmx="http://docs.oasis-open.org/odata/ns/edmx">'
    for namespace, alias in VOCABULARIES:
        yield f'<edmx:Reference Uri="http://vocabularies.odata.org/{namespace}.xml">'
        yield f'<edmx:Include Namespace="{namespace}" Alias="{alias}" />'
        yield f'<edmx:IncludeAnnotations TermNamespace="{namespace}" />'
        yield "</edmx:Reference>"
    yield "<edmx:DataServices>"
    yield (
        '<Schema Namespace="Microsoft.Dynamics.CRM" Alias="mscrm" '
        'xmlns="http://docs.oasis-open.org/odata/ns/edm">'
    )
    ends = navigation(schema)
    shown = [table for table in schema.tables if _is_shown(table)]
    yield f'<EntityType Name="{BASE}" Abstract="true" />'
    for table in sorted(shown, key=lambda t: t.logical_name not in (OWNER, POINTER)):
        yield from _entity_type(schema, table, ends.get(table.logical_name, []), annotations)
    yield from (ENUM_TYPES, COMPLEX_TYPES, FUNCTIONS, TERMS)
    yield from _container(schema, ends, annotations)
    yield "</Schema>"
    yield "</edmx:DataServices>"
    yield "</edmx:Edmx>"


def _is_shown(table: Table) -> bool:
    return table.entity_set_name is not None or table.logical_name == OWNER


def navigation(schema: Schema) -> dict[str, list[End]]:
    """The navigation properties of each table by logical name."""
    ends: dict[str, list[End]] = {}
    for link in schema.one_to_many:
        _add_one_to_many(schema, link, ends)
    for relationship in schema.many_to_many:
        _add_many_to_many(relationship, ends)
    return ends


def _add_one_to_many(schema: Schema, link: OneToMany, ends: dict[str, list[End]]) -> None:
    tables = schema.by_logical_name
    one, many = tables.get(link.referenced), tables.get(link.referencing)
    if one is None or many is None or not (_is_shown(one) and _is_shown(many)):
        return
    column = many.by_name.get(link.referencing_attribute)
    readable = column is not None and column.wire_name in many.by_wire_name
    # A key that the other type inherits gets no constraint, as in real organizations.
    own_key = not _inherited(schema, one)
    joined = column is not None and readable and own_key
    referenced = one.by_name.get(link.referenced_attribute)
    to = referenced.wire_name if referenced is not None else link.referenced_attribute
    constraint = (column.wire_name, to) if column is not None and joined else None
    partner, name = link.referenced_navigation, link.referencing_navigation
    ends.setdefault(link.referencing, []).append(
        End(name, _type_name(link.referenced), partner, False, constraint)
    )
    ends.setdefault(link.referenced, []).append(
        End(partner, _type_name(link.referencing), name, True)
    )


def _add_many_to_many(link: ManyToMany, ends: dict[str, list[End]]) -> None:
    first = End(link.navigation1, _type_name(link.table2), link.navigation2, True)
    second = End(link.navigation2, _type_name(link.table1), link.navigation1, True)
    ends.setdefault(link.table1, []).append(first)
    if (link.table2, second) != (link.table1, first):
        ends.setdefault(link.table2, []).append(second)


def _type_name(logical_name: str) -> str:
    return PRINCIPAL if logical_name == OWNER else logical_name


def _entity_type(schema: Schema, table: Table, ends: list[End], annotations: bool) -> Iterator[str]:
    name = table.logical_name
    inherited = _inherited(schema, table)
    base, abstract = BASE, name in (OWNER, POINTER)
    if name in UNDER_PRINCIPAL and OWNER in schema.by_logical_name:
        base = PRINCIPAL
    elif inherited:
        base = POINTER
    ending = ' Abstract="true"' if abstract else ""
    yield f'<EntityType Name="{_type_name(name)}" BaseType="mscrm.{base}"{ending}>'
    # Types under activitypointer and principal state the key that they inherit once more.
    key = "ownerid" if base == PRINCIPAL else table.primary_id
    yield f"<Key><PropertyRef Name={quoteattr(key)} /></Key>"
    own = [
        column
        for wire_name, column in table.by_wire_name.items()
        if wire_name not in inherited and (name != OWNER or column.is_primary_id)
    ]
    for column in own:
        yield from _property(column, annotations)
    declared = {column.wire_name for column in own}
    for end in ends:
        yield from _navigation_property(end, declared)
    yield "</EntityType>"


def _inherited(schema: Schema, table: Table) -> frozenset[str]:
    """Names of the properties that an activity has from activitypointer."""
    pointer = schema.by_logical_name.get(POINTER)
    if pointer is None or not table.is_activity or table.logical_name == POINTER:
        return frozenset()
    return frozenset(pointer.by_wire_name)


def _property(column: Column, annotations: bool) -> Iterator[str]:
    kind = edm_type(column)
    facets = {"Edm.String": ' Unicode="false"', "Edm.Decimal": ' Scale="Variable"'}.get(kind, "")
    opening = f'<Property Name={quoteattr(column.wire_name)} Type="{kind}"{facets}'
    if not annotations:
        yield f"{opening} />"
        return
    yield f"{opening}>"
    yield f'<Annotation Term="{CORE}.Description" String={quoteattr(column.display_name)} />'
    if column.source_type or column.wire_name != column.name:
        yield f'<Annotation Term="{CORE}.Computed" Bool="true" />'
    if not column.writable or column.wire_name != column.name:
        yield f'<Annotation Term="{CORE}.Permissions">'
        yield f"<EnumMember>{CORE}.PermissionType/Read</EnumMember>"
        yield "</Annotation>"
    yield "</Property>"


def _navigation_property(end: End, declared: set[str]) -> Iterator[str]:
    kind = f"Collection(mscrm.{end.target})" if end.many else f"mscrm.{end.target}"
    nullable = "" if end.many else ' Nullable="false"'
    opening = (
        f'<NavigationProperty Name={quoteattr(end.name)} Type="{kind}"{nullable} '
        f"Partner={quoteattr(end.partner)}"
    )
    if end.constraint is None or end.constraint[0] not in declared:
        yield f"{opening} />"
        return
    column, referenced = end.constraint
    yield f"{opening}>"
    yield f'<ReferentialConstraint Property="{column}" ReferencedProperty="{referenced}" />'
    yield "</NavigationProperty>"


def _container(schema: Schema, ends: dict[str, list[End]], annotations: bool) -> Iterator[str]:
    yield '<EntityContainer Name="System">'
    for name, table in schema.by_entity_set.items():
        kind = f"Microsoft.Dynamics.CRM.{table.logical_name}"
        yield f'<EntitySet Name={quoteattr(name)} EntityType="{kind}">'
        for end in ends.get(table.logical_name, []):
            target = _bound_set(schema, end)
            if target is not None:
                path = quoteattr(end.name)
                yield f"<NavigationPropertyBinding Path={path} Target={quoteattr(target)} />"
        if annotations:
            yield from _capabilities(table)
        yield "</EntitySet>"
    for name in FUNCTION_NAMES:
        yield f'<FunctionImport Name="{name}" Function="Microsoft.Dynamics.CRM.{name}" />'
    yield "</EntityContainer>"


def _bound_set(schema: Schema, end: End) -> str | None:
    # Real organizations bind owners to a set that they don't have.
    if end.target == PRINCIPAL:
        return "owners"
    target = schema.by_logical_name.get(end.target)
    return target.entity_set_name if target is not None else None


FUNCTION_NAMES = (
    "RetrieveCurrentOrganization",
    "RetrieveMetadataChanges",
    "RetrieveTotalRecordCount",
    "RetrieveVersion",
    "WhoAmI",
)


def _capabilities(table: Table) -> Iterator[str]:
    yield f'<Annotation Term="{CAPABILITIES}.IndexableByKey" Bool="true" />'
    yield f'<Annotation Term="{CAPABILITIES}.SkipSupported" Bool="false" />'
    tracked = str(table.change_tracking).lower()
    for term, member, value in (
        ("SearchRestrictions", "Searchable", "false"),
        ("CountRestrictions", "Countable", "true"),
        ("ChangeTracking", "Supported", tracked),
    ):
        yield f'<Annotation Term="{CAPABILITIES}.{term}"><Record>'
        yield f'<PropertyValue Property="{member}" Bool="{value}" />'
        yield "</Record></Annotation>"
