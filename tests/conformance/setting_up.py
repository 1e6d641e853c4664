"""Sets up what the printed rows of an exchange do not show: other rows, views, the clock."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any
from urllib.parse import unquote

from dataverse_source.sandbox.schema.tables import Table
from dataverse_source.sandbox.writes.files import put_file
from tests.conformance.corner import Corner
from tests.conformance.corpus import Exchange, exchanges
from tests.conformance.planting import plant

HIGHEST = "00000000-0000-0000-0000-ffff{:08x}"
LOWEST = "00000000-0000-0000-0000-{:012x}"
IN_2017 = datetime(2017, 8, 22, 8, 10, 44, tzinfo=timezone.utc)
PACIFIC_TIME = 4
_SET = re.compile(r"/api/data/v9\.\d/(\w+)")
_KEY = re.compile(r"\(([0-9a-fA-F-]{36})\)")
_VIEW = re.compile(r"(?:savedQuery|userQuery)=([0-9a-f-]{36})")

Prepare = Callable[[Corner, Exchange], None]


def table_of(corner: Corner, exchange: Exchange) -> Table | None:
    """The table whose entity set the path begins with."""
    found = _SET.match(unquote(exchange.path))
    return corner.store.schema.by_entity_set.get(found[1]) if found else None


def printed_rows(corner: Corner, exchange: Exchange) -> None:
    """Plants the rows of an answer that is a table's collection or one of its rows."""
    table, body = table_of(corner, exchange), exchange.body
    below = re.search(r"/v9\.\d/[^/?]+/[^?]", exchange.path)
    if table is None or below:
        return
    if isinstance(body, dict):
        rows = body.get("value", [body])
        for row in rows if isinstance(rows, list) else []:
            if table.primary_id in row:
                plant(corner.store, table, row)


def asked_row(corner: Corner, exchange: Exchange) -> None:
    """Plants the row that the path names, when no answer shows it."""
    table, key = table_of(corner, exchange), key_of(exchange)
    if table is not None and key is not None:
        plant(corner.store, table, {table.primary_id: key})


def key_of(exchange: Exchange) -> str | None:
    """The key in the path."""
    found = _KEY.search(unquote(exchange.path.partition("?")[0]))
    return found[1].lower() if found else None


def one_more(corner: Corner, exchange: Exchange) -> None:
    """A row after all others, so that there is another page."""
    more(1)(corner, exchange)


def unchanged(corner: Corner, exchange: Exchange) -> None:
    """The row in the version that the request knows."""
    table = table_of(corner, exchange)
    assert table is not None
    row = {table.primary_id: key_of(exchange), "@odata.etag": exchange.headers["if-none-match"]}
    plant(corner.store, table, row)


def more(count: int, **values: Any) -> Prepare:
    """Rows after all others."""
    return around(0, count, **values)


def around(before: int, after: int, **values: Any) -> Prepare:
    """Rows before and after all others."""

    def prepare(corner: Corner, exchange: Exchange) -> None:
        table = table_of(corner, exchange)
        assert table is not None
        for form, count in ((LOWEST, before), (HIGHEST, after)):
            for number in range(count):
                plant(corner.store, table, {table.primary_id: form.format(number), **values})

    return prepare


def contacts_before(letter: str) -> Prepare:
    """A contact whose name comes before all others."""
    return more(1, fullname=letter)


def accounts_by_status(corner: Corner, exchange: Exchange) -> None:
    """Eight active accounts with 430,000 of revenue, and one inactive with 10,000."""
    for revenue in (30_000, 40_000, 50_000, 50_000, 60_000, 60_000, 70_000, 70_000):
        corner.store.create("account", {"revenue": revenue, **currency(corner)})
    inactive = {"statecode": 1, "statuscode": 2, "revenue": 10_000}
    corner.store.create("account", {**inactive, **currency(corner)})


def currency(corner: Corner) -> dict[str, str]:
    """The lookup of a dollar."""
    found = corner.store.rows("transactioncurrency")
    key = found[0]["transactioncurrencyid"] if found else corner.store.create(
        "transactioncurrency", {"currencyname": "US Dollar", "currencysymbol": "$"}
    )  # fmt: skip
    return {"transactioncurrencyid": key}


def revenue_by_contact(corner: Corner, exchange: Exchange) -> None:
    """The accounts whose revenue the printed groups add up."""
    for row in exchange.body["value"]:
        contact = corner.store.create("contact", {"fullname": row["contact_fullname"]})
        values = {"primarycontactid": contact, "revenue": row["total"], **currency(corner)}
        corner.store.create("account", values)


