from __future__ import annotations

import base64
import uuid
from decimal import Decimal
from typing import Any

import pytest

from dataverse_source.config.checks import make_settings
from dataverse_source.loading.connection import Connection
from dataverse_source.loading.table_reading import open_table
from dataverse_source.sandbox import Sandbox
from dataverse_source.sandbox.writes.files import put_file
from tests.peers.conversation import ClientFailed, Conversation
from tests.peers.expected import ACCOUNT, arrived, row_of, rows, sizes
from tests.support.settings import credentials_of

pytestmark = [pytest.mark.peers, pytest.mark.slow]

CRM = "Microsoft.Dynamics.CRM"
FORMATTED = "@OData.Community.Display.V1.FormattedValue"
FETCH = (
    '<fetch count="50"><entity name="account"><attribute name="name"/>'
    '<order attribute="name"/></entity></fetch>'
)


def test_follows_pages(javascript: Conversation, served: Sandbox) -> None:
    request = {"collection": "accounts", "select": ACCOUNT, "maxPageSize": 60, "count": True}
    expected = rows(served, "account")
    pages = [javascript.ask("retrieveMultiple", request)]
    while link := pages[-1].get("oDataNextLink"):
        pages.append(javascript.ask("retrieveMultiple", request, link))
    assert [len(page["value"]) for page in pages] == sizes(len(expected), 60)
    assert pages[0]["@odata.count"] == len(expected)
    assert arrived((row for page in pages for row in page["value"]), "accountid") == expected


def test_retrieves_all(javascript: Conversation, served: Sandbox) -> None:
    request = {"collection": "accounts", "select": ACCOUNT, "maxPageSize": 80}
    found = javascript.ask("retrieveAll", request)["value"]
    assert arrived(found, "accountid") == rows(served, "account")


def test_filters_orders_and_expands(javascript: Conversation, served: Sandbox) -> None:
    store = served.store
    linked = {"property": "primarycontactid", "select": ["fullname"]}
    found = javascript.ask(
        "retrieveMultiple",
        {
            "collection": "accounts",
            "select": ["name", "statuscode"],
            "filter": "contains(name, 'Test') or industrycode eq 1",
            "orderBy": ["createdon desc", "accountid"],
            "expand": [linked],
            "includeAnnotations": "*",
        },
    )["value"]
    wanted = {
        row["accountid"]: row
        for row in store.rows("account")
        if "test" in (row["name"] or "").lower() or row["industrycode"] == 1
    }
    assert {row["accountid"] for row in found} == set(wanted) != set()
    made = [wanted[row["accountid"]]["createdon"] for row in found]
    assert made == sorted(made, reverse=True)
    contacts = rows(served, "contact", ["fullname"])
    for row in found:
        contact = wanted[row["accountid"]]["primarycontactid"]
        shown = row["primarycontactid"]
        assert (shown and shown["fullname"]) == (contact and contacts[contact]["fullname"])
        assert row[f"statuscode{FORMATTED}"] in ("Active", "Inactive")


def test_retrieves_by_key(javascript: Conversation, served: Sandbox) -> None:
    row = served.store.rows("account")[0]
    asked = {"collection": "accounts", "key": row["accountid"], "select": ACCOUNT}
    found = javascript.ask("retrieve", asked)
    assert arrived([found], "accountid") == {row["accountid"]: row_of(row, ACCOUNT)}
    etag = f'W/"{row["versionnumber"]}"'
    assert javascript.ask("retrieve", {**asked, "ifnonematch": etag}) is None

    project = served.store.rows("new_project")[0]
    by_code = {"collection": "new_projects", "key": f"new_code='{project['new_code']}'"}
    assert javascript.ask("retrieve", by_code)["new_projectid"] == project["new_projectid"]

    missing = {"collection": "accounts", "key": str(uuid.uuid4())}
    with pytest.raises(ClientFailed, match="Does Not Exist") as failed:
        javascript.ask("retrieve", missing)
    assert (failed.value.status, failed.value.code) == (404, "0x80040217")


