"""Finds out which other pipelines load into the same dataset, and which tables.

Two pipelines that load one table undo each other's work: each follows changes from where it has
come itself. Only the destination knows of both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import dlt
from dlt.common.destination.client import WithStateSync
from dlt.pipeline.state_sync import load_pipeline_state_from_destination

from dataverse_source.config.log import logger
from dataverse_source.loading.destination_queries import Query, schema_of, select
from dataverse_source.loading.environment_check import COLUMN, environments_in
from dataverse_source.sync.state import table_states
from dataverse_source.sync.write.connections import connected


def newest_loads_of_others(pipeline: dlt.Pipeline) -> dict[str, str]:
    """The newest load package with a new state of each other pipeline, by its name."""
    schema = schema_of(pipeline) or dlt.Schema(pipeline.pipeline_name)
    query = Query(
        schema.state_table_name,
        expression="pipeline_name, MAX(_dlt_load_id)",
        where="pipeline_name <> %s GROUP BY pipeline_name",
        values=(pipeline.pipeline_name,),
    )
    (found,) = select(pipeline, [query])
    return {str(name): str(load) for name, load in found or ()}


def loads_in_dataset(pipeline: dlt.Pipeline) -> int | None:
    """How many load packages all pipelines have loaded into the dataset; None if unknown."""
    schema = schema_of(pipeline)
    if schema is None:
        # A pipeline that may not take its state from the destination does not know what is there.
        return 0 if pipeline.config.restore_from_destination else None
    (found,) = select(pipeline, [Query(schema.loads_table_name, where="status = 0")])
    return None if found is None else int(found[0][0]) if found else 0


@dataclass(frozen=True)
class OtherPipeline:
    """What the destination knows of another pipeline.

    Attributes:
        tables: logical names of the tables of Dataverse that it has loaded.
        environments: those that they are of, see `environment_check`.
    """

    tables: Sequence[str] = ()
    environments: Sequence[Mapping[str, str]] = ()

    def shares_rows(self, own: Sequence[Mapping[str, str]]) -> bool:
        """Whether its tables may hold rows that are this pipeline's too.

        Args:
            own: the environments that this pipeline has loaded.
        """
        columns = {one.get(COLUMN) for one in own}
        others = {one.get(COLUMN) for one in self.environments}
        return None in columns | others or not columns or bool(columns & others)


def other_pipeline(pipeline: dlt.Pipeline, name: str) -> OtherPipeline:
    """What the destination knows of the pipeline ``name``; nothing if its state can't be read."""
    with connected(lambda: pipeline.destination_client()) as client:
        if not isinstance(client, WithStateSync):
            return OtherPipeline()
        try:
            state = load_pipeline_state_from_destination(name, client)
        except Exception as error:  # one that a later version of dlt has written, for example
            logger.info("The state of pipeline %s cannot be read: %s", name, error)
            return OtherPipeline()
    known: dict[str, Any] = dict(state or {})
    tables = [table for _, _, tables in table_states(known) for table in tables]
    return OtherPipeline(tables, list(environments_in(known)))
