"""Makes settings and connection from dlt's configuration and the command line."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from dataverse_source.config.settings import Settings
from dataverse_source.config.values import names_in
from dataverse_source.loading.configuration import Credentials, configured, resolved
from dataverse_source.loading.connection import Connection

EVERY_TABLE = "*"


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
    queries = {name: one for name, one in settings.queries.items() if name in tables}
    return replace(settings, tables=tuple(tables), queries=queries), credentials


def open_connection(tables: Sequence[str], **given: Any) -> Connection:
    """A connection for reading these tables; it sends no request yet.

    Raises:
        ConfigurationError: settings are missing, unknown or invalid.
    """
    return Connection(*settings_for(tables, **given))
