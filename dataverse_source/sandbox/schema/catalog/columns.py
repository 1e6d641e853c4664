"""Short ways to write a column down: each gives the column with its companions and links."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from dataverse_source.sandbox.schema.tables import Column, Option

INT_RANGE = (-2_147_483_648.0, 2_147_483_647.0)
# Docs page "Money columns": -922,337,203,685,477.0000 to 922,337,203,685,477.0000.
MONEY_RANGE = (-922_337_203_685_477.0, 922_337_203_685_477.0)
# Docs page "Types of columns": decimal and float hold -100,000,000,000 to 100,000,000,000.
NUMBER_RANGE = (-100_000_000_000.0, 100_000_000_000.0)
# AttributeMetadata of every table's exchangerate: 10 digits before and 12 after the point.
EXCHANGE_RATE_PRECISION = 12
EXCHANGE_RATE_RANGE = (1e-12, 1e11)
MAX_IMAGE_KB = 10_240
MAX_FILE_KB = 32_768


@dataclass(frozen=True)
class Link:
    """A 1:N relationship as its lookup column states it; the referencing table comes later."""

    relationship: str
    attribute: str
    referenced: str
    navigation: str
    collection: str
    cascade_delete: str


@dataclass(frozen=True)
class Part:
    """What one line of a table's description adds to it."""

    columns: tuple[Column, ...]
    links: tuple[Link, ...] = ()

    def alone(self) -> Part:
        """The same part without companions."""
        return Part(self.columns[:1], self.links)

    def with_(self, **changes: Any) -> Part:
        """The same part with other values in its first, leading column."""
        return Part((replace(self.columns[0], **changes), *self.columns[1:]), self.links)

    def navigated_by(self, ending: str) -> Part:
        """The same part, its navigation properties' names with an ending."""
        links = tuple(replace(x, navigation=f"{x.navigation}{ending}") for x in self.links)
        return Part(self.columns, links)

    def logical(self) -> Part:
        """The same part, stored in another table."""
        return Part(tuple(replace(c, is_logical=True) for c in self.columns), self.links)


def readable_name(schema_name: str) -> str:
    """``Address1_PostalCode`` as people read it: ``Address 1: Postal Code``."""
    address = re.match(r"Address(\d)_(.+)$", schema_name)
    if address:
        return f"Address {address[1]}: {readable_name(address[2])}"
    words = re.sub(r"^[a-z]+_", "", schema_name)
    words = re.sub(r"(?:Code|Id)$", "", words) or words
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", words)


def options(text: str) -> tuple[Option, ...]:
    """Options from ``1=First;2=Second``; a status reason names its state: ``1:0=Active``."""
    found = []
    for item in filter(None, text.split(";")):
        number, label = item.split("=", 1)
        value, _, state = number.partition(":")
        found.append(Option(int(value), label, int(state) if state else None))
    return tuple(found)


def one(schema_name: str, type_: str, display_name: str = "", **more: Any) -> Part:
    """A column without companions."""
    return Part(
        (
            Column(
                name=schema_name.lower(),
                type=type_,
                schema_name=schema_name,
                display_name=display_name or readable_name(schema_name),
                is_custom=re.match(r"[a-z]+_", schema_name) is not None,
                **more,
            ),
        )
    )


def companion(of: Column, ending: str, type_: str = "Virtual", **more: Any) -> Column:
    """A column that accompanies another, such as ``statecodename``; not part of OData rows."""
    values: dict[str, Any] = {
        "attribute_of": of.name,
        "is_valid_odata": False,
        "writable": False,
        "source_type": None,
        "is_custom": of.is_custom,
        **more,
    }
    return Column(of.name + ending.lower(), type_, of.schema_name + ending, **values)


def _with_name(part: Part) -> Part:
    """Adds the virtual ``<column>name`` that holds a choice's label."""
    return Part((*part.columns, companion(part.columns[0], "Name")))


def key(schema_name: str, display_name: str = "") -> Part:
    """The primary key."""
    more = {"is_primary_id": True, "required": "SystemRequired", "source_type": None}
    return one(schema_name, "Uniqueidentifier", display_name, **more)


def guid(schema_name: str, **more: Any) -> Part:
    """A GUID that is not a lookup."""
    return one(schema_name, "Uniqueidentifier", source_type=None, **more)


def text(
    schema_name: str, length: int = 100, display_name: str = "", format_: str = "Text", **more: Any
) -> Part:
    """A single line of text."""
    return one(schema_name, "String", display_name, max_length=length, format=format_, **more)


def texts(length: int, names: str) -> tuple[Part, ...]:
    """Several single lines of text of one length, names separated by spaces."""
    return tuple(text(name, length) for name in names.split())


def memo(schema_name: str, length: int = 2000, display_name: str = "", **more: Any) -> Part:
    """Multiple lines of text."""
    return one(
        schema_name, "Memo", display_name, max_length=length, format="TextArea", **more
    ).with_(source_type=more.get("source_type"))


def whole(
    schema_name: str,
    low: float = INT_RANGE[0],
    high: float = INT_RANGE[1],
    format_: str = "None",
    **more: Any,
) -> Part:
    """A whole number of 32 bits."""
    return one(schema_name, "Integer", min_value=low, max_value=high, format=format_, **more)


def big(schema_name: str, **more: Any) -> Part:
    """A whole number of 64 bits."""
    return one(schema_name, "BigInt", source_type=None, **more)


def decimal(
    schema_name: str, precision: int = 2, span: tuple[float, float] = NUMBER_RANGE, **more: Any
) -> Part:
    """An exact number with ``precision`` digits after the point."""
    return one(
        schema_name, "Decimal", precision=precision, min_value=span[0], max_value=span[1], **more
    )


