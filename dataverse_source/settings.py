"""Settings of the source: defaults, one validation for all of them, and where each one is set.

Users write settings in ``[sources.dataverse]`` of ``.dlt/config.toml``, as environment
variables ``SOURCES__DATAVERSE__...``, or as arguments of `dataverse_source.dataverse`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, get_args

from dataverse_source.errors import ConfigurationError, did_you_mean
from dataverse_source.table_names import is_pattern

SANDBOX = "sandbox"
"""The environment_url that starts the local sandbox in place of a real environment."""

Sync = Literal["auto", "changes", "cursor", "full"]
Deletes = Literal["remove", "keep"]

MAX_PAGE_SIZE = 5000
"""Rows a page; Dataverse's maximum for standard tables (docs: "Page results")."""

MAX_CONCURRENCY = 208
"""Requests at once: four times the 52 that one web server takes from one user (docs: "Service
protection API limits"). More would only pile up in front of larger environments too."""


@dataclass(frozen=True)
class TableSettings:
    """Settings that can differ from table to table.

    Attributes:
        sync: how the table is kept in step: ``changes`` follows Dataverse's change tracking,
            deleted rows included; ``cursor`` reads what is newer by ``modifiedon`` (or by
            ``versionnumber`` where there is no modifiedon) and finds deleted rows by comparing
            keys; ``full`` reads everything each time; ``auto`` takes the first of these that
            the table and the user's privileges allow.
        deletes: whether rows that are gone from Dataverse are removed (``remove``), or stay and
            are listed in the table ``_dataverse_deletions`` (``keep``).
        sweep_interval: hours between comparisons of all keys, 0 for every run; None: 24 for
            ``cursor``, never for ``changes``, which reports deletes itself.
        max_rows_per_load: rows after which a long read ends its load package and the next one
            goes on, so that an interrupted first load resumes; None: all in one.
        page_size: rows a page, 1 to 5000.
        lookback_seconds: how far before the last run's end a cursor read starts again, so that
            rows committed late or in the same second are not missed.
        labels: whether to add ``<column>name``, the label of the value, to each choice column.
        history: whether the table keeps every version of a row that a run has seen, with the
            time from and to which it held, in place of the rows as they are now.
        select: columns to read (logical names); None reads all that rows can carry.
        filter: an OData ``$filter`` expression that every row has to meet.
    """

    sync: Sync = "auto"
    page_size: int = MAX_PAGE_SIZE
    lookback_seconds: float = 300
    select: tuple[str, ...] | None = None
    filter: str | None = None
    deletes: Deletes = "remove"
    sweep_interval: float | None = None
    max_rows_per_load: int | None = None
    labels: bool = False
    history: bool = False


@dataclass(frozen=True)
class Settings:
    """All settings of one source, valid from construction on.

    Attributes:
        environment_url: ``https://contoso.crm4.dynamics.com``, or ``sandbox``.
        tables: entity set names or logical names, in the order given.
        defaults: what a table gets that has no settings of its own.
        table_settings: settings by the name used in ``tables``.
        api_version: Web API version, such as ``v9.2``.
        request_timeout: seconds to wait for the next bytes of an answer.
        ca_bundle: path of a PEM file with the certificates to trust, None for the system's.
        max_concurrency: requests at once, at most; None: as many as the server bears.
    """

    environment_url: str
    tables: tuple[str, ...]
    defaults: TableSettings = TableSettings()
    table_settings: Mapping[str, TableSettings] = field(default_factory=dict)
    api_version: str = "v9.2"
    request_timeout: float = 120.0
    ca_bundle: str | None = None
    max_concurrency: int | None = None

    def of_table(self, *names: str) -> TableSettings:
        """The settings of the table that goes by ``names`` (as configured, logical, set name)."""
        for name in names:
            if name in self.table_settings:
                return self.table_settings[name]
        return self.defaults


def missing(name: str, meaning: str, file: str = "config.toml") -> ConfigurationError:
    """The error for a setting that has no value: names it in TOML and in the environment."""
    section, _, key = f"sources.dataverse.{name}".rpartition(".")
    return ConfigurationError(
        f"Missing setting {name}: {meaning}",
        where=f"[{section}] {key} in .dlt/{file}",
        remedy=f"Set it there, or as environment variable {environment_variable(name)}.",
    )


def environment_variable(name: str) -> str:
    """The environment variable of a setting, ``SOURCES__DATAVERSE__...``."""
    return "__".join(("sources", "dataverse", *name.split("."))).upper()