def test_fetches_all_pages(javascript: Conversation, served: Sandbox) -> None:
    request: dict[str, Any] = {
        "collection": "accounts",
        "fetchXml": FETCH,
        "includeAnnotations": "*",
    }
    first = javascript.ask("fetch", request)
    assert (len(first["value"]), first["PagingInfo"]["nextPage"]) == (50, 2)
    again = {"pageNumber": 2, "pagingCookie": first["PagingInfo"]["cookie"]}
    second = javascript.ask("fetch", {**request, **again})
    keys = [row["accountid"] for page in (first, second) for row in page["value"]]
    assert len(set(keys)) == 100
    found = javascript.ask("fetchAll", request)["value"]
    shown = [{"accountid": row["accountid"], "name": row.get("name")} for row in found]
    names = ("accountid", "name")
    assert arrived(shown, "accountid", names) == rows(served, "account", names)


def test_counts(javascript: Conversation, served: Sandbox) -> None:
    accounts = served.store.rows("account")
    assert javascript.ask("count", {"collection": "accounts"}) == len(accounts)
    rich = [row for row in accounts if row["revenue"] is not None and row["revenue"] > 1000]
    request = {"collection": "accounts", "filter": "revenue gt 1000"}
    assert javascript.ask("count", request) == len(rich)
    assert javascript.ask("countAll", request) == len(rich)


def test_tracks_changes(javascript: Conversation, served: Sandbox) -> None:
    names = ("accountid", "name")
    gone = javascript.ask("create", {"collection": "accounts", "data": {"name": "gone"}})
    kept = javascript.ask("create", {"collection": "accounts", "data": {"name": "kept"}})
    request = {"collection": "accounts", "select": ["name"], "trackChanges": True}
    full = javascript.ask("retrieveAll", {**request, "maxPageSize": 100})
    assert arrived(full["value"], "accountid", names) == rows(served, "account", names)

    javascript.ask("deleteRecord", {"collection": "accounts", "key": gone})
    served.store.update("account", kept, {"name": "changed"})
    made = served.store.create("account", {"name": "made"})
    changes = javascript.ask("retrieveMultiple", request, full["oDataDeltaLink"])
    deleted = [row for row in changes["value"] if row.get("reason") == "deleted"]
    written = [row for row in changes["value"] if "reason" not in row]
    assert [row["id"] for row in deleted] == [gone]
    assert {row["accountid"]: row["name"] for row in written} == {kept: "changed", made: "made"}
    later = javascript.ask("retrieveMultiple", request, changes["oDataDeltaLink"])
    assert later["value"] == []


def test_reads_tables_and_columns(javascript: Conversation, served: Sandbox) -> None:
    schema = served.store.schema
    found = javascript.ask("retrieveEntities", {"select": ["LogicalName", "EntitySetName"]})
    shown = {table["LogicalName"]: table["EntitySetName"] for table in found["value"]}
    assert shown == {table.logical_name: table.entity_set_name for table in schema.tables}

    key = "LogicalName='account'"
    whole = javascript.ask(
        "retrieveEntity",
        {"key": key, "expand": [{"property": "Attributes", "select": ["LogicalName"]}]},
    )
    columns = schema.by_logical_name["account"].columns
    assert {each["LogicalName"] for each in whole["Attributes"]} == {c.name for c in columns}

    for kind in ("Money", "DateTime", "Picklist", "Lookup"):
        cast = {"castType": f"{CRM}.{kind}AttributeMetadata", "select": ["LogicalName"]}
        listed = javascript.ask("retrieveAttributes", {"entityKey": key, **cast})["value"]
        wanted = {c.name for c in columns if c.type == kind}
        assert wanted <= {each["LogicalName"] for each in listed}
        assert wanted

    one = {"entityKey": whole["MetadataId"], "attributeKey": "LogicalName='industrycode'"}
    picklist = f"{CRM}.PicklistAttributeMetadata"
    with_options = {**one, "castType": picklist, "expand": [{"property": "OptionSet"}]}
    options = javascript.ask("retrieveAttribute", with_options)["OptionSet"]["Options"]
    (industry,) = (c for c in columns if c.name == "industrycode")
    assert {each["Value"]: each["Label"]["UserLocalizedLabel"]["Label"] for each in options} == {
        option.value: option.label for option in industry.options
    }