def float_(
    schema_name: str, precision: int = 5, span: tuple[float, float] = NUMBER_RANGE, **more: Any
) -> Part:
    """A floating point number."""
    values = {"precision": precision, "min_value": span[0], "max_value": span[1], **more}
    return one(schema_name, "Double", **values).with_(source_type=None)


def money(schema_name: str, precision_source: int = 2, low: float = 0.0, **more: Any) -> Part:
    """An amount in the row's currency and its twin in the base currency."""
    amount = one(
        schema_name,
        "Money",
        precision=2,
        precision_source=precision_source,
        min_value=low,
        max_value=MONEY_RANGE[1],
        **more,
    ).columns[0]
    base = replace(
        amount,
        name=f"{amount.name}_base",
        schema_name=f"{schema_name}_Base",
        display_name=f"{amount.display_name} (Base)",
        precision=4,
        min_value=MONEY_RANGE[0],
        writable=False,
        calculation_of=amount.name,
    )
    return Part((amount, base))


def yes_no(schema_name: str, labels: str = "0=No;1=Yes", **more: Any) -> Part:
    """A column that is true or false."""
    return _with_name(one(schema_name, "Boolean", options=options(labels), **more))


def yes_nos(names: str) -> tuple[Part, ...]:
    """Several columns that are true or false, names separated by spaces."""
    return tuple(yes_no(name) for name in names.split())


def moment(
    schema_name: str,
    behavior: str = "UserLocal",
    format_: str = "DateAndTime",
    **more: Any,
) -> Part:
    """A date, with or without time, in one of the three behaviours."""
    return one(schema_name, "DateTime", date_behavior=behavior, format=format_, **more)


def choice(schema_name: str, labels: str = "1=Default Value", **more: Any) -> Part:
    """One of a list of options."""
    return _with_name(one(schema_name, "Picklist", options=options(labels), **more))


def choices(schema_name: str, labels: str, **more: Any) -> Part:
    """Any number of a list of options."""
    return _with_name(one(schema_name, "MultiSelectPicklist", options=options(labels), **more))


def state(labels: str = "0=Active;1=Inactive") -> Part:
    """The state: whether a row is active."""
    values = {"required": "SystemRequired", "options": options(labels), "source_type": None}
    return _with_name(one("StateCode", "State", "Status", **values))


def status(labels: str = "1:0=Active;2:1=Inactive") -> Part:
    """The status reason: why a row is in its state."""
    values = {"options": options(labels), "source_type": None}
    return _with_name(one("StatusCode", "Status", "Status Reason", **values))


def lookup(
    schema_name: str,
    target: str,
    via: str,
    *,
    navigation: str = "",
    collection: str = "",
    cascade: str = "RemoveLink",
    yomi: bool = False,
    **more: Any,
) -> Part:
    """A reference to a row of one table; ``via`` is the relationship's schema name."""
    column = one(schema_name, "Lookup", targets=(target,), **more).columns[0]
    single = navigation or (schema_name if column.is_custom else column.name)
    link = Link(via, column.name, target, single, collection or via, cascade)
    return Part((column, *_lookup_names(column, yomi)), (link,))


def _lookup_names(column: Column, yomi: bool) -> Iterable[Column]:
    endings = ("Name", "YomiName") if yomi else ("Name",)
    for ending in endings:
        yield companion(column, ending, "String", max_length=100, format="Text")


def any_of(
    schema_name: str,
    vias: Mapping[str, str],
    *,
    type_: str = "Lookup",
    navigation: str = "{attribute}_{target}",
    cascade: str = "RemoveLink",
    **more: Any,
) -> Part:
    """A reference to a row of one of several tables.

    ``vias`` maps each target to its relationship's schema name; each target has a navigation
    property of its own. The ``...type`` companion names the table that a value points at.
    """
    column = one(schema_name, type_, targets=tuple(vias), **more).columns[0]
    # A custom lookup's navigation properties keep the capitals of its schema name.
    attribute = schema_name if column.is_custom else column.name
    links = tuple(
        Link(
            via,
            column.name,
            target,
            navigation.format(attribute=attribute, target=target),
            via,
            cascade,
        )
        for target, via in vias.items()
    )
    kind = companion(column, "Type", "EntityName")
    return Part((column, *_lookup_names(column, yomi=True), kind), links)


def image(schema_name: str = "EntityImage", display_name: str = "Default Image") -> Part:
    """An image; rows carry its thumbnail, its id, its URL and its time stamp."""
    column = one(schema_name, "Image", display_name, max_size_kb=MAX_IMAGE_KB).columns[0]
    visible = {"is_valid_odata": True}
    return Part(
        (
            replace(column, source_type=None),
            companion(column, "_Timestamp", "BigInt", **visible),
            companion(column, "_URL", "String", max_length=200, format="Url", **visible),
            companion(column, "Id", "Uniqueidentifier", **visible),
        )
    )


def file(schema_name: str, **more: Any) -> Part:
    """A file; rows carry its id and its name."""
    column = one(schema_name, "File", max_size_kb=MAX_FILE_KB, **more).columns[0]
    name = companion(column, "_Name", "String", max_length=200, format="Text", is_valid_odata=True)
    return Part((replace(column, source_type=None), name))


def rollup(part: Part) -> tuple[Part, ...]:
    """A rollup column with the time and the state of its last calculation."""
    column = replace(part.columns[0], source_type=2, writable=False)
    twins = tuple(replace(c, source_type=2, writable=False) for c in part.columns[1:])
    base = column.schema_name
    return (
        Part((column, *twins), part.links),
        moment(f"{base}_Date", display_name=f"{column.display_name} (Last Updated On)").with_(
            writable=False
        ),
        whole(f"{base}_State", display_name=f"{column.display_name} (State)").with_(writable=False),
    )
