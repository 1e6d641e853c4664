from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
import requests

from dataverse_source.sandbox import Sandbox
from tests.support.sandbox.user_clients import api, signed_in

SET = "new_externalproducts"
Crm = tuple[Sandbox, requests.Session]


@pytest.fixture
def crm() -> Iterator[Crm]:
    with (
        Sandbox(rows={"new_externalproduct": 230, "new_sensorreading": 3}) as sandbox,
        signed_in(sandbox) as session,
    ):
        yield sandbox, session


def read(crm: Crm, path: str, prefer: str = "") -> Any:
    sandbox, session = crm
    return session.get(api(sandbox, path), headers={"Prefer": prefer} if prefer else {}).json()


@pytest.mark.parametrize("query", ["", "?$top=3", "?$top=5000"])
def test_the_provider_pages_as_it_likes(crm: Crm, query: str) -> None:
    page = read(crm, SET + query, "odata.maxpagesize=5000")
    sizes, keys = [len(page["value"])], {row["new_externalproductid"] for row in page["value"]}
    while "@odata.nextLink" in page:
        page = crm[1].get(page["@odata.nextLink"]).json()
        sizes.append(len(page["value"]))
        keys |= {row["new_externalproductid"] for row in page["value"]}
    assert sizes == [100, 100, 30]
    assert len(keys) == 230


def test_rows_have_no_etag_and_no_version_number(crm: Crm) -> None:
    row = read(crm, SET)["value"][0]
    assert "@odata.etag" not in row
    assert "versionnumber" not in row


def test_virtual_tables_are_not_tracked(crm: Crm) -> None:
    assert read(crm, SET, "odata.track-changes")["error"]["code"] == "0x80072491"


def test_fetchxml_on_virtual_and_elastic_tables(crm: Crm) -> None:
    fetch = "<fetch top='3'><entity name='new_externalproduct'><attribute name='new_name'/>"
    page = read(crm, f"{SET}?fetchXml={quote(fetch + '</entity></fetch>')}")
    assert len(page["value"]) == 100
    link = "<link-entity name='systemuser' from='systemuserid' to='owninguser'/>"
    fetch = f"<fetch><entity name='new_sensorreading'>{link}</entity></fetch>"
    error = read(crm, f"new_sensorreadings?fetchXml={quote(fetch)}")["error"]
    assert error == {"code": "0x80048d0b", "message": "Link entities are not supported"}