def make_settings(
    *,
    environment_url: str | None,
    tables: Sequence[str] | str | None,
    table_settings: Mapping[str, Mapping[str, Any]] | None = None,
    api_version: str = Settings.api_version,
    request_timeout: float = Settings.request_timeout,
    ca_bundle: str | None = None,
    max_concurrency: int | None = None,
    **defaults: Any,
) -> Settings:
    """Check everything that can be checked without a request.

    Args:
        environment_url: see `Settings`.
        tables: one name or several; a string may hold several, separated by commas.
        table_settings: per table, the keys of `TableSettings`.
        api_version: see `Settings`.
        request_timeout: see `Settings`.
        ca_bundle: see `Settings`.
        max_concurrency: see `Settings`.
        **defaults: keys of `TableSettings`; None means "not set".

    Raises:
        ConfigurationError: a setting is missing, unknown or out of range.
    """
    if not environment_url:
        raise missing(
            "environment_url",
            "the address of the Dataverse environment, such as "
            f"https://contoso.crm4.dynamics.com (or {SANDBOX!r} for the built-in sandbox)",
        )
    names = _table_names(tables)
    if request_timeout <= 0:
        raise _bad("request_timeout", request_timeout, "a number of seconds above 0")
    if max_concurrency is not None and not _number(max_concurrency, int, 1, MAX_CONCURRENCY):
        wanted = f"a whole number from 1 to {MAX_CONCURRENCY}, or leave it out"
        raise _bad("max_concurrency", max_concurrency, wanted)
    base = _table_settings("", TableSettings(), defaults)
    per_table: dict[str, TableSettings] = {}
    for name, given in (table_settings or {}).items():
        if name not in names and not any(map(is_pattern, names)):
            raise table_not_loaded(name, names)
        per_table[name] = _table_settings(f"table_settings.{name}.", base, given)
    return Settings(
        environment_url=environment_url,
        tables=names,
        defaults=base,
        table_settings=per_table,
        api_version=api_version,
        request_timeout=request_timeout,
        ca_bundle=ca_bundle,
        max_concurrency=max_concurrency,
    )


def table_not_loaded(name: str, names: Sequence[str]) -> ConfigurationError:
    """The error for settings of a table that is not among those that are loaded."""
    return ConfigurationError(
        f"table_settings.{name} is for a table that is not loaded",
        where=f"[sources.dataverse.table_settings.{name}]",
        remedy=did_you_mean(name, names) or f"Use the same name as in tables: {', '.join(names)}.",
    )


def _table_names(tables: Sequence[str] | str | None) -> tuple[str, ...]:
    given = tables.split(",") if isinstance(tables, str) else tables or ()
    names = tuple(dict.fromkeys(name.strip() for name in given if name.strip()))
    if not names:
        raise missing("tables", 'the tables to load, such as ["accounts", "contacts"]')
    return names


def _table_settings(prefix: str, base: TableSettings, given: Mapping[str, Any]) -> TableSettings:
    """``base`` with the values of ``given`` in place, each checked."""
    known = {one.name for one in fields(TableSettings)}
    values: dict[str, Any] = {}
    for key, value in given.items():
        if key not in known:
            raise ConfigurationError(
                f"Unknown setting {prefix}{key}",
                where=f"[sources.dataverse] {prefix}{key}",
                remedy=did_you_mean(key, known) or f"Known are {', '.join(sorted(known))}.",
            )
        if value is not None:
            values[key] = _checked(prefix + key, key, value)
    return replace(base, **values)


def _checked(name: str, key: str, value: Any) -> Any:
    for choice, values in (("sync", get_args(Sync)), ("deletes", get_args(Deletes))):
        if key == choice and value not in values:
            raise _bad(name, value, f"one of {', '.join(values)}")
    if key == "page_size" and not _number(value, int, 1, MAX_PAGE_SIZE):
        raise _bad(name, value, f"a whole number from 1 to {MAX_PAGE_SIZE}")
    if key == "lookback_seconds" and not _number(value, (int, float), 0, None):
        raise _bad(name, value, "a number of seconds, 0 or more")
    if key == "sweep_interval" and not _number(value, (int, float), 0, None):
        raise _bad(name, value, "a number of hours, 0 for every run")
    if key == "max_rows_per_load" and not _number(value, int, 1, None):
        raise _bad(name, value, "a whole number of rows, 1 or more")
    if key in ("labels", "history") and not isinstance(value, bool):
        raise _bad(name, value, "true or false")
    if key == "filter" and not isinstance(value, str):
        raise _bad(name, value, "an OData filter expression as text")
    if key == "select":
        columns = value.split(",") if isinstance(value, str) else value
        if not isinstance(columns, Sequence) or not all(isinstance(c, str) for c in columns):
            raise _bad(name, value, "a list of column names")
        return tuple(dict.fromkeys(column.strip() for column in columns))
    return value


def _number(value: Any, kind: Any, low: float, high: float | None) -> bool:
    if isinstance(value, bool) or not isinstance(value, kind):
        return False
    return bool(value >= low and (high is None or value <= high))


def _bad(name: str, value: Any, wanted: str) -> ConfigurationError:
    return ConfigurationError(
        f"Setting {name} has the value {value!r}, which can't be used",
        where=f"[sources.dataverse] {name}, or {environment_variable(name)}",
        remedy=f"Give {wanted}.",
    )
