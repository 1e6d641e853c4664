"""The table of settings of the source.

Users write settings in ``[sources.dataverse]`` of ``.dlt/config.toml``, as environment
variables ``SOURCES__DATAVERSE__...``, or as arguments of `dataverse_source.dataverse`.

Each setting is a field of `TableSettings` or of `Settings`: name, type, default, what it may hold
and one line of documentation stand there and nowhere else. The dlt configuration spec is made
from these fields; the signature of `dataverse` and the tables in docs and README are compared
with them by a test.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from typing import Literal

from dataverse_source.config import values
from dataverse_source.config.query_settings import QuerySettings
from dataverse_source.config.table_settings import TableSettings, about
from dataverse_source.config.values import MAX_PAGE_SIZE, Kind

__all__ = ["MAX_PAGE_SIZE", "SETTINGS", "Settings", "TableSettings"]

FilesDeletes = Literal["keep", "remove"]

SANDBOX = "sandbox"
"""The environment_url that starts the local sandbox in place of a real environment."""

MAX_CONCURRENCY = 208
"""Requests in flight: four times the 52 that one web server accepts from one user (docs: "Service
protection API limits"). More would only queue in front of larger environments too."""


@dataclass(frozen=True)
class Settings:
    """All settings of one source; once made, they are valid.

    Attributes:
        defaults: the settings of a table that has none of its own.
        explicit_sync: names in ``table_settings`` that set ``sync`` themselves.
    """

    environment_url: str = field(
        metadata=about(
            values.text("an address such as https://contoso.crm4.dynamics.com"),
            "address of the environment, such as `https://contoso.crm4.dynamics.com`, or "
            "`sandbox` for the local one; a path after the host is ignored",
            unset="required",
        )
    )
    tables: tuple[str, ...] = field(
        metadata=about(
            values.names("a list of table names"),
            "entity set names (`accounts`), logical names (`account`), or patterns of either "
            "(`new_*`)",
            unset="required",
        )
    )
    exclude: tuple[str, ...] = field(
        default=(),
        metadata=about(
            values.names("a list of table names or patterns"),
            "tables that patterns in `tables` leave out: names, or patterns of them",
            unset="none",
        ),
    )
    audit: bool = field(
        default=False,
        metadata=about(
            values.FLAG,
            "`true` loads `audits`, and `audit_changes`: a row for each changed column",
        ),
    )
    retained: tuple[str, ...] = field(
        default=(),
        metadata=about(
            values.names("a list of entity set names"),
            "entity set names of tables whose archived rows (long-term retention) are loaded, each "
            "into `<table>_retained`",
            unset="none",
        ),
    )
    files: tuple[str, ...] = field(
        default=(),
        metadata=about(
            values.names("a list such as annotations, accounts.new_contract"),
            "files to store: `annotations` (notes), `activitymimeattachments` (e-mails), or file "
            "and image columns (`accounts.new_contract`); their tables are loaded, too",
            unset="none",
        ),
    )
    files_url: str | None = field(
        default=None,
        metadata=about(
            values.text("a folder, or the URL of a bucket"),
            "folder or bucket (`s3://`, `abfss://`, `gs://`) in which `files` are stored",
            unset="required with `files`",
        ),
    )
    files_deletes: FilesDeletes = field(
        default="keep",
        metadata=about(
            values.one_of("keep", "remove"),
            "what becomes of the bytes of files that are gone or replaced: `keep` or `remove`",
        ),
    )
    environment_column: str | None = field(
        default=None,
        metadata=about(
            values.ENVIRONMENT,
            "a name of this environment, such as `eu`: the value of `_dataverse_environment` in "
            "every row and part of every key, so that several environments fill the same tables of "
            "one dataset",
            unset="one environment in a dataset",
        ),
    )
    caller: str | None = field(
        default=None,
        metadata=about(
            values.GUID,
            "Entra object id of a user to read as: only what this user may read, too, is loaded",
            unset="the application user",
        ),
    )
    max_concurrency: int | None = field(
        default=None,
        metadata=about(
            values.whole(1, MAX_CONCURRENCY),
            f"most requests in flight, 1 to {MAX_CONCURRENCY}",
            unset="as many as the server allows",
        ),
    )
    bucket: tuple[int, int] | None = field(
        default=None,
        metadata=about(
            values.BUCKET,
            "`0/8` to `7/8`: only this eighth of the tables, by their logical names, for one of "
            "eight pipelines; the number of buckets must never change",
            unset="all tables",
        ),
    )
    processes: int = field(
        default=1,
        metadata=about(
            values.whole(1, what="processes"),
            "processes that read as the same application user at the same time; each takes its "
            "share of the requests in flight",
        ),
    )
    landing_url: str | None = field(
        default=None,
        metadata=about(
            values.text("a folder, or the URL of a bucket"),
            "folder or bucket (`s3://`, `abfss://`, `gs://`) for the parts of a table that several "
            "machines read",
            unset="a folder of this machine",
        ),
    )
    table_settings: Mapping[str, TableSettings] = field(
        default_factory=dict,
        metadata=about(
            Kind("a table of settings for each table", values.mapping_in),
            "settings of single tables, by the name used in `tables`",
            unset="none",
        ),
    )
    queries: Mapping[str, QuerySettings] = field(
        default_factory=dict,
        metadata=about(
            Kind("a table of settings for each query", values.mapping_in),
            "FetchXML queries and views to load, each into a table of its name",
            unset="none",
        ),
    )
    api_version: str = field(
        default="v9.2", metadata=about(values.VERSION, "version of the Web API")
    )
    request_timeout: float = field(
        default=120.0,
        metadata=about(values.SECONDS, "seconds to wait for the next bytes of a response"),
    )
    ca_bundle: str | None = field(
        default=None,
        metadata=about(
            values.text("the path of a PEM file"),
            "PEM file (or folder) of certificates to trust; wins over `REQUESTS_CA_BUNDLE`",
            unset="those of requests",
        ),
    )
    defaults: TableSettings = field(default_factory=TableSettings)
    explicit_sync: frozenset[str] = frozenset()

    def of_table(self, *names: str) -> TableSettings:
        """The settings of the table that goes by ``names`` (as configured, logical, set name).

        A query is a table of its name.
        """
        query = next((self.queries[name] for name in names if name in self.queries), None)
        if query is not None:
            return query.rows
        return self.table_settings.get(self._own(names), self.defaults)

    @property
    def has_histories(self) -> bool:
        """Whether any table has its history kept."""
        return any(one.history for one in (self.defaults, *self.table_settings.values()))

    def sync_is_explicit(self, *names: str) -> bool:
        """Whether ``sync`` is set for this very table; see `of_table`."""
        return self._own(names) in self.explicit_sync

    def _own(self, names: Sequence[str]) -> str:
        """The first of the names that has settings of its own; empty if none has."""
        return next((name for name in names if name in self.table_settings), "")


@dataclass(frozen=True)
class Setting:
    """One line of the table of settings.

    Attributes:
        kind: what it may hold.
        doc: one line of documentation, in Markdown.
        default: what holds while it is not set, as the docs show it.
        per_table: it can stand in ``table_settings``.
        for_all: it can stand in ``[sources.dataverse]``.
    """

    kind: Kind
    doc: str
    default: str
    per_table: bool
    for_all: bool


def _settings_of(owner: type[TableSettings | Settings]) -> dict[str, Setting]:
    found = {}
    for one in fields(owner):
        if "kind" not in one.metadata:
            continue
        about = dict(one.metadata)
        default = one.default if one.default not in (MISSING, ()) else None
        shown = f"`{default:g}`" if isinstance(default, float) else f"`{default}`".lower()
        found[one.name] = Setting(
            about["kind"],
            about["doc"],
            about["unset"] if default is None else shown,
            per_table=owner is TableSettings,
            for_all=not about["for_one_table"],
        )
    return found


SETTINGS: Mapping[str, Setting] = _settings_of(Settings) | _settings_of(TableSettings)
"""The table of settings, by name."""

OF_THE_SOURCE = frozenset(name for name, one in SETTINGS.items() if one.for_all)
"""Settings of ``[sources.dataverse]``."""

OF_A_TABLE = frozenset(name for name, one in SETTINGS.items() if one.per_table)
"""Settings of ``[sources.dataverse.table_settings.<table>]``."""

_OF_TABLES = frozenset(
    {"tables", "table_settings", "queries", "audit", "retained", "files", "files_url"}
    | {"files_deletes"}
)
OF_A_CONNECTION = OF_THE_SOURCE - OF_A_TABLE - _OF_TABLES
"""Settings that have nothing to do with tables."""
