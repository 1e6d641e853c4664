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
from typing import Any, Literal

from dataverse_source.config import values
from dataverse_source.config.values import Kind

SANDBOX = "sandbox"
"""The environment_url that starts the local sandbox in place of a real environment."""

MAX_PAGE_SIZE = 5000
"""Rows per page; Dataverse's maximum for standard tables (docs: "Page results")."""

MAX_CONCURRENCY = 208
"""Requests in flight: four times the 52 that one web server accepts from one user (docs: "Service
protection API limits"). More would only queue in front of larger environments too."""

Sync = Literal["auto", "changes", "cursor", "full"]
Deletes = Literal["remove", "keep"]
Write = Literal["merge", "append"]
TableFormat = Literal["delta", "iceberg"]


def _about(kind: Kind, doc: str, *, unset: str = "", for_one_table: bool = False) -> dict[str, Any]:
    """What the table of settings says beside name, type and default.

    Args:
        kind: what the setting may hold.
        doc: one line for the docs.
        unset: what happens while it is not set, where the default is None.
        for_one_table: it makes sense in ``table_settings`` only.
    """
    return {"kind": kind, "doc": doc, "unset": unset, "for_one_table": for_one_table}


@dataclass(frozen=True)
class TableSettings:
    """Settings that can be set for all tables, for one table, or both."""

    sync: Sync = field(
        default="auto",
        metadata=_about(
            values.one_of("auto", "changes", "cursor", "full"),
            "sync mode: `changes` follows Dataverse's change tracking, deletes included; `cursor` "
            "reads newer rows by `modifiedon` or `versionnumber` and finds deletes by comparing "
            "keys; `full` reads all rows every time; `auto` takes the first of these that the "
            "table and your privileges allow. Set for all tables, it is a preference: a table that "
            "does not support the mode falls back to the next best. Set for one table, it is a "
            "requirement",
        ),
    )
    deletes: Deletes = field(
        default="remove",
        metadata=_about(
            values.one_of("remove", "keep"),
            "`remove` removes deleted rows; `keep` keeps them and lists them in "
            "`_dataverse_deletions` (`table`, `key`, `seen_at`)",
        ),
    )
    reconcile_interval: float | None = field(
        default=None,
        metadata=_about(
            values.number("a number of hours, 0 for every run"),
            "hours between comparisons of all rows with the destination, which correct every "
            "difference; 0 for every run",
            unset="24 for `cursor`, 168 for `changes`",
        ),
    )
    sweep_interval: float | None = field(
        default=None,
        metadata=_about(
            values.number("a number of hours, 0 for every run"),
            "former name of `reconcile_interval`",
            unset="`reconcile_interval`",
        ),
    )
    max_deletes: float | None = field(
        default=None,
        metadata=_about(
            values.share(),
            "most of a loaded table's rows that one run may remove, as a share from 0 to 1; a run "
            "that would remove more stops and changes nothing",
            unset="no limit",
        ),
    )
    max_rows_per_load: int | None = field(
        default=None,
        metadata=_about(
            values.whole(1, what="rows"),
            "rows after which a long read ends its load package; an interrupted first load "
            "resumes after the last package",
            unset="all in one",
        ),
    )
    labels: bool = field(
        default=False,
        metadata=_about(
            values.FLAG, "`true` adds `<column>name`, the label of the value, to each choice column"
        ),
    )
    history: bool = field(
        default=False,
        metadata=_about(
            values.FLAG,
            "`true` keeps every version of a row that a run has seen, with `_dataverse_valid_from` "
            "and `_dataverse_valid_to`",
        ),
    )
    write: Write = field(
        default="merge",
        metadata=_about(
            values.one_of("merge", "append"),
            "`merge` makes the table equal to Dataverse's; `append` makes it a change feed: every "
            "version of a row that a run has seen, and every delete",
        ),
    )
    table_format: TableFormat | None = field(
        default=None,
        metadata=_about(
            values.one_of("delta", "iceberg"),
            "format of the tables in a bucket or folder: `delta` or `iceberg`",
            unset="the destination's own",
        ),
    )
    text_lengths: bool = field(
        default=False,
        metadata=_about(
            values.FLAG,
            "`true` gives text columns the greatest length that Dataverse allows, keys 36, so that "
            "databases can index them",
        ),
    )
    page_size: int = field(
        default=MAX_PAGE_SIZE,
        metadata=_about(values.whole(1, MAX_PAGE_SIZE), f"rows per page, at most {MAX_PAGE_SIZE}"),
    )
    lookback_seconds: float = field(
        default=300,
        metadata=_about(
            values.number("a number of seconds, 0 or more"),
            "seconds by which a `cursor` read overlaps the previous run, so that rows committed "
            "late are not missed",
        ),
    )
    select: tuple[str, ...] | None = field(
        default=None,
        metadata=_about(
            values.names("a list of column names"),
            "columns to read, by logical name; the key, `modifiedon` and `versionnumber` are "
            "always read",
            unset="all columns that rows can carry",
            for_one_table=True,
        ),
    )
    exclude_columns: tuple[str, ...] = field(
        default=(),
        metadata=_about(
            values.names("a list of column names or patterns"),
            "columns that are not read: logical names, or patterns such as `address2_*`",
            unset="none",
            for_one_table=True,
        ),
    )
    filter: str | None = field(
        default=None,
        metadata=_about(
            values.text("an OData filter expression as text"),
            'OData `$filter` that rows have to meet; rules out `sync = "changes"`',
            unset="all rows",
            for_one_table=True,
        ),
    )