def contacts_in_washington(corner: Corner, exchange: Exchange) -> None:
    """An account in Washington for every printed contact, and one elsewhere."""
    for row in exchange.body["value"]:
        contact = corner.store.create("contact", {"fullname": row["contact_fullname"]})
        values = {"primarycontactid": contact, "address1_stateorprovince": "WA"}
        corner.store.create("account", values)
    corner.store.create("account", {"address1_stateorprovince": "TX"})


def changed(logical_name: str, **values: Any) -> Prepare:
    """Gives all printed rows of a table some values more."""

    def prepare(corner: Corner, exchange: Exchange) -> None:
        table = corner.store.table(logical_name)
        for row in exchange.body["value"]:
            plant(corner.store, table, row, **values)

    return prepare


def groups(corner: Corner, exchange: Exchange) -> None:
    """A row for each printed group."""
    table = table_of(corner, exchange)
    assert table is not None
    for values in exchange.body["value"]:
        plant(corner.store, table, values)


def created_on(corner: Corner, exchange: Exchange) -> None:
    """An account created at the printed moment."""
    (row,) = exchange.body["value"]
    moments = [value for name, value in row.items() if "@" not in name]
    corner.store.create("account", {"createdon": moments[0]})


def in_2017(corner: Corner, exchange: Exchange) -> None:
    """The clock at the moment of the printed delta token."""
    corner.clock.set(IN_2017)


def one_deleted(corner: Corner, exchange: Exchange) -> None:
    """The printed change after the token, and the printed deletion."""
    in_2017(corner, exchange)
    changed, deleted = exchange.body["value"]
    corner.store.update("account", changed["accountid"], {"name": changed["name"]})
    corner.store.create("account", {"accountid": deleted["id"]})
    corner.store.delete("account", deleted["id"])


def pointing(column: str, target: str) -> Prepare:
    """Points the printed accounts at the row that the filter names."""

    def prepare(corner: Corner, exchange: Exchange) -> None:
        found = re.search(r"[0-9a-f]{8}-[0-9a-f-]{27}", exchange.path)
        assert found is not None
        table = corner.store.table(target)
        plant(corner.store, table, {table.primary_id: found[0]})
        for row in exchange.body["value"]:
            version = corner.store.row("account", row["accountid"])
            assert version is not None
            corner.store.update("account", row["accountid"], {column: found[0]},
                                version=version["versionnumber"])  # fmt: skip

    return prepare


def view(logical_name: str, table: str, *attributes: str, order: str = "") -> Prepare:
    """A view under the key that the request names."""

    def prepare(corner: Corner, exchange: Exchange) -> None:
        found = _VIEW.search(exchange.path)
        assert found is not None
        inside = "".join(f"<attribute name='{name}'/>" for name in attributes)
        inside += f"<order attribute='{order}'/>" if order else ""
        xml = f"<fetch><entity name='{table}'>{inside}</entity></fetch>"
        values = {"fetchxml": xml, "returnedtypecode": table, f"{logical_name}id": found[1]}
        corner.store.create(logical_name, values)

    return prepare


def rows_of_batch(corner: Corner, exchange: Exchange) -> None:
    """The rows of the answer within a batch."""
    body = inner_body(exchange.text)
    for row in body["value"]:
        plant(corner.store, corner.store.table("account"), row)


def inner_body(text: str) -> Any:
    """The JSON of the first part of a multipart body."""
    return json.JSONDecoder(parse_float=Decimal).raw_decode(text[text.index("{") :])[0]


def row(logical_name: str, **values: Any) -> Prepare:
    """A row."""

    def prepare(corner: Corner, exchange: Exchange) -> None:
        plant(corner.store, corner.store.table(logical_name), values)

    return prepare


def account_of_contact(corner: Corner, exchange: Exchange) -> None:
    """An account that points at the contact that its alternate key names."""
    contact = corner.store.create("contact", {"contactid": LOWEST.format(1)})
    corner.store.create("account", {"primarycontactid": contact})


def property_of(logical_name: str, name: str) -> Prepare:
    """The row with the printed value of one property."""

    def prepare(corner: Corner, exchange: Exchange) -> None:
        table = corner.store.table(logical_name)
        plant(corner.store, table, {table.primary_id: key_of(exchange),
                                    name: exchange.body["value"]})  # fmt: skip

    return prepare


def related_row(logical_name: str, step: str) -> Prepare:
    """The row whose related row is printed."""

    def prepare(corner: Corner, exchange: Exchange) -> None:
        table = corner.store.table(logical_name)
        plant(corner.store, table, {table.primary_id: key_of(exchange), step: exchange.body})

    return prepare


def children(logical_name: str, step: str) -> Prepare:
    """The row whose collection is printed."""

    def prepare(corner: Corner, exchange: Exchange) -> None:
        table = corner.store.table(logical_name)
        rows = exchange.body["value"]
        plant(corner.store, table, {table.primary_id: key_of(exchange), step: rows})

    return prepare


