"""$metadata: written for OData clients, read from files of real organizations."""

from __future__ import annotations

import gzip
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from dataverse_source.sandbox.metadata.csdl import metadata_document
from dataverse_source.sandbox.query.rows.edm import EDM_TYPES
from dataverse_source.sandbox.schema.catalog import default_schema
from dataverse_source.sandbox.schema.csdl_reader import parse_schema
from dataverse_source.sandbox.schema.schema_files import read_schema
from dataverse_source.sandbox.schema.tables import Schema, Table
from tests.support.places import SHARED
from tests.support.sandbox.metadata_requests import Asking

EDM = "{http://docs.oasis-open.org/odata/ns/edm}"
FILES = (
    "davidmoten-crm4-v9.1-HEAD",
    "rsbc-dmf-2023-09-28",
    "simpleodata-DynamicsCRM-2016-07",
    "spice-2019-04-30",
    "spice-2019-10-31",
    "spice-2020-06-24",
)
# Not written: the metadata's own types, and the root that only they derive from.
METADATA_SETS = {
    "EntityDefinitions",
    "GlobalOptionSetDefinitions",
    "ManagedPropertyDefinitions",
    "RelationshipDefinitions",
}


def file_of(name: str) -> Path:
    path = SHARED / "corpus" / "csdl" / f"{name}.xml.gz"
    if not path.exists():
        pytest.skip(f"$metadata of a real organization is not here: {path.name}")
    return path


@dataclass
class Document:
    """Types and entity sets of a $metadata document, independent of the reader."""

    types: dict[str, Any]
    sets: dict[str, Any]


def document(content: bytes) -> Document:
    root = ET.fromstring(content.lstrip(b"\xef\xbb\xbf"))
    types = {}
    for element in root.iter(f"{EDM}EntityType"):
        types[element.get("Name", "")] = {
            "base": element.get("BaseType"),
            "abstract": element.get("Abstract"),
            "key": [part.get("Name") for part in element.iter(f"{EDM}PropertyRef")],
            "properties": {
                part.get("Name"): part.get("Type") for part in element.findall(f"{EDM}Property")
            },
            "navigation": {
                part.get("Name"): (
                    part.get("Type"),
                    part.get("Partner"),
                    [tuple(sorted(constraint.items())) for constraint in part],
                )
                for part in element.findall(f"{EDM}NavigationProperty")
            },
        }
    sets = {
        element.get("Name", ""): (
            element.get("EntityType"),
            {
                (part.get("Path"), part.get("Target"))
                for part in element.findall(f"{EDM}NavigationPropertyBinding")
            },
        )
        for element in root.iter(f"{EDM}EntitySet")
    }
    return Document(types, sets)


def test_default_schema_is_one_valid_document() -> None:
    content = metadata_document(default_schema())
    root = ET.fromstring(content)
    assert root.get("Version") == "4.0"
    (schema,) = root.iter(f"{EDM}Schema")
    assert (schema.get("Namespace"), schema.get("Alias")) == ("Microsoft.Dynamics.CRM", "mscrm")
    written = document(content)
    account = written.types["account"]
    assert account["base"] == "mscrm.crmbaseentity"
    assert account["key"] == ["accountid"]
    assert account["properties"]["_primarycontactid_value"] == "Edm.Guid"
    assert account["properties"]["new_foundedon"] == "Edm.Date"
    assert account["properties"]["revenue"] == "Edm.Decimal"
    assert "primarycontactidname" not in account["properties"]
    assert account["navigation"]["primarycontactid"] == (
        "mscrm.contact",
        "account_primary_contact",
        [(("Property", "_primarycontactid_value"), ("ReferencedProperty", "contactid"))],
    )
    assert written.types["systemuser"]["base"] == "mscrm.principal"
    assert written.types["task"]["base"] == "mscrm.activitypointer"
    assert "subject" not in written.types["task"]["properties"]
    assert ("primarycontactid", "contacts") in written.sets["accounts"][1]


def test_every_name_of_the_document_is_defined() -> None:
    root = ET.fromstring(metadata_document(default_schema(), annotations=True))
    defined = {
        f"mscrm.{element.get('Name')}"
        for tag in ("EntityType", "ComplexType", "EnumType")
        for element in root.iter(f"{EDM}{tag}")
    } | {"Edm.Date", *EDM_TYPES.values()}
    for element in root.iter():
        kind = element.get("Type")
        if kind is not None:
            bare = kind.removeprefix("Collection(").removesuffix(")")
            assert bare in defined, kind
    written = document(metadata_document(default_schema()))
    for name, kind in written.types.items():
        for navigation, (target, partner, _) in kind["navigation"].items():
            bare = target.removeprefix("Collection(").removesuffix(")").removeprefix("mscrm.")
            back = written.types[bare]["navigation"].get(partner)
            assert back is not None, (name, navigation)
            assert back[1] == navigation


