"""A data side over a small schema of every column type, asked as a client would."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import pytest

from dataverse_source.sandbox.api.router import DataSide
from dataverse_source.sandbox.environment.clock import Clock
from dataverse_source.sandbox.environment.environment import Caller, Environment
from dataverse_source.sandbox.http.messages import DataverseFault, Request, Response
from dataverse_source.sandbox.schema.tables import Column, OneToMany, Option, Schema, Table
from dataverse_source.sandbox.store.store import Store
from dataverse_source.sandbox.switches import Switches

USER = "11111111-1111-1111-1111-111111111111"
CALLER = Caller(USER, "22222222-2222-2222-2222-222222222222")
HOST = "https://contoso.example"
ROOT = f"{HOST}/api/data/v9.2/"


def widget_table() -> Table:
    """A table with a column of every type that rows carry."""
    return Table(
        logical_name="new_widget",
        schema_name="new_Widget",
        entity_set_name="new_widgets",
        primary_id="new_widgetid",
        primary_name="new_name",
        object_type_code=10_001,
        columns=(
            Column("new_widgetid", "Uniqueidentifier", is_primary_id=True),
            Column("new_name", "String", is_primary_name=True, max_length=100),
            Column("new_notes", "Memo"),
            Column("new_count", "Integer"),
            Column("new_big", "BigInt"),
            Column("new_rate", "Decimal", precision=3),
            Column("new_price", "Money", precision=2),
            Column("new_price_base", "Money", calculation_of="new_price"),
            Column("new_weight", "Double", precision=2),
            Column("new_ready", "Boolean", options=(Option(0, "No"), Option(1, "Yes"))),
            Column("new_madeon", "DateTime", date_behavior="UserLocal"),
            Column("new_opens", "DateTime", date_behavior="TimeZoneIndependent"),
            Column("new_day", "DateTime", date_behavior="DateOnly", format="DateOnly"),
            Column("new_color", "Picklist", options=(Option(1, "Red"), Option(2, 'Dark "blue"'))),
            Column(
                "new_tags",
                "MultiSelectPicklist",
                options=(Option(5, "Crm 4"), Option(7, "Crm 2011")),
            ),
            Column("new_serial", "Uniqueidentifier"),
            Column("new_makerid", "Lookup", targets=("new_maker",)),
            Column("new_buyerid", "Customer", targets=("new_maker", "new_widget")),
            Column("statecode", "State", options=(Option(0, "Active"), Option(1, "Inactive"))),
            Column("statuscode", "Status", options=(Option(1, "Active", 0), Option(2, "Off", 1))),
            Column("createdon", "DateTime", date_behavior="UserLocal"),
            Column("modifiedon", "DateTime", date_behavior="UserLocal"),
            Column("versionnumber", "BigInt"),
        ),
    )


def maker_table() -> Table:
    """The table that widgets point at."""
    return Table(
        logical_name="new_maker",
        schema_name="new_Maker",
        entity_set_name="new_makers",
        primary_id="new_makerid",
        primary_name="new_name",
        object_type_code=10_002,
        columns=(
            Column("new_makerid", "Uniqueidentifier", is_primary_id=True),
            Column("new_name", "String", is_primary_name=True),
            Column("new_size", "Integer"),
            Column("modifiedon", "DateTime", date_behavior="UserLocal"),
            Column("versionnumber", "BigInt"),
        ),
    )


def small_schema(made_by_cascade: str = "RemoveLink") -> Schema:
    """Widgets, their makers and their buyers."""
    return Schema(
        tables=(widget_table(), maker_table()),
        one_to_many=(
            OneToMany(
                "new_maker_widgets",
                "new_maker",
                "new_makerid",
                "new_widget",
                "new_makerid",
                "new_MakerId",
                "new_maker_widgets",
                made_by_cascade,
            ),
            *(
                OneToMany(
                    f"new_buyer_{target}",
                    target,
                    f"{target}id",
                    "new_widget",
                    "new_buyerid",
                    f"new_buyerid_{target}",
                    f"new_buyer_{target}",
                )
                for target in ("new_maker", "new_widget")
            ),
        ),
    )


class Reading:
    """A data side over a store of its own."""

    def __init__(self, schema: Schema | None = None, switches: Switches | None = None) -> None:
        self.clock = Clock(frozen=True)
        self.store = Store(schema or small_schema(), self.clock)
        self.environment = Environment(self.store, self.clock, switches or Switches())
        self.side = DataSide(self.environment)

    def ask(
        self,
        rest: str,
        prefer: str = "",
        method: str = "GET",
        body: Any = None,
        caller: Caller = CALLER,
        **headers: str,
    ) -> Response:
        """The answer to a request; spaces and quotes need no encoding."""
        path, _, query = quote(rest, safe="%/?&=$()',;:@*[]{}+!\"").partition("?")
        named = {name.replace("_", "-").lower(): text for name, text in headers.items()}
        if prefer:
            named["prefer"] = prefer
        content = b"" if body is None else json.dumps(body).encode()
        request = Request(method, f"/api/data/v9.2/{path}", query, named, content, HOST)
        return self.side.answer(request, path, caller)

    def json(self, rest: str, prefer: str = "") -> Any:
        """The parsed answer, with exact decimals."""
        answer = self.ask(rest, prefer)
        assert answer.status == 200
        return json.loads(answer.body, parse_float=Decimal)

    def fault(self, rest: str, prefer: str = "", **more: Any) -> tuple[int, str, str]:
        """Status, code and message of a refusal."""
        with pytest.raises(DataverseFault) as caught:
            self.ask(rest, prefer, **more)
        return caught.value.status, caught.value.code, caught.value.message

    def pages(self, rest: str, prefer: str = "") -> Iterator[Any]:
        """All pages of a query, by its next links."""
        while True:
            page = self.json(rest, prefer)
            yield page
            if "@odata.nextLink" not in page:
                return
            assert page["@odata.nextLink"].startswith(ROOT)
            rest = page["@odata.nextLink"][len(ROOT) :]


@contextmanager
def reading(schema: Schema | None = None, switches: Switches | None = None) -> Iterator[Reading]:
    """A data side, closed afterwards."""
    made = Reading(schema, switches)
    try:
        yield made
    finally:
        made.store.close()
