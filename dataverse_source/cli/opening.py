"""Makes settings, connection and source from dlt's configuration and the command line."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from dlt.common.configuration.resolve import inject_section
from dlt.common.configuration.specs.config_section_context import ConfigSectionContext
from dlt.extract import DltSource

from dataverse_source.config.setting_names import SECTION
from dataverse_source.config.settings import Settings
from dataverse_source.config.values import names_in
from dataverse_source.loading.catalog.resource import CATALOG
from dataverse_source.loading.configuration import Credentials, configured, resolved
from dataverse_source.loading.connection import Connection
from dataverse_source.source import dataverse

EVERY_TABLE = "*"


@contextlib.contextmanager
def settings_of(environment: str | None) -> Iterator[None]:
    """While it lasts, settings are those of one of several environments."""
    if environment is None:
        yield
        return
    sections = (*SECTION.split("."), environment)
    with inject_section(ConfigSectionContext(sections=sections)):
        yield


def settings_for(tables: Sequence[str], **given: Any) -> tuple[Settings, Credentials]:
    """Settings and credentials for reading these tables.

    Args:
        tables: names or patterns, instead of those in the settings.
        **given: settings from the command line; None means not given.

    Raises:
        ConfigurationError: settings are missing, unknown or invalid.
    """
    values = resolved(**given)
    # With the pattern, table_settings of other tables are not reported as a mistake.
    values["tables"] = [*tables, EVERY_TABLE]
    with contextlib.suppress(ValueError):  # checked below
        excluded = names_in(values["exclude"] or ())
        values["exclude"] = [name for name in excluded if name not in tables]
    settings, credentials = configured(None, **values)
    return replace(settings, tables=tuple(tables)), credentials


def configured_tables(**given: Any) -> tuple[str, ...]:
    """The names and patterns of the setting ``tables``; none if it is not set."""
    value = resolved(**given).get("tables")
    names = value.split(",") if isinstance(value, str) else value or ()
    return tuple(str(name).strip() for name in names)


def open_connection(tables: Sequence[str], **given: Any) -> Connection:
    """A connection for reading these tables; it sends no request yet.

    Raises:
        ConfigurationError: settings are missing, unknown or invalid.
    """
    return Connection(*settings_for(tables, **given))


def source_for(tables: Sequence[str], *, environment: str | None = None, **given: Any) -> DltSource:
    """The source for these tables, or for the configured ones if none are given.

    Args:
        tables: names or patterns.
        environment: name of one of several environments.
        **given: settings from the command line; None means not given.

    Raises:
        ConfigurationError: settings are missing, unknown or invalid.
    """
    explicit = {name: value for name, value in given.items() if value is not None}
    source = dataverse.with_args(name=environment) if environment else dataverse
    if not tables:
        return source(**explicit)
    # The source has all tables and selects some, so that table_settings of others are accepted.
    with settings_of(environment):
        everything = [*dict.fromkeys([*configured_tables(), *tables])]
    return source(tables=everything, **explicit).with_resources(*tables, CATALOG)