def test_annotations_tell_what_is_tracked_and_computed() -> None:
    root = ET.fromstring(metadata_document(default_schema(), annotations=True))
    term = f"{EDM}Annotation[@Term='Org.OData.Capabilities.V1.ChangeTracking']"
    tracked = {}
    for element in root.iter(f"{EDM}EntitySet"):
        value = element.find(f"{term}/{EDM}Record/{EDM}PropertyValue")
        assert value is not None
        tracked[element.get("Name")] = value.get("Bool")
    assert tracked["accounts"] == "true"
    assert tracked["new_externalproducts"] == "false"
    plain = metadata_document(default_schema())
    assert b"ChangeTracking" not in plain


def bare(table: Table) -> Table:
    return replace(table, columns=(), object_type_code=0)


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_a_real_organization_comes_back_as_it_was(name: str) -> None:
    path = file_of(name)
    schema = read_schema(path)
    written_bytes = metadata_document(schema, annotations=True)
    real, written = document(gzip.decompress(path.read_bytes())), document(written_bytes)
    missing = real.types.keys() - written.types.keys()
    assert all("Metadata" in kind or kind == "crmmodelbaseentity" for kind in missing)
    assert written.types.keys() <= real.types.keys()
    for kind, found in written.types.items():
        assert found == real.types[kind], kind
    assert real.sets.keys() - written.sets.keys() == METADATA_SETS
    for entity_set, found in written.sets.items():
        assert found == real.sets[entity_set], entity_set
    again = parse_schema(written_bytes)
    ours, theirs = schema.by_logical_name, again.by_logical_name
    assert ours.keys() == theirs.keys()
    for logical_name, table in ours.items():
        assert bare(theirs[logical_name]) == bare(table)
        assert set(theirs[logical_name].columns) == set(table.columns)
    assert set(again.one_to_many) == set(schema.one_to_many)
    assert set(again.many_to_many) == set(schema.many_to_many)


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES[:2])
def test_a_real_organization_answers_entity_definitions(name: str) -> None:
    schema = read_schema(file_of(name))
    with Asking(schema) as asking:
        found = asking.json(
            "EntityDefinitions?$select=LogicalName,EntitySetName,PrimaryIdAttribute"
            "&$expand=Attributes($select=LogicalName,AttributeType,IsValidODataAttribute)"
        )
    assert len(found["value"]) == len(schema.tables)
    for answer in found["value"]:
        table = schema.by_logical_name[answer["LogicalName"]]
        assert answer["EntitySetName"] == table.entity_set_name
        assert answer["PrimaryIdAttribute"] == table.primary_id
        names = {column["LogicalName"] for column in answer["Attributes"]}
        assert {column.name for column in table.by_wire_name.values()} <= names
        assert table.primary_id in names


@pytest.mark.slow
def test_every_table_of_a_real_organization_holds_rows() -> None:
    schema = read_schema(file_of("davidmoten-crm4-v9.1-HEAD"))
    with Asking(schema) as asking:
        for table in schema.tables:
            asking.store.seed(table.logical_name, 2)
            assert asking.store.count(table.logical_name) == 2


def test_columns_get_the_types_that_their_names_tell() -> None:
    schema = read_schema(file_of("rsbc-dmf-2023-09-28"))
    account = schema.by_logical_name["account"].by_name
    assert account["revenue"].type == "Money"
    assert account["revenue_base"].calculation_of == "revenue"
    assert account["exchangerate"].type == "Decimal"
    assert account["ownerid"].type == "Owner"
    assert account["ownerid"].targets == ("systemuser", "team")
    assert account["statecode"].type == "State"
    assert schema.by_logical_name["contact"].by_name["parentcustomerid"].type == "Customer"
    assert schema.by_logical_name["contact"].by_name["birthdate"].date_behavior == "DateOnly"
    assert schema.by_logical_name["task"].primary_id == "activityid"
    assert schema.by_logical_name["task"].by_name["subject"].type == "String"
    assert schema.by_logical_name["accountleads"].is_intersect


def test_default_schema_survives_the_reader() -> None:
    schema: Schema = parse_schema(metadata_document(default_schema()))
    assert schema.by_entity_set.keys() == default_schema().by_entity_set.keys()
    for table in default_schema().tables:
        if table.entity_set_name:
            again = schema.by_logical_name[table.logical_name]
            assert again.by_wire_name.keys() == table.by_wire_name.keys()
            assert again.primary_id == table.primary_id


@pytest.mark.parametrize("content", [b"", b"not xml", b"<a/>", b"<edmx:Edmx/>"])
def test_what_is_no_metadata_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"not a \$metadata document"):
        parse_schema(content)


@pytest.fixture(scope="module")
def asking() -> Iterator[Asking]:
    with Asking(default_schema()) as opened:
        yield opened


def test_metadata_is_served(asking: Asking) -> None:
    plain, annotated = asking.text("$metadata"), asking.text("$metadata?annotations=true")
    assert plain.encode() == metadata_document(default_schema())
    assert annotated.encode() == metadata_document(default_schema(), annotations=True)
