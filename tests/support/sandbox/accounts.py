"""Three accounts of the default tables, the first with values that the docs print."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from decimal import Decimal

from dataverse_source.sandbox.schema.catalog import default_schema
from tests.support.sandbox.reading import USER, Reading, reading

CONTACT = "d5026a4d-d01c-ed11-b83e-000d3a572421"
ACCOUNT = "60c4e274-0d87-e711-80e5-00155db19e6d"


@contextmanager
def three_accounts() -> Iterator[Reading]:
    """A data side with the accounts, closed afterwards."""
    with reading(default_schema()) as side:
        store = side.store
        store.create("systemuser", {"systemuserid": USER, "fullname": "System Administrator"})
        currency = store.create(
            "transactioncurrency", {"currencyname": "US Dollar", "currencysymbol": "$"}
        )
        store.create("contact", {"contactid": CONTACT, "fullname": "Susanna Stubberod (sample)"})
        store.create(
            "account",
            {
                "accountid": ACCOUNT,
                "name": "Test Account 1",
                "revenue": Decimal("20000"),
                "transactioncurrencyid": currency,
                "primarycontactid": CONTACT,
                "customertypecode": 1,
                "ownerid": USER,
                "ownerid@table": "systemuser",
            },
            modified_on=datetime(2023, 4, 7, 21, 59, 1, tzinfo=timezone.utc),
        )
        store.create("account", {"name": "Test Account 2"})
        store.create("account", {"name": "Zeta"})
        yield side
