"""The dlt source: one resource per table, wired to the way that keeps the table in step.

Orchestrators import pipeline scripts all day long: what talks to Dataverse is imported when a
source is made, not before.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import dlt
from dlt.extract import DltResource
from dlt.extract.incremental import Incremental

from dataverse_source.config.settings import Settings
from dataverse_source.credentials import DataverseCredentials, TokenCredential
from dataverse_source.loading.configuration import DataverseConfiguration, configured

if TYPE_CHECKING:
    from dataverse_source.loading.tables import Tables


@dlt.source(name="dataverse", section="dataverse", spec=DataverseConfiguration)
def dataverse(
    environment_url: str | None = dlt.config.value,
    tables: list[str] | None = dlt.config.value,
    credentials: DataverseCredentials | TokenCredential | None = None,
    sync: str | None = dlt.config.value,
    deletes: str | None = dlt.config.value,
    sweep_interval: float | None = dlt.config.value,
    max_rows_per_load: int | None = dlt.config.value,
    labels: bool | None = dlt.config.value,
    history: bool | None = dlt.config.value,
    page_size: int | None = dlt.config.value,
    lookback_seconds: float | None = dlt.config.value,
    max_concurrency: int | None = dlt.config.value,
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
        tables: entity set names (``accounts``), logical names (``account``), or patterns of
            either (``new_*``).
        credentials: who signs in: settings, or an object with ``get_token`` (azure-identity's).
        sync: ``auto``, ``changes``, ``cursor`` or ``full``; see
            `dataverse_source.config.settings.TableSettings`.
        deletes: ``remove``, or ``keep`` to leave deleted rows and list them.
        sweep_interval: hours between comparisons of keys that find deleted rows; 0: every run.
        max_rows_per_load: rows after which a long read ends its load package; `load` goes on.
        labels: whether to add ``<column>name``, the label of the value, to each choice column.
        history: whether to keep every version of a row that a run has seen.
        page_size: rows a page, at most 5000.
        lookback_seconds: overlap of a cursor read with the run before.
        max_concurrency: requests at once, at most; as many as the server bears, unless set.
        table_settings: by table: ``sync``, ``deletes``, ``sweep_interval``, ``page_size``,
            ``lookback_seconds``, ``max_rows_per_load``, ``labels``, ``history``, ``select``,
            ``filter``.
        api_version: version of the Web API.
        request_timeout: seconds to wait for the next bytes of an answer.
        ca_bundle: path of a PEM file with certificates to trust, in place of the system's.

    Returns:
        One resource per table, named as the table was named in ``tables``, and one for the
        tables that describe them, ``_dataverse_catalog``.

    Raises:
        ConfigurationError: settings are missing, unknown or can't be used; all that are.
    """
    settings, found = configured(
        credentials,
        environment_url=environment_url,
        tables=tables,
        table_settings=table_settings,
        api_version=api_version,
        request_timeout=request_timeout,
        ca_bundle=ca_bundle,
        max_concurrency=max_concurrency,
        sync=sync,
        deletes=deletes,
        sweep_interval=sweep_interval,
        max_rows_per_load=max_rows_per_load,
        labels=labels,
        history=history,
        page_size=page_size,
        lookback_seconds=lookback_seconds,
    )
    from dataverse_source.loading.catalog.resource import catalog_resource
    from dataverse_source.loading.connection import Connection
    from dataverse_source.loading.tables import Tables

    connection = Connection(settings, found)
    tables_to_read = Tables(connection)
    resources = [_resource(tables_to_read, name) for name in settings.tables]
    return [*resources, catalog_resource(connection)]


def _resource(tables: "Tables", name: str) -> DltResource:
    """The resource of one configured name; a pattern's resource gives all its tables."""

    def rows(modifiedon: Incremental[datetime] | None = None) -> Iterator[Any]:
        yield from tables.items(name, dlt.current.resource_state(), modifiedon)

    return dlt.resource(rows, name=name)
