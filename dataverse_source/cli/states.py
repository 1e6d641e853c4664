"""What a pipeline remembers of its tables, read from its working folder and its destination."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import dlt
from dlt.pipeline.exceptions import CannotRestorePipelineException

from dataverse_source.config.log import logger
from dataverse_source.errors import ConfigurationError
from dataverse_source.sync.state import TableState, read_state

CATALOG_TABLE = "_dataverse_tables"


@dataclass(frozen=True)
class KnownTable:
    """A table that a pipeline has read.

    Attributes:
        name: of the table in the destination; the logical name where that is not known.
        logical_name: its logical name.
        configured_as: the name or pattern that it was asked for with.
        state: what is remembered of it.
    """

    name: str
    logical_name: str
    configured_as: str
    state: TableState


def attached(name: str) -> dlt.Pipeline:
    """The pipeline of this name, as its last run has left it.

    Raises:
        ConfigurationError: it has never run here.
    """
    try:
        return dlt.attach(name)
    except CannotRestorePipelineException:
        raise ConfigurationError(
            f"There is no pipeline {name!r} on this machine",
            remedy="It is made by its first run: dataverse-source run. Another one is named with "
            "--pipeline.",
        ) from None


def known_tables(pipeline: dlt.Pipeline) -> list[KnownTable]:
    """All tables that the pipeline remembers, by name."""
    names = _names(pipeline)
    found = []
    for resource, tables in states(dict(pipeline.state)):
        for logical, stored in tables.items():
            state = read_state(stored)
            name = names.get(logical) or _name_in_links(state) or logical
            found.append(KnownTable(name, logical, resource, state))
    return sorted(found, key=lambda one: (one.name, one.configured_as))


def states(state: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Per resource, the states of its tables by logical name; they may be changed."""
    for source in state.get("sources", {}).values():
        for resource, stored in source.get("resources", {}).items():
            if "tables" in stored:
                yield resource, stored["tables"]


def row_count(pipeline: dlt.Pipeline, table: str) -> int | None:
    """Rows of a table in the destination; None where that can't be asked."""
    found = _asked(pipeline, table, None)
    return int(found[0][0]) if found else None


def _names(pipeline: dlt.Pipeline) -> dict[str, str]:
    """Names in the destination by logical name, as the catalog of the last run tells."""
    found = _asked(pipeline, CATALOG_TABLE, ("logical_name", "table"))
    return {str(logical): str(name) for logical, name in found}


def _name_in_links(state: TableState) -> str | None:
    """The entity set name in a delta link or next link, if one is remembered."""
    delta = state.delta.link if state.delta else None
    link = delta or (state.resume.link if state.resume else None)
    path = (link or "").partition("?")[0]
    return path.rpartition("/")[2] or None


def _asked(pipeline: dlt.Pipeline, table: str, columns: Sequence[str] | None) -> list[Any]:
    """Columns of a table in the destination (None: how many rows); nothing where it fails."""
    try:
        with pipeline.sql_client() as client:
            chosen = map(client.escape_column_name, columns) if columns else ["COUNT(*)"]
            name = client.make_qualified_table_name(table)
            return list(client.execute_sql(f"SELECT {', '.join(chosen)} FROM {name}") or ())  # noqa: S608
    except Exception as error:  # each destination's driver has errors of its own
        logger.info("The destination can't be asked about %s: %s", table, error)
        return []
