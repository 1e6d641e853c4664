"""The query of the rows that long-term retention has archived of a table."""

from __future__ import annotations

from dataverse_source.config.query_settings import QuerySettings
from dataverse_source.config.values import is_pattern
from dataverse_source.errors import ConfigurationError
from dataverse_source.metadata.column_selection import select_columns
from dataverse_source.metadata.model import Table
from dataverse_source.metadata.queries.query import DATASOURCE
from dataverse_source.metadata.queries.xml import Element, written
from dataverse_source.metadata.table_selection import matches_pattern


def archived_rows_text(settings: QuerySettings, table: Table) -> str:
    """The FetchXML of a table's archived rows, with the columns that the table is read with.

    Args:
        settings: of the query.
        table: its table, with columns.

    Raises:
        ConfigurationError: the table is not called by its entity set name, or its rows are
            restricted by a filter.
        UnknownNameError: ``select`` names a column that does not exist.
    """
    if table.entity_set_name != settings.table:
        raise ConfigurationError(
            f"retained names the table {settings.table!r}, which is called "
            f"{table.entity_set_name} where it is loaded",
            where=settings.place,
            remedy=f"Write {table.entity_set_name!r}.",
            setting="retained",
        )
    patterns = [one for one in settings.table_settings if is_pattern(one)]
    names = (
        str(table.entity_set_name),
        table.logical_name,
        *(one for one in patterns if matches_pattern(table, one)),
    )
    own = next((one for one in map(settings.table_settings.get, names) if one), settings.rows)
    if own.filter:
        raise ConfigurationError(
            f"The archived rows of {table.entity_set_name} can't be read with the table's filter: "
            "Dataverse takes no OData for them",
            where=settings.place,
            remedy=f"Write a query with datasource={DATASOURCE!r} and the same conditions instead.",
            setting="retained",
        )
    columns = select_columns(table, own.select, own.exclude_columns)
    entity = Element("entity", {"name": table.logical_name})
    entity.children = [Element("attribute", {"name": one.name}) for one in columns]
    return written(Element("fetch", {"datasource": DATASOURCE}, [entity]))
