"""From dlt's configuration to a connection, as the source itself makes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from dlt.extract import DltSource

from dataverse_source.config.settings import Settings
from dataverse_source.loading.catalog.resource import CATALOG
from dataverse_source.loading.configuration import Credentials, configured, resolved
from dataverse_source.loading.connection import Connection
from dataverse_source.source import dataverse

EVERY_TABLE = "*"


def settings_for(tables: Sequence[str], **given: Any) -> tuple[Settings, Credentials]:
    """The settings for reading these tables, and the credentials.

    Args:
        tables: names or patterns, in place of those in the settings.
        **given: settings from the command line; None means "not given".

    Raises:
        ConfigurationError: settings are missing, unknown or can't be used.
    """
    values = resolved(**given)
    # The pattern is there while settings are checked: those of other tables are no mistake here.
    values["tables"] = [*tables, EVERY_TABLE]
    settings, credentials = configured(None, **values)
    return replace(settings, tables=tuple(tables)), credentials


def configured_tables(**given: Any) -> tuple[str, ...]:
    """The names and patterns that the settings have for tables; none if they have none."""
    value = resolved(**given).get("tables")
    names = value.split(",") if isinstance(value, str) else value or ()
    return tuple(str(name).strip() for name in names)


def open_connection(tables: Sequence[str], **given: Any) -> Connection:
    """A connection for reading these tables; nothing is requested yet.

    Raises:
        ConfigurationError: settings are missing, unknown or can't be used.
    """
    return Connection(*settings_for(tables, **given))


def source_for(tables: Sequence[str], **given: Any) -> DltSource:
    """The source for these tables, or for those that are configured if there are none.

    Raises:
        ConfigurationError: settings are missing, unknown or can't be used.
    """
    explicit = {name: value for name, value in given.items() if value is not None}
    if not tables:
        return dataverse(**explicit)
    # All are configured and some are chosen: settings of the others are no mistake then.
    everything = [*dict.fromkeys([*configured_tables(), *tables])]
    return dataverse(tables=everything, **explicit).with_resources(*tables, CATALOG)
