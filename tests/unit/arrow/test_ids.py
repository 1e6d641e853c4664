"""An id is one id however it is spelled: in capitals, in braces, padded."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
import pytest

from dataverse_source.arrow.decode import decode_page
from dataverse_source.arrow.keys import plain_ids
from dataverse_source.arrow.schema import table_schema
from dataverse_source.errors import ProtocolError
from dataverse_source.metadata.model import Column, Table

ID = "0080ccb4-38a8-ee11-a000-000d3a2f391f"
SPELLINGS = [ID, ID.upper(), f"{{{ID}}}", f"({ID.upper()})", f" {ID}  ", f"{{{ID.upper()}}} "]
SPELLINGS += [ID.replace("-", ""), ID.replace("-", "").upper()]
COLUMNS = (
    Column("accountid", "UniqueidentifierType", is_primary_id=True),
    Column("ownerid", "OwnerType"),
    Column("code", "StringType"),
)
SCHEMA = table_schema(Table("account", "accounts", "accountid", columns=COLUMNS), COLUMNS)
DELETED = "https://org.crm.dynamics.com/api/data/v9.2/$metadata#accounts/$deletedEntity"


@pytest.mark.parametrize("spelled", SPELLINGS)
def test_keys_lookups_and_deletions_have_one_spelling(spelled: str) -> None:
    rows: list[dict[str, Any]] = [
        {"accountid": spelled, "_ownerid_value": spelled, "code": spelled},
        {"@odata.context": DELETED, "id": spelled, "reason": "deleted"},
    ]
    page = decode_page(json.dumps({"value": rows}).encode(), SCHEMA, delta=True)
    (row,) = page.rows.to_pylist()
    assert (row["accountid"], row["ownerid"]) == (ID, ID)
    assert row["code"] == spelled  # a text is no id
    assert page.deleted.to_pylist() == [ID]
    assert page.rows.schema == SCHEMA.arrow


@pytest.mark.parametrize("address", ["accounts(%s)", "https://org.crm.dynamics.com/x/accounts(%s)"])
def test_a_deleted_row_may_be_told_by_its_address(address: str) -> None:
    row = {"@odata.context": DELETED, "id": address % ID.upper(), "reason": "deleted"}
    page = decode_page(json.dumps({"value": [row]}).encode(), SCHEMA, delta=True)
    assert page.deleted.to_pylist() == [ID]


@pytest.mark.parametrize("key", ["accounts(name='Contoso')", "nonsense", f"{ID}x", ""])
def test_a_deleted_row_without_an_id_is_an_error(key: str) -> None:
    row = {"@odata.context": DELETED, "id": key, "reason": "deleted"}
    with pytest.raises(ProtocolError, match="1 of 1 deleted rows in a page have no ids"):
        decode_page(json.dumps({"value": [row]}).encode(), SCHEMA, delta=True)


def test_what_is_no_id_stays_as_it_is() -> None:
    texts = ["ABC", None, "", f"{ID}x".upper(), f"{ID} {ID}"]
    for texts_of_a_page in (texts, [*texts, ID.upper()]):
        found = plain_ids(pa.array(texts_of_a_page, pa.string())).to_pylist()
        assert found[: len(texts)] == texts
