"""Changes of metadata between two loads of the catalog."""

from __future__ import annotations

from dataverse_source.loading.catalog.schema_changes import changed, renamed

OLD = [
    ("accounts", "accountid", "Uniqueidentifier", True),
    ("accounts", "name", "String", True),
    ("accounts", "code", "Integer", True),
    ("accounts", "hidden", "String", False),
    ("contacts", "contactid", "Uniqueidentifier", True),
]


def test_columns() -> None:
    new = [
        ("accounts", "accountid", "Uniqueidentifier", True),
        ("accounts", "code", "Decimal", True),
        ("accounts", "segment", "Picklist", True),
        ("accounts", "hidden", "String", True),
        ("contacts", "contactid", "Uniqueidentifier", True),
        ("leads", "leadid", "Uniqueidentifier", True),
    ]
    assert sorted(changed(OLD, new)) == [
        ("accounts", "column added: hidden (String)"),
        ("accounts", "column added: segment (Picklist)"),
        ("accounts", "column dropped: name (String)"),
        ("accounts", "column retyped: code (Integer -> Decimal)"),
    ]


def test_nothing_has_changed() -> None:
    assert list(changed(OLD, OLD)) == []


def test_secured_columns() -> None:
    old = [(*row, row[1] == "code") for row in OLD]
    new = [(*row, row[1] == "name") for row in OLD]
    assert sorted(changed(old, new)) == [
        ("accounts", "column became secured: name"),
        ("accounts", "column no longer secured: code"),
    ]
    assert list(changed(OLD, new)) == []  # earlier versions did not load that


def test_a_renamed_table() -> None:
    old = [("accounts", "1"), ("contacts", "2"), ("leads", None)]
    new = [("companies", "1"), ("contacts", "2"), ("leads", None)]
    assert list(renamed(old, new)) == [("companies", "table renamed: it was accounts")]
