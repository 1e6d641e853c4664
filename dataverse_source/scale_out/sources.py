"""Makes the source for some of the configured tables."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dlt.common.configuration.resolve import inject_section
from dlt.common.configuration.specs.config_section_context import ConfigSectionContext
from dlt.extract import DltSource

from dataverse_source.config.file_settings import tables_of_files
from dataverse_source.config.query_settings import RETAINED
from dataverse_source.config.setting_names import SECTION
from dataverse_source.config.values import FLAG, mapping_in, names_in
from dataverse_source.loading.catalog.resource import CATALOG
from dataverse_source.loading.configuration import resolved
from dataverse_source.source import dataverse


@contextlib.contextmanager
def settings_of(environment: str | None) -> Iterator[None]:
    """While it lasts, settings are those of one of several environments."""
    if environment is None:
        yield
        return
    sections = (*SECTION.split("."), environment)
    with inject_section(ConfigSectionContext(sections=sections)):
        yield


def configured_tables(**given: Any) -> tuple[str, ...]:
    """The names and patterns of ``tables``, ``audits``, tables of files, queries, archives."""
    found = resolved(**given)
    names: tuple[str, ...] = ()
    queries: Mapping[str, Any] = {}
    with contextlib.suppress(ValueError):  # told when the settings are checked
        names = names_in(found.get("tables") or ())
    with contextlib.suppress(ValueError):
        queries = mapping_in(found.get("queries") or {})
    audit: list[str] = []
    with contextlib.suppress(ValueError):
        audit = ["audits"] if FLAG.read(found.get("audit") or False) else []
    archived: list[str] = []
    with contextlib.suppress(ValueError):
        archived = [f"{name}{RETAINED}" for name in names_in(found.get("retained") or ())]
    of_files: list[str] = []
    with contextlib.suppress(ValueError):
        of_files = tables_of_files(names_in(found.get("files") or ()))
    return tuple(dict.fromkeys([*names, *audit, *of_files, *queries, *archived]))


def source_of(environment: str | None, given: Mapping[str, Any]) -> DltSource:
    """The source of one of several environments, or of the only one.

    Args:
        environment: its name.
        given: settings of `dataverse`; None means not given.

    Raises:
        ConfigurationError: settings are missing, unknown or invalid.
    """
    known = {name: value for name, value in given.items() if value is not None}
    source = dataverse.with_args(name=environment) if environment else dataverse
    return source(**known)


def source_for(tables: Sequence[str], *, environment: str | None = None, **given: Any) -> DltSource:
    """The source for these tables, or for the configured ones if none are given.

    Args:
        tables: names or patterns.
        environment: name of one of several environments.
        **given: settings from the command line; None means not given.

    Raises:
        ConfigurationError: settings are missing, unknown or invalid.
    """
    if not tables:
        return source_of(environment, given)
    # The source has all tables and selects some, so that table_settings of others are accepted.
    with settings_of(environment):
        everything = [*dict.fromkeys([*configured_tables(), *tables])]
    found = source_of(environment, {**given, "tables": everything})
    return found.with_resources(*tables, CATALOG)
