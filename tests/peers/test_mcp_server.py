"""mcp-dataverse, a server of tools for assistants: MSAL for Node.js, addresses in the cloud only.

Of its 100 tools the tests use those that read or write rows or read metadata, and judge every
refusal. The others change metadata or show pages to a person.
"""

from __future__ import annotations

import base64
import json
import uuid
from typing import Any

import pytest

from dataverse_source.sandbox import Sandbox
from tests.peers.conversation import ClientFailed
from tests.peers.expected import ACCOUNT, arrived, rows
from tests.peers.mcp import McpServer

pytestmark = [pytest.mark.peers, pytest.mark.slow]

FETCH = "<fetch count='50'><entity name='account'><attribute name='name'/></entity></fetch>"
UNKNOWN = "0f0e0d0c-0b0a-4908-8706-050403020100"


@pytest.fixture(scope="module")
def role(served: Sandbox) -> str:
    unit = served.store.rows("businessunit")[0]["businessunitid"]
    return served.store.create("role", {"name": "Reader", "businessunitid": unit})


def user_of(mcp: McpServer) -> str:
    """The key of the application user."""
    key: str = mcp.use("whoami")["userId"]
    return key


def test_reads_metadata(mcp: McpServer, served: Sandbox) -> None:
    tables = mcp.use("list_tables", includeSystemTables=True, verbose=True)
    known = served.store.schema.by_logical_name
    assert {table["LogicalName"] for table in tables} == set(known)
    account = known["account"]
    whole = mcp.use("get_table_metadata", logicalName="account", verbose=True)
    assert len(whole["Attributes"]) == len(account.columns)
    links = mcp.use("get_relationships", logicalName="new_project")
    lookups = [r for r in served.store.schema.one_to_many if r.referencing == "new_project"]
    assert len(links["manyToOne"]) == len(lookups)
    assert len(mcp.use("list_global_option_sets")) == len(served.store.schema.global_choices)
    assert len(mcp.use("get_option_set", name="new_region")["Options"]) == 4
    (key,) = mcp.use("get_entity_key", tableName="new_project")["keys"]
    assert key["keyAttributes"] == ["new_code"]
    choice = {"entityLogicalName": "account", "attributeLogicalName": "industrycode"}
    assert len(mcp.use("get_attribute_option_set", **choice)["options"]) == 33
    assert mcp.use("resolve_entity_name", name="account")["entitySetName"] == "accounts"
    assert mcp.use("schema_explorer_get_entity", logicalName="account")["entitySetName"]


def test_reads_every_row(mcp: McpServer, served: Sandbox) -> None:
    asked = {"entitySetName": "accounts", "select": list(ACCOUNT)}
    found = mcp.use("retrieve_multiple_with_paging", **asked)
    expected = rows(served, "account")
    assert found["totalRetrieved"] == len(expected)
    # The server leaves empty values out.
    whole = ({**dict.fromkeys(ACCOUNT), **row} for row in found["records"])
    assert arrived(whole, "accountid") == expected
    some = mcp.use(
        "query", **asked, filter="revenue gt 1000", orderby="revenue desc", count=True, top=999
    )
    revenues = [row["revenue"] for row in expected.values() if (row["revenue"] or 0) > 1000]
    assert [row["revenue"] for row in some["value"]] == sorted(revenues, reverse=True)
    assert some["@odata.count"] == len(revenues)
    (sums,) = mcp.use("query", entitySetName="accounts", apply="aggregate(revenue with sum as s)")[
        "value"
    ]
    assert sums["s"] == pytest.approx(sum(row["revenue"] or 0 for row in expected.values()))
    assert len(mcp.use("execute_fetchxml", fetchXml=FETCH, fetchAll=True)) == 50
    changes = mcp.use(
        "change_detection", entitySetName="accounts", deltaToken=None, select=["name"]
    )
    assert len(changes["newAndModified"]) == len(expected)


def test_writes_rows(mcp: McpServer, served: Sandbox) -> None:
    name = uuid.uuid4().hex
    key = mcp.use("create", entitySetName="contacts", data={"lastname": name})["id"]
    row = {"entitySetName": "contacts", "id": key}
    mcp.use("update", **row, data={"lastname": "changed"})
    assert (served.store.row("contact", key) or {})["lastname"] == "changed"
    mcp.use("assign", **row, ownerType="systemuser", ownerId=user_of(mcp))
    account = served.store.rows("account")[0]["accountid"]
    link: dict[str, Any] = {
        "entitySetName": "accounts",
        "id": account,
        "relationshipName": "contact_customer_accounts",
        "relatedEntitySetName": "contacts",
    }
    mcp.use("associate", **link, relatedId=key)
    assert (served.store.row("contact", key) or {})["parentcustomerid"] == account
    property_ = {"navigationProperty": "contact_customer_accounts", "select": "lastname"}
    near = mcp.use("query_associations", entitySetName="accounts", id=account, **property_)
    assert key in {each["contactid"] for each in near["records"]}
    mcp.use("disassociate", **link, relatedId=key, confirm=True)
    assert (served.store.row("contact", key) or {})["parentcustomerid"] is None
    assert mcp.use("associate_bulk", **link, relatedIds=[key])["succeeded"] == [key]
    calls = [{"method": "GET", "url": f"contacts({key})?$select=lastname"}]
    (read,) = mcp.use("batch_execute", requests=calls)["results"]
    assert read["lastname"] == "changed"
    mcp.use("delete", **row, confirm=True)
    assert served.store.row("contact", key) is None


