"""The dlt source: one resource per table.

Orchestrators import pipeline scripts all day long, so the modules that talk to Dataverse are
imported only when a source is made.
"""

from collections.abc import Sequence
from typing import Any

import dlt
from dlt.common.configuration.container import Container
from dlt.common.configuration.specs.config_section_context import ConfigSectionContext
from dlt.common.schema.typing import TWriteDispositionConfig
from dlt.common.typing import TColumnNames
from dlt.extract import DltResource, DltSource
from dlt.extract.incremental import Incremental

from dataverse_source.config.settings import SETTINGS, Settings
from dataverse_source.credentials import DataverseCredentials, TokenCredential
from dataverse_source.loading.adapters import Adapters, QueryAdapter, TableAdapter, TypeAdapter
from dataverse_source.loading.configuration import (
    DataverseConfiguration,
    configured,
    settings_of_table,
)

GIVEN = frozenset({*SETTINGS, "credentials"})
"""The arguments of `dataverse` that are settings."""


@dlt.source(name="dataverse", section="dataverse", spec=DataverseConfiguration)
def dataverse(
    environment_url: str | None = dlt.config.value,
    tables: list[str] | None = dlt.config.value,
    exclude: list[str] | None = dlt.config.value,
    credentials: DataverseCredentials | TokenCredential | None = dlt.secrets.value,
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
    text_lengths: bool | None = dlt.config.value,
    page_size: int | None = dlt.config.value,
    lookback_seconds: float | None = dlt.config.value,
    audit: bool | None = dlt.config.value,
    retained: Sequence[str] | None = dlt.config.value,
    files: Sequence[str] | None = dlt.config.value,
    files_url: str | None = dlt.config.value,
    files_deletes: str | None = dlt.config.value,
    environment_column: str | None = dlt.config.value,
    caller: str | None = dlt.config.value,
    max_concurrency: int | None = dlt.config.value,
    bucket: str | None = dlt.config.value,
    processes: int | None = dlt.config.value,
    landing_url: str | None = dlt.config.value,
    table_settings: dict[str, Any] | None = dlt.config.value,
    queries: dict[str, Any] | None = dlt.config.value,
    api_version: str = Settings.api_version,
    request_timeout: float = Settings.request_timeout,
    ca_bundle: str | None = dlt.config.value,
    defer_table_reflect: bool = True,
    table_adapter_callback: TableAdapter | None = None,
    type_adapter_callback: TypeAdapter | None = None,
    query_adapter_callback: QueryAdapter | None = None,
) -> DltSource:
    """Read tables of a Dataverse environment; every run brings the destination up to date.

    Every argument can come from ``[sources.dataverse]`` in ``.dlt/config.toml`` or
    ``.dlt/secrets.toml``, or from environment variables ``SOURCES__DATAVERSE__...``.
    Nothing is requested from Dataverse until the source is loaded, or asked for its resources.

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
        text_lengths: ``true`` gives text columns the greatest length that Dataverse allows, keys
            36, so that databases can index them.
        page_size: rows per page, at most 5000.
        lookback_seconds: seconds by which a ``cursor`` read overlaps the previous run, so that rows
            committed late are not missed.
        audit: ``true`` loads ``audits``, and ``audit_changes``: a row for each changed column.
        retained: entity set names of tables whose archived rows (long-term retention) are loaded,
            each into ``<table>_retained``.
        files: files to store: ``annotations`` (notes), ``activitymimeattachments`` (e-mails), or
            file and image columns (``accounts.new_contract``); their tables are loaded, too.
        files_url: folder or bucket (``s3://``, ``abfss://``, ``gs://``) in which ``files`` are
            stored.
        files_deletes: what becomes of the bytes of files that are gone or replaced: ``keep`` or
            ``remove``.
        environment_column: a name of this environment, such as ``eu``: the value of
            ``_dataverse_environment`` in every row and part of every key, so that several
            environments fill the same tables of one dataset.
        caller: Entra object id of a user to read as: only what this user may read, too, is loaded.
        max_concurrency: most requests in flight, 1 to 208.
        bucket: ``0/8`` to ``7/8``: only this eighth of the tables, by their logical names, for one
            of eight pipelines; the number of buckets must never change.
        processes: processes that read as the same application user at the same time; each takes its
            share of the requests in flight.
        landing_url: folder or bucket (``s3://``, ``abfss://``, ``gs://``) for the parts of a table
            that several machines read.
        table_settings: settings of single tables, by the name used in ``tables``.
        queries: FetchXML queries and views to load, each into a table of its name.
        api_version: version of the Web API.
        request_timeout: seconds to wait for the next bytes of a response.
        ca_bundle: PEM file (or folder) of certificates to trust; wins over ``REQUESTS_CA_BUNDLE``.
        defer_table_reflect: ``False`` asks for the tables now, not when the source is asked for its
            resources.
        table_adapter_callback: gets each table with the columns that would be read, and returns the
            names of those to read.
        type_adapter_callback: gets each column, and returns dlt's data type or type hints for it,
            or None.
        query_adapter_callback: gets the OData filter (or None) and the table, and returns the
            filter to read with.

    Returns:
        One resource per table, called like the table (``accounts``), and one for the tables that
        describe them, ``_dataverse_catalog``; not with ``bucket``.

    Raises:
        ConfigurationError: lists all settings that are missing, unknown or cannot be used.
    """
    adapters = Adapters(table_adapter_callback, type_adapter_callback, query_adapter_callback)
    given = {name: value for name, value in locals().items() if name in GIVEN}
    settings, found = configured(**given)
    from dataverse_source.loading.catalog.resource import catalog_resource
    from dataverse_source.loading.connection import Connection
    from dataverse_source.loading.table_source import TableSource
    from dataverse_source.loading.tables import Tables

    connection = Connection(settings, found, adapters)
    schema, section = dlt.current.source_schema(), Container()[ConfigSectionContext].sections[1]
    # Pipelines that run at the same time would replace each other's rows in the catalog's tables.
    is_one_of_many = settings.bucket is not None and settings.bucket[1] > 1
    others = [] if is_one_of_many else [catalog_resource(connection)]
    source = TableSource(schema, section, Tables(connection), others)
    if not defer_table_reflect:
        source.find_tables()
    return source


