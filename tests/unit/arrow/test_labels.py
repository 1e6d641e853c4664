from __future__ import annotations

import pyarrow as pa

from dataverse_source.arrow.labels import labels_of
from dataverse_source.arrow.schema import TableSchema, table_schema
from dataverse_source.metadata.column_selection import select_columns
from dataverse_source.metadata.model import Choice, Column, Option, Table


def choice(column: str, kind: str, **labels: str) -> Choice:
    options = tuple(Option(int(value[1:]), label) for value, label in labels.items())
    return Choice(column, kind, column, False, options)


CHOICES = (
    choice("statecode", "StateType", _0="Active", _1="Inactive"),
    choice("donotphone", "BooleanType", _0="Allow", _1="Do Not Allow"),
    choice("colors", "MultiSelectPicklistType", _1="Red", _2="Green; blue"),
    choice("unread", "PicklistType", _1="One"),
)


def schema_of(*extra: Column) -> TableSchema:
    table = Table(
        "thing",
        "things",
        "thingid",
        columns=(
            Column("thingid", "UniqueidentifierType"),
            Column("statecode", "StateType"),
            Column("statecodename", "VirtualType", attribute_of="statecode"),
            Column("donotphone", "BooleanType"),
            Column("colors", "MultiSelectPicklistType"),
            Column("name", "StringType"),
            *extra,
        ),
    )
    return table_schema(table, select_columns(table, None))


def rows_of(schema: TableSchema, **columns: list[object]) -> pa.Table:
    count = len(next(iter(columns.values())))
    arrays = [
        pa.array(columns.get(field.name, [None] * count), field.type) for field in schema.arrow
    ]
    return pa.Table.from_arrays(arrays, schema=schema.arrow.remove_metadata())


def test_each_value_gets_its_label() -> None:
    schema = schema_of()
    labels = labels_of(schema, CHOICES)
    rows = rows_of(
        schema,
        thingid=["a", "b", "c", "d"],
        statecode=[1, None, 0, 7],
        donotphone=[True, False, None, True],
        colors=["1,2", None, "2", "1,9"],
    )
    labelled = labels.add_to(rows)
    assert labelled["statecodename"].to_pylist() == ["Inactive", None, "Active", None]
    assert labelled["donotphonename"].to_pylist() == ["Do Not Allow", "Allow", None, "Do Not Allow"]
    assert labelled["colorsname"].to_pylist() == ["Red; Green; blue", None, "Green; blue", "Red; 9"]
    assert labelled.column_names == [*rows.column_names, *labels.hints]
    assert labels.add_to(rows.slice(1, 2))["colorsname"].to_pylist() == [None, "Green; blue"]
    assert labels.add_to(rows.slice(0, 0)).num_rows == 0


def test_a_label_column_gives_way_to_a_column_of_the_table() -> None:
    schema = schema_of(Column("statecodename", "StringType"), Column("colorslabel", "StringType"))
    names = [column.name for column in labels_of(schema, CHOICES).columns]
    assert set(names) == {
        "statecodelabel",
        "donotphonename",
        "colorsname",
    }


def test_a_new_label_changes_the_fingerprint() -> None:
    schema = schema_of()
    before = labels_of(schema, CHOICES)
    assert before.fingerprint == labels_of(schema, CHOICES).fingerprint
    renamed = (choice("statecode", "StateType", _0="Active", _1="Closed"), *CHOICES[1:])
    assert before.fingerprint != labels_of(schema, renamed).fingerprint
    assert labels_of(schema, ()).fingerprint == ""
