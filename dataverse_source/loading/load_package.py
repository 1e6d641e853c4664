"""The load package that takes what is read: when it began, and what there was before it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, cast

import dlt
from dlt.common.configuration.container import Container
from dlt.common.pipeline import PipelineContext
from dlt.common.storages.exceptions import CurrentLoadPackageStateNotAvailable
from dlt.extract.source import SourceInjectableContext

from dataverse_source.sync.context import Destination
from dataverse_source.sync.write.destination import LoadedTable, NothingLoaded

DestinationFactory = Callable[[str, str], Destination]
"""Gives what is loaded of a table, by its name and its key column."""


@dataclass(frozen=True)
class Package:
    """What is known of a load package while its rows are read.

    Attributes:
        load_id: dlt's name for it; None where there is none, as the source is looked into by hand.
        began: the time that dlt gives to versions of rows which it begins or ends.
        place: where its tables are loaded.
        states: by resource, its state as it was before.
        selected: the resources that are read; None for all.
    """

    load_id: str | None
    began: datetime
    place: DestinationFactory
    states: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    selected: Collection[str] | None = None

    def knows(self, resource: str, logical_name: str) -> bool:
        """Whether a table of a resource has been read before."""
        return bool(self.states.get(resource, {}).get("tables", {}).get(logical_name))


def current_package() -> Package:
    """The one that is being filled; asked on dlt's own thread."""
    try:
        package = dlt.current.load_package_state()
    except CurrentLoadPackageStateNotAvailable:
        return Package(None, datetime.now(timezone.utc), _place(), selected=_selected())
    began = datetime.fromisoformat(str(package["state"]["created_at"])).astimezone(timezone.utc)
    states = dlt.current.source_state().get("resources", {})
    return Package(package["load_id"], began, _place(), states, _selected())


def _selected() -> Collection[str] | None:
    container = Container()
    if SourceInjectableContext not in container:
        return None
    return frozenset(container[SourceInjectableContext].source.selected_resources)


def _place() -> DestinationFactory:
    """Gives tables in the destination of the pipeline that runs."""
    context = Container()[PipelineContext]
    if not context.is_active():
        return _nowhere
    pipeline = cast(dlt.Pipeline, context.pipeline())
    schema = dlt.current.source_schema()
    return lambda name, key: LoadedTable(pipeline, schema, name, key)


def _nowhere(_name: str, _key: str) -> Destination:
    return NothingLoaded()
