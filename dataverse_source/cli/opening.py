"""From dlt's configuration to a connection, as the source itself makes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from dlt.common.configuration import resolve_configuration
from dlt.extract import DltSource

from dataverse_source.connection import Connection
from dataverse_source.settings import Settings, make_settings
from dataverse_source.source import dataverse

EVERY_TABLE = "*"


def configured(**given: Any) -> dict[str, Any]:
    """The arguments of the source: what is ``given`` and not None, else what is configured."""
    explicit = {name: value for name, value in given.items() if value is not None}
    spec = dataverse.ref.SPEC()
    return dict(
        resolve_configuration(
            spec, sections=("sources", "dataverse"), explicit_value=explicit, accept_partial=True
        )
    )


def settings_for(tables: Sequence[str], **given: Any) -> tuple[Settings, Any]:
    """The settings for reading these tables, and the credentials.

    Raises:
        ConfigurationError: a setting is missing or can't be used.
    """
    values = configured(**given)
    credentials = values.pop("credentials")
    # The pattern is there while settings are checked: those of other tables are no mistake here.
    settings = make_settings(**{**values, "tables": [*tables, EVERY_TABLE]})
    return replace(settings, tables=tuple(tables)), credentials


def open_connection(tables: Sequence[str], **given: Any) -> Connection:
    """A connection for reading these tables; nothing is requested yet.

    Raises:
        ConfigurationError: a setting is missing or can't be used.
    """
    return Connection(*settings_for(tables, **given))


def source_for(tables: Sequence[str], **given: Any) -> DltSource:
    """The source for these tables, or for those that are configured if there are none.

    Raises:
        ConfigurationError: a setting is missing or can't be used.
    """
    explicit = {name: value for name, value in given.items() if value is not None}
    if tables:
        explicit["tables"] = list(tables)
    return dataverse(**explicit)
