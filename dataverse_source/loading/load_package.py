"""The load package that is being filled: its id, its start, and the state before it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

import dlt
from dlt.common.configuration.container import Container
from dlt.common.schema import Schema
from dlt.common.storages.exceptions import CurrentLoadPackageStateNotAvailable
from dlt.extract.source import SourceInjectableContext

from dataverse_source.sync.active_pipeline import active_pipeline
from dataverse_source.sync.context import Destination
from dataverse_source.sync.write.destination import (
    Ask,
    LoadedTable,
    NothingLoaded,
    ask_here,
)

DestinationFactory = Callable[[str, str], Destination]
"""Returns a table in the destination, by its name and its key column."""


@dataclass(frozen=True)
class Package:
    """A load package while its rows are read.

    Attributes:
        load_id: dlt's id; None if there is no package, as when a source is iterated by hand.
        began: the time that dlt writes to versions of rows which begin or end with it.
        destination: where its tables are loaded.
        states: state of each resource before it.
        selected: the resources that are read; None for all.
        schema: dlt's schema of the source; None if no pipeline is running.
        source_state: dlt's state of the source, to be written to; None if no pipeline is running.
    """

    load_id: str | None
    began: datetime
    destination: DestinationFactory
    states: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    selected: Collection[str] | None = None
    schema: Schema | None = None
    source_state: dict[str, Any] | None = None

    def loaded_as(self, name: str) -> str:
        """The name in the destination of a table, by entity set name."""
        return self.schema.naming.normalize_table_identifier(name) if self.schema else name

    def knows(self, resource: str, logical_name: str) -> bool:
        """Whether a table of a resource has been read before."""
        return bool(self.states.get(resource, {}).get("tables", {}).get(logical_name))


def current_package(ask: Ask = ask_here) -> Package:
    """The load package that is being filled. Call it on dlt's own thread.

    Args:
        ask: has dlt's own thread call a function, for the threads that read tables.
    """
    try:
        package = dlt.current.load_package_state()
    except CurrentLoadPackageStateNotAvailable:
        return Package(None, datetime.now(timezone.utc), _destination(ask), selected=_selected())
    began = datetime.fromisoformat(str(package["state"]["created_at"])).astimezone(timezone.utc)
    source_state = dlt.current.source_state()
    return Package(
        package["load_id"],
        began,
        _destination(ask),
        source_state.get("resources", {}),
        _selected(),
        dlt.current.source_schema(),
        source_state,
    )


def _selected() -> Collection[str] | None:
    container = Container()
    if SourceInjectableContext not in container:
        return None
    return frozenset(container[SourceInjectableContext].source.selected_resources)


def _destination(ask: Ask) -> DestinationFactory:
    """Returns tables in the destination of the pipeline that runs."""
    pipeline = active_pipeline()
    if pipeline is None:
        return lambda _name, _key: NothingLoaded()
    schema = dlt.current.source_schema()
    return lambda name, key: LoadedTable(pipeline, schema, name, key, ask)