def tasks_of_account(corner: Corner, exchange: Exchange) -> None:
    """The tasks whose references are printed."""
    keys = [re.findall(r"\(([0-9a-f-]{36})\)", row["@odata.id"]) for row in exchange.body["value"]]
    tasks = [{"activityid": key} for (key,) in keys]
    account = {"accountid": key_of(exchange), "Account_Tasks": tasks}
    plant(corner.store, corner.store.table("account"), account)


def two_tasks(corner: Corner, exchange: Exchange) -> None:
    """An account with two tasks."""
    tasks = [{"activityid": HIGHEST.format(number)} for number in range(2)]
    account = {"accountid": key_of(exchange), "Account_Tasks": tasks}
    plant(corner.store, corner.store.table("account"), account)


def file_of(number: int) -> Prepare:
    """An account with the file that the headers of an exchange tell of."""

    def prepare(corner: Corner, exchange: Exchange) -> None:
        told = exchanges()[number].answer_headers
        account = LOWEST.format(1)
        plant(corner.store, corner.store.table("account"), {"accountid": account})
        content = bytes(int(told["x-ms-file-size"]))
        name, mime = told["x-ms-file-name"], told["mimetype"]
        put_file(corner.environment, "account", account, "sample_filecolumn", content, name, mime)

    return prepare


def metadata_ids(corner: Corner, exchange: Exchange) -> None:
    """Nothing: the test puts the sandbox's own ids in the place of the printed ones."""


def same_organization(corner: Corner, exchange: Exchange) -> None:
    """The organization and the user of the printed ids."""
    body = exchange.body
    corner.environment.organization = replace(
        corner.environment.organization,
        organization_id=body["OrganizationId"],
        business_unit_id=body["BusinessUnitId"],
    )
    corner.caller = replace(corner.caller, user_id=body["UserId"])


def rows_of(number: int) -> Prepare:
    """The rows of another exchange."""

    def prepare(corner: Corner, exchange: Exchange) -> None:
        printed_rows(corner, exchanges()[number])

    return prepare


def target_row(corner: Corner, exchange: Exchange) -> None:
    """The row that the argument ``Target`` refers to."""
    found = re.search(r"'@odata.id':'(\w+)\(([0-9a-f-]+)\)'", exchange.path)
    assert found is not None
    table = corner.store.schema.by_entity_set[found[1]]
    plant(corner.store, table, {table.primary_id: found[2]})


def minutes_of_case(corner: Corner, exchange: Exchange) -> None:
    """Two completed tasks of a case that took the printed time, and one that is still open."""
    total = int(exchange.body["TotalTime"])
    for minutes, state in ((total // 3, 1), (total - total // 3, 1), (10, 0)):
        values = {
            "regardingobjectid": key_of(exchange),
            "regardingobjectid@table": "incident",
            "actualdurationminutes": minutes,
            "statecode": state,
            "statuscode": 5 if state else 2,
        }
        corner.store.create("task", values)


def token_of_download(corner: Corner) -> dict[str, str]:
    """The token that begins the download of ``file_of``."""
    target = {"@odata.type": "Microsoft.Dynamics.CRM.account", "accountid": LOWEST.format(1)}
    body = json.dumps({"Target": target, "FileAttributeName": "sample_filecolumn"})
    answer = corner.ask("POST", "/api/data/v9.2/InitializeFileBlocksDownload", {}, body)
    return {"FileContinuationToken": json.loads(answer.body)["FileContinuationToken"]}


def audits_of_user(corner: Corner, exchange: Exchange) -> None:
    """The printed deletions of contacts, by the user whose audits are asked for."""
    user = key_of(exchange)
    assert user is not None
    name = exchange.body["value"][0]["_userid_value@OData.Community.Display.V1.FormattedValue"]
    corner.store.update("systemuser", user, {"fullname": name})
    for row in exchange.body["value"]:
        values = {name: value for name, value in row.items() if "@" not in name}
        corner.store.create(
            "audit",
            {
                "operation": 3,
                "action": 3,
                "createdon": values["createdon"],
                "objecttypecode": values["objecttypecode"],
                "objectid": values["_objectid_value"],
                "objectid@table": values["objecttypecode"],
                "userid": user,
                "transactionid": values["transactionid"],
                "attributemask": values["attributemask"],
            },
        )


def in_seattle(then: Prepare | None = None) -> Prepare:
    """A user whose clocks show Pacific time, as the docs' authors have it; then more."""

    def prepare(corner: Corner, exchange: Exchange) -> None:
        values = {"systemuserid": corner.caller.user_id, "timezonecode": PACIFIC_TIME}
        corner.store.create("usersettings", values)
        if then is not None:
            then(corner, exchange)

    return prepare
