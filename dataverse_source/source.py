"""The dlt source: one resource per configured table or pattern.

Orchestrators import pipeline scripts all day long, so the modules that talk to Dataverse are
imported only when a source is made.
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
    exclude: list[str] | None = dlt.config.value,
    credentials: DataverseCredentials | TokenCredential | None = None,
    sync: str | None = dlt.config.value,
    deletes: str | None = dlt.config.value,
    reconcile_interval: float | None = dlt.config.value,
    sweep_interval: float | None = dlt.config.value,
    max_deletes: float | None = dlt.config.value,
    max_rows_per_load: int | None = dlt.config.value,
    labels: bool | None = dlt.config.value,
    history: bool | None = dlt.config.value,
    write: str | None = dlt.config.value,
    table_format: str | None = dlt.config.value,
    page_size: int | None = dlt.config.value,
    lookback_seconds: float | None = dlt.config.value,
    max_concurrency: int | None = dlt.config.value,
    table_settings: dict[str, Any] | None = dlt.config.value,
    api_version: str = Settings.api_version,
    request_timeout: float = Settings.request_timeout,
    ca_bundle: str | None = dlt.config.value,
) -> Sequence[DltResource]:
    """Read tables of a Dataverse environment; every run brings the destination up to date.

    Every argument can come from ``[sources.dataverse]`` in ``.dlt/config.toml`` or
    ``.dlt/secrets.toml``, or from environment variables ``SOURCES__DATAVERSE__...``.
    Nothing is requested from Dataverse until the source is extracted.

    Args:
        environment_url: address of the environment, such as ``https://contoso.crm4.dynamics.com``,
            or ``sandbox`` for the local one; a path after the host is ignored.
        tables: entity set names (``accounts``), logical names (``account``), or patterns of either
            (``new_*``).
        exclude: tables that patterns in ``tables`` leave out: names, or patterns of them.
        credentials: who signs in: settings, or an object with ``get_token``, such as
            azure-identity's.
        sync: sync mode: ``changes`` follows Dataverse's change tracking, deletes included;
            ``cursor`` reads newer rows by ``modifiedon`` or ``versionnumber`` and finds deletes by
            comparing keys; ``full`` reads all rows every time; ``auto`` takes the first of these
            that the table and your privileges allow. Set for all tables, it is a preference: a
            table that does not support the mode falls back to the next best. Set for one table, it
            is a requirement.
        deletes: ``remove`` removes deleted rows; ``keep`` keeps them and lists them in
            ``_dataverse_deletions`` (``table``, ``key``, ``seen_at``).
        reconcile_interval: hours between comparisons of all rows with the destination, which
            correct every difference; 0 for every run.
        sweep_interval: former name of ``reconcile_interval``.
        max_deletes: most of a loaded table's rows that one run may remove, as a share from 0 to 1;
            a run that would remove more stops and changes nothing.
        max_rows_per_load: rows after which a long read ends its load package; an interrupted first
            load resumes after the last package.
        labels: ``true`` adds ``<column>name``, the label of the value, to each choice column.
        history: ``true`` keeps every version of a row that a run has seen, with
            ``_dataverse_valid_from`` and ``_dataverse_valid_to``.
        write: ``merge`` makes the table equal to Dataverse's; ``append`` makes it a change feed:
            every version of a row that a run has seen, and every delete.
        table_format: format of the tables in a bucket or folder: ``delta`` or ``iceberg``.
        page_size: rows per page, at most 5000.
        lookback_seconds: seconds by which a ``cursor`` read overlaps the previous run, so that rows
            committed late are not missed.
        max_concurrency: most requests in flight, 1 to 208.
        table_settings: settings of single tables, by the name used in ``tables``.
        api_version: version of the Web API.
        request_timeout: seconds to wait for the next bytes of a response.
        ca_bundle: PEM file (or folder) of certificates to trust; wins over ``REQUESTS_CA_BUNDLE``.

    Returns:
        One resource per name or pattern in ``tables``, called the same, and one for the tables
        that describe them, ``_dataverse_catalog``.

    Raises:
        ConfigurationError: lists all settings that are missing, unknown or cannot be used.
    """
    settings, found = configured(**locals())  # every argument, by name
    from dataverse_source.loading.catalog.resource import catalog_resource
    from dataverse_source.loading.connection import Connection
    from dataverse_source.loading.tables import Tables

    connection = Connection(settings, found)
    tables_to_read = Tables(connection)
    resources = [_resource(tables_to_read, name) for name in settings.tables]
    return [*resources, catalog_resource(connection)]


def _resource(tables: "Tables", name: str) -> DltResource:
    """The resource of one configured name; that of a pattern yields all its tables."""

    def rows(modifiedon: Incremental[datetime] | None = None) -> Iterator[Any]:
        yield from tables.items(name, dlt.current.resource_state(), modifiedon)

    return dlt.resource(rows, name=name)