@dataclass(frozen=True)
class Settings:
    """All settings of one source; once made, they are valid.

    Attributes:
        defaults: the settings of a table that has none of its own.
        explicit_sync: names in ``table_settings`` that set ``sync`` themselves.
    """

    environment_url: str = field(
        metadata=_about(
            values.text("an address such as https://contoso.crm4.dynamics.com"),
            "address of the environment, such as `https://contoso.crm4.dynamics.com`, or "
            "`sandbox` for the local one; a path after the host is ignored",
            unset="required",
        )
    )
    tables: tuple[str, ...] = field(
        metadata=_about(
            values.names("a list of table names"),
            "entity set names (`accounts`), logical names (`account`), or patterns of either "
            "(`new_*`)",
            unset="required",
        )
    )
    exclude: tuple[str, ...] = field(
        default=(),
        metadata=_about(
            values.names("a list of table names or patterns"),
            "tables that patterns in `tables` leave out: names, or patterns of them",
            unset="none",
        ),
    )
    max_concurrency: int | None = field(
        default=None,
        metadata=_about(
            values.whole(1, MAX_CONCURRENCY),
            f"most requests in flight, 1 to {MAX_CONCURRENCY}",
            unset="as many as the server allows",
        ),
    )
    processes: int = field(
        default=1,
        metadata=_about(
            values.whole(1, what="processes"),
            "processes that read as the same application user at the same time; each takes its "
            "share of the requests in flight",
        ),
    )
    landing_url: str | None = field(
        default=None,
        metadata=_about(
            values.text("a folder, or the URL of a bucket"),
            "folder or bucket (`s3://`, `abfss://`, `gs://`) for the parts of a table that several "
            "machines read",
            unset="a folder of this machine",
        ),
    )
    table_settings: Mapping[str, TableSettings] = field(
        default_factory=dict,
        metadata=_about(
            Kind("a table of settings for each table", values.mapping_in),
            "settings of single tables, by the name used in `tables`",
            unset="none",
        ),
    )
    api_version: str = field(
        default="v9.2", metadata=_about(values.VERSION, "version of the Web API")
    )
    request_timeout: float = field(
        default=120.0,
        metadata=_about(values.SECONDS, "seconds to wait for the next bytes of a response"),
    )
    ca_bundle: str | None = field(
        default=None,
        metadata=_about(
            values.text("the path of a PEM file"),
            "PEM file (or folder) of certificates to trust; wins over `REQUESTS_CA_BUNDLE`",
            unset="those of requests",
        ),
    )
    defaults: TableSettings = TableSettings()
    explicit_sync: frozenset[str] = frozenset()

    def of_table(self, *names: str) -> TableSettings:
        """The settings of the table that goes by ``names`` (as configured, logical, set name)."""
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

OF_A_CONNECTION = OF_THE_SOURCE - OF_A_TABLE - {"tables", "table_settings"}
"""Settings that have nothing to do with tables."""