def dataverse_table(
    table: str,
    *,
    credentials: DataverseCredentials | TokenCredential | None = dlt.secrets.value,
    included_columns: Sequence[str] | None = None,
    excluded_columns: Sequence[str] | None = None,
    filter: str | None = None,
    incremental: Incremental[Any] | None = None,
    write_disposition: TWriteDispositionConfig | None = None,
    primary_key: TColumnNames | None = None,
    defer_table_reflect: bool = True,
    table_adapter_callback: TableAdapter | None = None,
    type_adapter_callback: TypeAdapter | None = None,
    query_adapter_callback: QueryAdapter | None = None,
    section: str = "dataverse",
    **settings: Any,
) -> DltResource:
    """One table of a Dataverse environment as a resource, for a source of one's own.

    Args:
        table: its entity set name (``accounts``), which is also the name of the resource and of the
            table in the destination.
        credentials: as for `dataverse`; by default from ``[sources.dataverse.credentials]``.
        included_columns: columns to read, by logical name; None for all.
        excluded_columns: columns that are not read: names or patterns.
        filter: OData ``$filter`` that rows have to meet.
        incremental: a range of a column of numbers, text or times, in place of all changes.
        write_disposition: ``replace`` reads and replaces all rows in every run; by default changes
            are merged.
        primary_key: the table's key, if it has to be named.
        defer_table_reflect: ``False`` asks for the table's columns now, not when they are needed.
        table_adapter_callback: as for `dataverse`.
        type_adapter_callback: likewise.
        query_adapter_callback: likewise.
        section: looks settings up in ``[sources.<section>]``.
        **settings: further settings of `dataverse`, such as ``environment_url`` or ``history``.

    Raises:
        ConfigurationError: lists all settings that are missing, unknown or cannot be used.
    """
    from dataverse_source.loading.connection import Connection
    from dataverse_source.loading.table_feed import TableFeed
    from dataverse_source.loading.table_resource import TableResource
    from dataverse_source.loading.tables import Tables

    own = {"select": included_columns, "exclude_columns": excluded_columns, "filter": filter}
    adapters = Adapters(table_adapter_callback, type_adapter_callback, query_adapter_callback)
    found = settings_of_table(table, credentials, {**settings, **own}, section)
    connection = Connection(*found, adapters)
    feed = TableFeed(Tables(connection), table)
    resource = TableResource.make(table, feed, section=section)
    if not defer_table_reflect:
        feed.hints()
    return resource.apply_hints(
        write_disposition=write_disposition, primary_key=primary_key, incremental=incremental
    )
