"""The sync state of a pipeline's tables, from its working folder and its destination."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import dlt

from dataverse_source.cli.options import Where
from dataverse_source.config.log import logger
from dataverse_source.errors import dataverse_error
from dataverse_source.loading.destination_queries import (
    Query,
    Rows,
    one_client,
    row_counts,
    select,
    where_own,
)
from dataverse_source.loading.memory import limit_duckdb_memory
from dataverse_source.loading.pipeline_errors import pipeline_error
from dataverse_source.loading.project_pipeline import attached_pipeline
from dataverse_source.sync.state import TableState, read_state, table_states

CATALOG_TABLE = "_dataverse_tables"


@dataclass(frozen=True)
class KnownTable:
    """A table that a pipeline has read.

    Attributes:
        name: in the destination; the logical name if that is unknown.
        logical_name: in Dataverse.
        configured_as: its resource: its name, or with the state of an earlier version the name or
            pattern in the settings.
        state: its sync state.
    """

    name: str
    logical_name: str
    configured_as: str
    state: TableState


def attached(where: Where) -> dlt.Pipeline:
    """The pipeline, as its last run left it.

    Raises:
        ConfigurationError: it has never run.
    """
    limit_duckdb_memory()
    return attached_pipeline(where.pipeline, **where.place)


@contextmanager
def destination_open(pipeline: dlt.Pipeline) -> Iterator[None]:
    """While it lasts, the destination is open once for all that is asked of it.

    Raises:
        DataverseError: it cannot be opened or read; it says what to do.
    """
    try:
        with one_client(pipeline):
            yield
    except Exception as error:  # each destination's driver has errors of its own
        what = "The destination cannot be read"
        raise dataverse_error(error) or pipeline_error(pipeline, error, what) from error


def known_tables(pipeline: dlt.Pipeline) -> list[KnownTable]:
    """All tables that the pipeline has a state for, by name."""
    names = _names(pipeline)
    found = []
    for _, resource, tables in table_states(dict(pipeline.state)):
        for logical, stored in tables.items():
            state = read_state(stored)
            name = names.get(logical) or _name_in_links(state) or logical
            found.append(KnownTable(name, logical, resource, state))
    return sorted(found, key=lambda one: (one.name, one.configured_as))


def row_count(pipeline: dlt.Pipeline, table: str) -> int | None:
    """Rows of a table in the destination; None if they cannot be counted."""
    try:
        return row_counts(pipeline, [table])[table]
    except Exception as error:  # each destination's driver has errors of its own
        logger.info("The rows of %s cannot be counted: %s", table, error)
        return None


def _names(pipeline: dlt.Pipeline) -> dict[str, str]:
    """Names in the destination by logical name, from the catalog of the last run."""
    own = where_own(pipeline)
    found = _select(pipeline, Query(CATALOG_TABLE, ("logical_name", "table"), where=own))
    return {str(logical): str(name) for logical, name in found}


def _name_in_links(state: TableState) -> str | None:
    """The entity set name in the stored delta link or next link, if there is one."""
    delta = state.delta.link if state.delta else None
    link = delta or (state.resume.link if state.resume else None)
    path = (link or "").partition("?")[0]
    return path.rpartition("/")[2] or None


def _select(pipeline: dlt.Pipeline, query: Query) -> Rows:
    """Rows of a query; none if it fails."""
    try:
        (found,) = select(pipeline, [query])
    except Exception as error:  # each destination's driver has errors of its own
        logger.info("The destination cannot be queried for %s: %s", query.table, error)
        return []
    return found or []
