"""The load package that is being filled: its id, its start, and the state before it."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

import dlt
from dlt.common import pendulum
from dlt.common.configuration.container import Container as Context
from dlt.common.schema import Schema
from dlt.common.storages.exceptions import CurrentLoadPackageStateNotAvailable
from dlt.common.storages.load_package import TLoadPackage
from dlt.extract import DltResource, DltSource
from dlt.extract.source import SourceInjectableContext

from dataverse_source.loading.run_context import current_run
from dataverse_source.sync.active_pipeline import active_pipeline
from dataverse_source.sync.context import Destination
from dataverse_source.sync.write.destination import Ask, LoadedTable, ask_here
from dataverse_source.sync.write.nothing_loaded import NothingLoaded

CLOCK = "dataverse_clock"
"""Of dlt's local state: the seconds by which Dataverse's clock is ahead of this machine's."""

PRECISION_SECONDS = 3.0
"""Differences between two clocks up to this are none: answers are dated to the second."""

DestinationFactory = Callable[[str, str, "str | None"], Destination]
"""Returns a table in the destination, by its name, its key column and the environment whose rows
count; None: all rows do."""


@dataclass(frozen=True)
class Package:
    """A load package while its rows are read.

    Attributes:
        load_id: dlt's id; None if there is no package, as when a source is iterated by hand.
        began: the time that dlt writes to versions of rows which begin or end with it.
        destination: where its tables are loaded.
        states: state of each resource before it.
        selected: the resources that are read; None for all.
        resource: returns the resource of a table, by name, as the user has set it up; None if
            there is none.
        schema: dlt's schema of the source; None if no pipeline is running.
        source_state: dlt's state of the source, to be written to; None if no pipeline is running.
    """

    load_id: str | None
    began: datetime
    destination: DestinationFactory
    states: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    selected: Container[str] | None = None
    resource: Callable[[str], DltResource | None] = lambda _name: None
    schema: Schema | None = None
    source_state: dict[str, Any] | None = None

    def loaded_as(self, name: str) -> str:
        """The name in the destination of a table, by entity set name."""
        return self.schema.naming.normalize_table_identifier(name) if self.schema else name

    def state_of(self, name: str, logical_name: str) -> Mapping[str, Any]:
        """The stored state of a table; empty if it has not been read.

        Args:
            name: of the table and of its resource. Earlier versions stored the state with the
                name or pattern in the settings.
            logical_name: of the table.
        """
        own = self.states.get(name, {}).get("tables", {}).get(logical_name)
        others = (one.get("tables", {}).get(logical_name) for one in self.states.values())
        return own or next(filter(None, others), None) or {}


def current_package(ask: Ask = ask_here, offset: Callable[[], timedelta] = timedelta) -> Package:
    """The load package that is being filled. Call it on dlt's own thread.

    Args:
        ask: has dlt's own thread call a function, for the threads that read tables.
        offset: returns by how much Dataverse's clock is ahead of this machine's; asked for while a
            pipeline runs.
    """
    try:
        package = dlt.current.load_package_state()
    except CurrentLoadPackageStateNotAvailable:
        now = datetime.now(timezone.utc)
        return Package(None, now, _destination(ask), selected=_selected(), resource=_resource)
    _follow_dataverse_clock(package, offset())
    began = datetime.fromisoformat(str(package["state"]["created_at"])).astimezone(timezone.utc)
    source_state = dlt.current.source_state()
    return Package(
        package["load_id"],
        began,
        _destination(ask),
        source_state.get("resources", {}),
        _selected(),
        _resource,
        dlt.current.source_schema(),
        source_state,
    )


def _follow_dataverse_clock(package: TLoadPackage, offset: timedelta) -> None:
    """Makes the package's time, from which dlt dates versions of rows, Dataverse's.

    Machines whose clocks differ load into one history in turn. The offset that is measured varies
    by a second, so the one that this machine has used before is used again.
    """
    pipeline = active_pipeline()
    if pipeline is None:
        return
    try:
        known = float(pipeline.get_local_state_val(CLOCK))
    except KeyError:
        known = 0.0
    seconds = seconds_ahead(offset, known)
    if seconds != known:
        pipeline.set_local_state_val(CLOCK, seconds)
    if seconds:
        began = pendulum.from_timestamp(float(package["load_id"]) + seconds)
        package["state"]["created_at"] = began


def seconds_ahead(offset: timedelta, known: float) -> float:
    """By how much Dataverse's clock is taken to be ahead of this machine's.

    Args:
        offset: as measured now.
        known: as this machine has used it before, in seconds.
    """
    measured = offset.total_seconds()
    return known if abs(measured - known) <= PRECISION_SECONDS else measured


def is_selected(name: str) -> bool:
    """Whether the rows of a resource are loaded; if not, they only feed transformers."""
    selected = _selected()
    return selected is None or name in selected


class _SelectedResources(Container[str]):
    """The selected resources of a source; dlt would list all of them for each question."""

    def __init__(self, source: DltSource) -> None:
        self._resources = source.resources

    def __contains__(self, name: object) -> bool:
        return name in self._resources and bool(self._resources[str(name)].selected)


def _selected() -> Container[str] | None:
    context = Context()
    if SourceInjectableContext not in context:
        return None
    return _SelectedResources(context[SourceInjectableContext].source)


def _resource(name: str) -> DltResource | None:
    """A selected resource, or one that feeds selected transformers."""
    context = Context()
    if SourceInjectableContext not in context:
        return None
    resources = context[SourceInjectableContext].source.resources
    if name in resources:
        return resources[name]
    return next((one for one in resources.extracted if one.name == name), None)


def _destination(ask: Ask) -> DestinationFactory:
    """Returns tables in the destination of the pipeline that runs."""
    pipeline = active_pipeline()
    if pipeline is None:
        return lambda *_: NothingLoaded()
    schema, run = dlt.current.source_schema(), current_run()

    def loaded(name: str, key: str, environment: str | None) -> Destination:
        lost = run.lost_columns(name, schema.naming.normalize_table_identifier(name))
        return LoadedTable(pipeline, schema, name, key, environment, ask, lost)

    return loaded
