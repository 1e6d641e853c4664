"""The dlt source: one resource per table, wired to the way that keeps the table in step."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import dlt
from dlt.extract import DltResource
from dlt.extract.hints import TResourceHints
from dlt.extract.incremental import Incremental

from dataverse_source.columns import select_columns
from dataverse_source.connection import Connection
from dataverse_source.credentials import DataverseCredentials, TokenCredential
from dataverse_source.schema import TableSchema, table_schema
from dataverse_source.settings import Settings, make_settings
from dataverse_source.sync.cursor import is_first_read, modified_cursor, read_since
from dataverse_source.sync.plan import plan
from dataverse_source.sync.reader import TableReader


@dlt.source(name="dataverse", section="dataverse")
def dataverse(
    environment_url: str | None = dlt.config.value,
    tables: list[str] | None = dlt.config.value,
    credentials: DataverseCredentials | TokenCredential | None = dlt.secrets.value,
    sync: str | None = dlt.config.value,
    page_size: int | None = dlt.config.value,
    lookback_seconds: float | None = dlt.config.value,
    table_settings: dict[str, Any] | None = dlt.config.value,
    api_version: str = Settings.api_version,
    request_timeout: float = Settings.request_timeout,
    ca_bundle: str | None = dlt.config.value,
) -> Sequence[DltResource]:
    """Read tables of a Dataverse environment, each in step with what is there now.

    Every argument can come from ``[sources.dataverse]`` in ``.dlt/config.toml`` or
    ``.dlt/secrets.toml``, or from environment variables ``SOURCES__DATAVERSE__...``.
    Nothing is requested from Dataverse until the source is extracted.

    Args:
        environment_url: ``https://contoso.crm4.dynamics.com``, or ``sandbox`` for the local one.
        tables: entity set names (``accounts``) or logical names (``account``).
        credentials: who signs in: settings, or an object with ``get_token`` (azure-identity's).
        sync: ``auto``, ``cursor`` or ``full``; see `dataverse_source.settings.TableSettings`.
        page_size: rows a page, at most 5000.
        lookback_seconds: overlap of a cursor read with the run before.
        table_settings: by table: ``sync``, ``page_size``, ``lookback_seconds``, ``select``,
            ``filter``.
        api_version: version of the Web API.
        request_timeout: seconds to wait for the next bytes of an answer.
        ca_bundle: path of a PEM file with certificates to trust, in place of the system's.

    Returns:
        One resource per table, named as the table was named in ``tables``.

    Raises:
        ConfigurationError: a setting is missing or can't be used.
    """
    settings = make_settings(
        environment_url=environment_url,
        tables=tables,
        table_settings=table_settings,
        api_version=api_version,
        request_timeout=request_timeout,
        ca_bundle=ca_bundle,
        sync=sync,
        page_size=page_size,
        lookback_seconds=lookback_seconds,
    )
    connection = Connection(settings, credentials)
    return [_table_resource(connection, name) for name in settings.tables]


def _table_resource(connection: Connection, name: str) -> DltResource:
    def rows(modifiedon: Incremental[datetime] | None = None) -> Iterator[Any]:
        yield from _read_table(connection, name, modifiedon)

    return dlt.resource(rows, name=name)


def _read_table(
    connection: Connection, name: str, cursor: Incremental[datetime] | None
) -> Iterator[Any]:
    """Batches of one table; the first one carries the hints that make the destination's table.

    Args:
        connection: shared by all tables of the source.
        name: the table as it was named in the settings.
        cursor: a range of modifiedon that the user has put on the resource, for backfills.
    """
    overview = connection.metadata.resolve(name)
    settings = connection.settings.of_table(
        name, str(overview.entity_set_name), overview.logical_name
    )
    table = connection.metadata.table(overview.logical_name)
    columns = tuple(select_columns(table, settings.select))
    schema = table_schema(table, columns)
    reader = TableReader(connection.client, table, columns, schema, settings)
    chosen = plan(table, settings.sync if cursor is None else "cursor")
    if cursor is None and chosen.mode == "cursor":
        cursor = modified_cursor(settings.lookback_seconds)
    everything = cursor is None or is_first_read(cursor)
    hints = _hints(schema, replace=everything)
    batches = reader.batches() if cursor is None else read_since(reader, cursor)
    for number, batch in enumerate(batches):
        yield batch if number else dlt.mark.with_hints(batch, hints)


def _hints(schema: TableSchema, *, replace: bool) -> TResourceHints:
    """Hints of the destination's table.

    A read of everything replaces the table: nothing that is gone from Dataverse stays, and
    no merge has to be paid for.
    """
    return dlt.mark.make_hints(
        table_name=schema.table.entity_set_name,
        columns=schema.hints,
        primary_key=schema.primary_key,
        write_disposition=(
            "replace" if replace else {"disposition": "merge", "strategy": "delete-insert"}
        ),
    )
