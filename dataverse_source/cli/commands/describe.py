"""``dataverse-source describe``: a table's columns, types, choices, keys and sync mode."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from dataverse_source.cli.options import columns_like, environment_option, json_option
from dataverse_source.cli.screen import Screen, grid

if TYPE_CHECKING:
    from rich.console import Console

    from dataverse_source.arrow.schema import TableSchema
    from dataverse_source.config.settings import TableSettings
    from dataverse_source.loading.connection import Connection
    from dataverse_source.metadata.model import Column, Description, Table
    from dataverse_source.sync.read.table_reader import TableReader


WIDE = 110
"""Columns of a screen that has room for display names, too."""


@click.command("describe")
@click.argument("table")
@click.option("--columns", metavar="NAMES", help="Names or patterns of columns, apart by commas.")
@environment_option
@json_option
@click.pass_obj
def command(screen: Screen, table: str, columns: str | None, environment_url: str | None) -> None:
    """Show columns, types, choices, keys, relationships and sync mode of TABLE.

    Types are those in Dataverse and in the destination. The sync mode is that of a first run
    with the present settings, with the reason for it.
    """
    from dataverse_source.cli.opening import open_connection

    found = _facts(open_connection([table], environment_url=environment_url), table)
    if columns:
        names = columns_like(columns, (one["name"] for one in found["columns"]))
        for part, key in (("columns", "name"), ("choices", "column"), ("relationships", "column")):
            found[part] = [one for one in found[part] if one[key] in names]
    screen.show(found, lambda console: _draw(console, found))


def _facts(connection: Connection, name: str) -> dict[str, Any]:
    from dataverse_source.loading.column_access import hidden_columns
    from dataverse_source.loading.table_reading import open_table

    reader = open_table(connection, name)
    table, description = reader.table, connection.metadata.description(name)
    names = name, str(table.entity_set_name), table.logical_name
    explicit = connection.settings.sync_is_explicit(*names)
    is_query = table.kind == "query"
    hidden = {} if is_query else hidden_columns(connection.client, [table]) or {}
    return {
        "entity_set_name": table.entity_set_name,
        "logical_name": table.logical_name,
        "display_name": description.display_name,
        "kind": table.kind,
        "change_tracking": table.change_tracking,
        "sync": _sync(table, reader.settings, explicit=explicit),
        "primary_key": list(table.key_columns),
        "primary_name": table.primary_name,
        "files": _files(connection, reader),
        "alternate_keys": [] if is_query else _alternate_keys(connection, table),
        "columns": _columns(table, description, reader.schema, hidden.get(table.logical_name, {})),
        "choices": _choices(description),
        "relationships": _relationships(description),
    }


def _files(connection: Connection, reader: TableReader) -> list[dict[str, str]]:
    """The columns whose files are stored, by the settings."""
    place = str(connection.settings.files_url)
    return [{"column": one.name, "kind": one.kind, "place": place} for one in reader.file_columns]


def _sync(table: Table, settings: TableSettings, *, explicit: bool) -> dict[str, Any]:
    """The sync mode of a first run with the present settings."""
    from datetime import datetime, timezone

    from dataverse_source.errors import ConfigurationError
    from dataverse_source.sync.plan import make_plan
    from dataverse_source.sync.state import TableState

    try:
        now = datetime.now(timezone.utc)
        plan = make_plan(table, settings, TableState(), now, explicit=explicit)
    except ConfigurationError as error:
        return {"setting": settings.sync, "mode": None, "column": None, "why": error.what}
    return {
        "setting": settings.sync,
        "mode": plan.mode,
        "column": plan.column,
        "why": str(plan),
    }


def _alternate_keys(connection: Connection, table: Table) -> list[dict[str, Any]]:
    path = f"EntityDefinitions(LogicalName='{table.logical_name}')/Keys"
    answer = connection.client.get_json(path, {"$select": "SchemaName,KeyAttributes"})
    return [
        {"name": one.get("SchemaName"), "columns": list(one.get("KeyAttributes") or ())}
        for one in answer.get("value", ())
    ]


def _columns(
    table: Table, description: Description, schema: TableSchema, hidden: dict[str, str]
) -> list[dict[str, Any]]:
    """All columns of the table; ``destination`` is empty for columns that are not read."""
    shown = dict(description.columns)
    fields: dict[str, dict[str, str]] = {}
    for field in schema.fields:
        hint = schema.hints[field.name]
        fields.setdefault(field.column.name, {})[field.name] = destination_type(dict(hint))
    return [
        {
            "name": column.name,
            "display_name": shown.get(column.name),
            "type": column.type,
            "date_behavior": column.date_behavior,
            "destination": fields.get(column.name, {}),
            "targets": list(column.targets),
            "secured": hidden.get(column.name, "readable") if column.secured else None,
            "not_read_because": None if column.name in fields else _why_not(column),
        }
        for column in table.columns
    ]


def destination_type(hint: dict[str, Any]) -> str:
    """A destination type as text, such as ``decimal(23,10)``."""
    kind = str(hint["data_type"])
    if kind == "decimal":
        return f"decimal({hint['precision']},{hint['scale']})"
    return "timestamp without zone" if hint.get("timezone") is False else kind


def _why_not(column: Column) -> str:
    if column.attribute_of:
        return f"belongs to {column.attribute_of}"
    return "not selected" if column.in_rows else "not returned by the Web API"


def _choices(description: Description) -> list[dict[str, Any]]:
    return [
        {
            "column": choice.column,
            "name": choice.name,
            "is_global": choice.is_global,
            "options": [{"value": one.value, "label": one.label} for one in choice.options],
        }
        for choice in description.choices
    ]


def _relationships(description: Description) -> list[dict[str, Any]]:
    return [
        {
            "name": one.name,
            "type": one.type,
            "table": one.table,
            "column": one.column,
            "referenced_table": one.referenced_table,
            "referenced_column": one.referenced_column,
        }
        for one in description.relationships
    ]


def _draw(console: Console, found: dict[str, Any]) -> None:
    from rich.table import Table
    from rich.text import Text

    console.print(f"{found['entity_set_name']}  ({found['display_name'] or '-'})", style="bold")
    facts = [
        ("logical name", found["logical_name"]),
        ("kind", found["kind"]),
        ("sync mode", found["sync"]["why"]),
        ("key", ", ".join(found["primary_key"])),
        ("name column", found["primary_name"] or "-"),
    ]
    for one in found["files"]:
        facts.append(("files", f"{one['column']} ({one['kind']}), stored in {one['place']}"))
    for key in found["alternate_keys"]:
        facts.append(("alternate key", f"{key['name']}: {', '.join(key['columns'])}"))
    listed = Table.grid(padding=(0, 2))
    for label, text in facts:
        listed.add_row(Text(f"{label}:"), Text(text))
    console.print(listed)
    console.print()
    read = [one for one in found["columns"] if one["destination"]]
    wide = console.width >= WIDE
    rows = [
        (
            name,
            *([one["display_name"] or ""] if wide else []),
            " ".join(filter(None, (one["type"].removesuffix("Type"), one["date_behavior"]))),
            kind,
            ", ".join(one["targets"]),
        )
        for one in read
        for name, kind in one["destination"].items()
    ]
    shown = ("column", "display name") if wide else ("column",)
    console.print(grid((*shown, "in Dataverse", "in the destination", "points at"), rows))
    left = len(found["columns"]) - len(read)
    console.print(f"\n{len(read):,} columns are read, {left:,} are not (--json shows why)")
    for column in found["columns"]:
        if column["secured"] in ("hidden", "masked"):
            console.print(f"column security: {column['name']} is {column['secured']}")
    _draw_choices(console, found["choices"])
    _draw_relationships(console, found["relationships"])


def _draw_choices(console: Console, choices: list[dict[str, Any]]) -> None:
    if not choices:
        return
    rows = []
    for choice in choices:
        options = (f"{one['value']} {one['label'] or ''}".rstrip() for one in choice["options"])
        rows.append((choice["column"], ", ".join(options)))
    console.print()
    console.print(grid(("choice", "values"), rows))


def _draw_relationships(console: Console, relationships: list[dict[str, Any]]) -> None:
    if not relationships:
        return
    rows = [
        (
            one["name"],
            f"{one['table']}.{one['column']}",
            f"{one['referenced_table']}.{one['referenced_column']}",
        )
        for one in relationships
    ]
    console.print()
    console.print(grid(("relationship", "from", "to"), rows))
