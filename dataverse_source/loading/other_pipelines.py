"""Finds out which other pipelines load into the same dataset, and which tables.

Two pipelines that load one table undo each other's work: each follows changes from where it has
come itself. Only the destination knows of both.
"""

from __future__ import annotations

from collections.abc import Iterator

import dlt
from dlt.common.destination.client import WithStateSync
from dlt.pipeline.state_sync import load_pipeline_state_from_destination

from dataverse_source.config.log import logger
from dataverse_source.loading.destination_queries import Query, select


def newest_loads_of_others(pipeline: dlt.Pipeline) -> dict[str, str]:
    """The newest load package with a new state of each other pipeline, by its name."""
    if not pipeline.default_schema_name:
        return {}
    query = Query(
        pipeline.default_schema.state_table_name,
        expression="pipeline_name, MAX(_dlt_load_id)",
        where="pipeline_name <> %s GROUP BY pipeline_name",
        values=(pipeline.pipeline_name,),
    )
    (found,) = select(pipeline, [query])
    return {str(name): str(load) for name, load in found or ()}


def tables_of_other(pipeline: dlt.Pipeline, name: str) -> Iterator[str]:
    """Logical names of the tables of Dataverse that another pipeline has loaded."""
    with pipeline.destination_client() as client:
        if not isinstance(client, WithStateSync):
            return
        try:
            state = load_pipeline_state_from_destination(name, client)
        except Exception as error:  # one that a later version of dlt has written, for example
            logger.info("The state of pipeline %s cannot be read: %s", name, error)
            return
    for source in dict((state or {}).get("sources") or {}).values():
        for resource in source.get("resources", {}).values():
            yield from resource.get("tables", {})