def test_notes_and_variables(mcp: McpServer, served: Sandbox) -> None:
    account = served.store.rows("account")[1]["accountid"]
    mcp.use("create_annotation", recordId=account, entitySetName="accounts", noteText="hello")
    (note,) = mcp.use("get_annotations", recordId=account)["annotations"]
    assert note["noteText"] == "hello"
    variable = f"new_{uuid.uuid4().hex[:8]}"
    with pytest.raises(ClientFailed, match="not found"):
        mcp.use("get_environment_variable", schemaName=variable)
    made = {"schemaName": variable, "displayName": "V", "type": "String", "value": "1"}
    mcp.use("create_environment_variable", **made, confirm=True)
    mcp.use("set_environment_variable", schemaName=variable, value="2")
    assert mcp.use("get_environment_variable", schemaName=variable)["currentValue"] == "2"


def test_files(mcp: McpServer, served: Sandbox) -> None:
    """The server uploads a file as JSON of its bytes, whatever it is: that is what is stored."""
    account = served.store.rows("account")[0]["accountid"]
    file = {"entitySetName": "accounts", "recordId": account, "columnName": "new_contract"}
    content = b"of the test"
    text = base64.b64encode(content).decode()
    mcp.use("upload_file_column", **file, fileContent=text, fileName="a.txt")
    found = json.loads(base64.b64decode(mcp.use("download_file_column", **file)["contentBase64"]))
    assert found == {"type": "Buffer", "data": list(content)}


def test_users_roles_and_teams(mcp: McpServer, served: Sandbox, role: str) -> None:
    user = user_of(mcp)
    assert len(mcp.use("list_business_units")["businessUnits"]) == served.store.count(
        "businessunit"
    )
    assert user in {each["id"] for each in mcp.use("list_users")["users"]}
    assert role in {each["id"] for each in mcp.use("list_roles")["roles"]}
    given = {"userId": user, "roleId": role, "confirm": True}
    mcp.use("assign_role_to_user", **given)
    assert [each["roleId"] for each in mcp.use("get_user_roles", userId=user)["roles"]] == [role]
    mcp.use("remove_role_from_user", **given)
    assert mcp.use("get_user_roles", userId=user)["roles"] == []
    (team, *_) = mcp.use("list_teams")["teams"]
    mcp.use("assign_role_to_team", teamId=team["teamid"], roleId=role, confirm=True)
    assert [row["roleid"] for row in served.store.rows("teamroles")] == [role]
    access = {"entitySetName": "accounts", "recordId": served.store.rows("account")[0]["accountid"]}
    rights = mcp.use("check_record_access", **access, principalId=user)["accessRights"]
    assert "ReadAccess" in str(rights)


@pytest.mark.parametrize(
    "tool",
    [
        "get_audit_log",
        "list_custom_actions",
        "list_connection_references",
        "environment_capabilities",
        "get_workflow_trace_logs",
        "list_workflows",
        "rbac_inspector_list_roles",
        "rbac_inspector_list_users",
        "rbac_inspector_list_field_profiles",
        "table_browser_list_tables",
        "fetchxml_workbench_list_tables",
    ],
)
def test_other_tools_that_read(mcp: McpServer, tool: str) -> None:
    assert mcp.use(tool) is not None


@pytest.mark.parametrize(
    ("tool", "arguments", "said"),
    [
        ("list_plugin_steps", {}, "no table plugintype yet"),
        ("get_plugin_trace_logs", {}, "no table plugintracelogs yet"),
        ("get_role_privileges", {"roleId": UNKNOWN}, "no function RetrieveRolePrivilegesRole yet"),
        ("search", {"query": "a"}, "no search yet"),
        ("publish_customizations", {}, "no action PublishAllXml yet"),
        (
            "create_table",
            {"schemaName": "new_T", "displayName": "T", "displayCollectionName": "Ts"},
            "can't POST metadata: it only reads it",
        ),
    ],
)
def test_what_the_sandbox_lacks(
    mcp: McpServer, served: Sandbox, tool: str, arguments: dict[str, Any], said: str
) -> None:
    served.requests.clear()
    with pytest.raises(ClientFailed) as failed:
        mcp.use(tool, **arguments)
    assert said in failed.value.message
    assert 501 in {request.status for request in served.requests}


@pytest.mark.parametrize(
    ("tool", "arguments", "status"),
    [
        # PUT on a row: Dataverse takes PUT for single properties only.
        (
            "upsert",
            {
                "entitySetName": "new_projects",
                "alternateKey": "new_code",
                "alternateKeyValue": "1",
                "data": {"new_name": "x"},
            },
            405,
        ),
        # Without an entity set it asks for the logical name.
        ("fetchxml_workbench_execute", {"fetchXml": FETCH}, 404),
        ("get_workflow", {"workflowId": UNKNOWN}, 404),
    ],
)
def test_what_dataverse_refuses_too(
    mcp: McpServer, served: Sandbox, tool: str, arguments: dict[str, Any], status: int
) -> None:
    served.requests.clear()
    with pytest.raises(ClientFailed):
        mcp.use(tool, **arguments)
    assert status in {request.status for request in served.requests}