def test_reads_relationships_and_choices(javascript: Conversation, served: Sandbox) -> None:
    schema = served.store.schema
    for kind, known in (
        ("OneToMany", {each.schema_name for each in schema.one_to_many}),
        ("ManyToMany", {each.schema_name for each in schema.many_to_many}),
    ):
        request = {"castType": f"{CRM}.{kind}RelationshipMetadata", "select": ["SchemaName"]}
        found = javascript.ask("retrieveRelationships", request)["value"]
        assert {each["SchemaName"] for each in found} == known != set()
    sets = javascript.ask("retrieveGlobalOptionSets", {})["value"]
    assert {each["Name"] for each in sets} == set(schema.global_choices) != set()
    name = sets[0]["Name"]
    one = javascript.ask("retrieveGlobalOptionSet", {"key": f"Name='{name}'"})
    values = [option["Value"] for option in one["Options"]]
    assert values == [option.value for option in schema.global_choices[name]]
    assert "<Schema" in javascript.ask("retrieveCsdlMetadata")


def test_calls_functions(javascript: Conversation, served: Sandbox) -> None:
    me = javascript.ask("callFunction", "WhoAmI")["UserId"]
    assert me in {row["systemuserid"] for row in served.store.rows("systemuser")}
    grouped = javascript.ask(
        "retrieveMultiple",
        {"collection": "accounts", "apply": "groupby((statecode),aggregate($count as n))"},
    )["value"]
    assert sum(each["n"] for each in grouped) == served.store.count("account")


def test_writes_rows(javascript: Conversation, served: Sandbox) -> None:
    store, accounts = served.store, {"collection": "accounts"}
    key = javascript.ask("create", {**accounts, "data": {"name": "Größe €", "revenue": 12.5}})
    made = store.row("account", key)
    assert made is not None
    assert row_of(made, ("name", "revenue")) == {"name": "Größe €", "revenue": 12.5}

    data = {"name": "second", "creditonhold": True}
    wanted = {"returnRepresentation": True, "select": ["name", "creditonhold"]}
    shown = javascript.ask("update", {**accounts, "key": key, "data": data, **wanted})
    assert data.items() <= shown.items()
    javascript.ask(
        "updateSingleProperty", {**accounts, "key": key, "fieldValuePair": {"fax": "55"}}
    )
    contact = store.rows("contact")[0]["contactid"]
    related = {"relatedCollection": "contacts", "relatedKey": contact}
    to = {"primaryKey": key, "navigationProperty": "primarycontactid"}
    javascript.ask("associateSingleValued", {**accounts, **to, **related})
    changed = store.row("account", key)
    assert changed is not None
    names = ("name", "creditonhold", "fax", "primarycontactid")
    assert [changed[name] for name in names] == ["second", True, "55", contact]

    stale = {"ifmatch": f'W/"{made["versionnumber"]}"', "data": {"name": "third"}}
    # The client answers false to 412, "the row has another version".
    assert javascript.ask("update", {**accounts, "key": key, **stale}) is False
    assert store.row("account", key) == changed
    assert javascript.ask("deleteRecord", {**accounts, "key": key})
    assert store.row("account", key) is None


def test_upserts_by_alternate_key(javascript: Conversation, served: Sandbox) -> None:
    code = f"J-{uuid.uuid4().hex[:8]}"
    for name in ("first", "second"):
        request = {"collection": "new_projects", "key": f"new_code='{code}'"}
        javascript.ask("upsert", {**request, "data": {"new_name": name}})
    found = [row for row in served.store.rows("new_project") if row["new_code"] == code]
    assert [row["new_name"] for row in found] == ["second"]


def test_sends_batches(javascript: Conversation, served: Sandbox) -> None:
    contact = {"collection": "contacts", "data": {"lastname": "Batch"}, "contentId": "1"}
    bound = {"name": "batched", "primarycontactid@odata.bind": "$1"}
    top, made, linked, counted = javascript.ask(
        "batch",
        ["retrieveMultiple", {"collection": "accounts", "select": ["name"], "top": 2}],
        ["create", contact],
        ["create", {"collection": "accounts", "data": bound}],
        ["count", {"collection": "accounts"}],
    )
    assert len(top["value"]) == 2
    row = served.store.row("account", linked)
    assert row is not None
    assert row["primarycontactid"] == made
    assert counted == served.store.count("account")


def test_failed_change_set_leaves_nothing(javascript: Conversation, served: Sandbox) -> None:
    before = served.store.count("contact")
    with pytest.raises(ClientFailed, match="nothing") as failed:
        javascript.ask(
            "batch",
            ["create", {"collection": "contacts", "data": {"lastname": "a"}}],
            ["create", {"collection": "contacts", "data": {"nothing": "b"}}],
        )
    assert failed.value.status == 400
    assert served.store.count("contact") == before


def test_downloads_files(javascript: Conversation, served: Sandbox) -> None:
    content = bytes(range(256)) * 40
    key = served.store.create("account", {"name": "with a file"})
    put_file(served.environment, "account", key, "new_contract", content, "contract.bin")
    request = {"collection": "accounts", "key": key, "property": "new_contract"}
    found = javascript.ask("downloadFile", request)
    assert (found["fileName"], found["fileSize"]) == ("contract.bin", len(content))
    assert base64.b64decode(found["data"]) == content


QUERIES = {
    "join": (
        "contacts",
        '<fetch count="50"><entity name="contact"><attribute name="fullname"/>'
        '<attribute name="annualincome"/><attribute name="parentcustomerid"/>'
        '<link-entity name="account" from="accountid" to="parentcustomerid" alias="a" '
        'link-type="outer"><attribute name="name"/><attribute name="revenue"/>'
        '<attribute name="ownerid"/></link-entity></entity></fetch>',
    ),
    "many": (
        "accounts",
        '<fetch><entity name="account"><attribute name="name" alias="customer"/>'
        '<attribute name="accountid"/>'
        '<link-entity name="contact" from="parentcustomerid" to="accountid" alias="c">'
        '<attribute name="contactid"/><attribute name="lastname"/></link-entity></entity></fetch>',
    ),
    "groups": (
        "accounts",
        '<fetch aggregate="true"><entity name="account">'
        '<attribute name="industrycode" alias="industry" groupby="true"/>'
        '<attribute name="createdon" alias="year" groupby="true" dategrouping="year"/>'
        '<attribute name="revenue" alias="total" aggregate="sum"/>'
        '<attribute name="accountid" alias="n" aggregate="count"/></entity></fetch>',
    ),
    "kinds": (
        "accounts",
        '<fetch distinct="true"><entity name="account"><attribute name="industrycode"/>'
        '<attribute name="statecode"/></entity></fetch>',
    ),
}
"""FetchXML that the client and this package both read: the collection, and the text."""


@pytest.mark.parametrize("name", QUERIES)
def test_reads_the_same_fetchxml_to_the_same_rows(
    javascript: Conversation, served: Sandbox, name: str
) -> None:
    collection, text = QUERIES[name]
    settings = make_settings(
        environment_url=served.environment_url,
        ca_bundle=served.ca_bundle,
        queries={name: {"fetchxml": text, "page_size": 40}},
    )
    reader = open_table(Connection(settings, credentials_of(served)), name)
    ours = [row for rows_ in reader.batches() for row in rows_.to_pylist()]
    fields = [one for one in reader.schema.fields if "@" not in one.wire_name]
    request = {"collection": collection, "fetchXml": text, "includeAnnotations": "*"}
    theirs = javascript.ask("fetchAll", request)["value"]

    def shown(value: Any) -> Any:
        return float(value) if isinstance(value, (int, float, Decimal)) else value

    def sorted_rows(found: list[dict[str, Any]], names: list[str]) -> list[str]:
        return sorted(repr([shown(row.get(one)) for one in names]) for row in found)

    assert ours
    assert sorted_rows(ours, [one.name for one in fields]) == sorted_rows(
        theirs, [one.wire_name for one in fields]
    )
