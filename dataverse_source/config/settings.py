"""Settings of the source: defaults, one validation for all of them, and where each one is set.

Users write settings in ``[sources.dataverse]`` of ``.dlt/config.toml``, as environment
variables ``SOURCES__DATAVERSE__...``, or as arguments of `dataverse_source.dataverse`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

from dataverse_source.config.problems import Problems
from dataverse_source.config.setting_names import SECTION
from dataverse_source.config.values import KINDS as KINDS
from dataverse_source.config.values import MAX_CONCURRENCY as MAX_CONCURRENCY
from dataverse_source.config.values import MAX_PAGE_SIZE as MAX_PAGE_SIZE
from dataverse_source.config.values import checked, mapping_of
from dataverse_source.config.values import environment_variable as environment_variable
from dataverse_source.errors import ConfigurationError, did_you_mean
from dataverse_source.metadata.table_selection import is_pattern

SANDBOX = "sandbox"
"""The environment_url that starts the local sandbox in place of a real environment."""

Sync = Literal["auto", "changes", "cursor", "full"]
Deletes = Literal["remove", "keep"]

_NEEDED = {
    "environment_url": "the address of the Dataverse environment, such as "
    f"https://contoso.crm4.dynamics.com (or {SANDBOX!r} for the built-in sandbox)",
    "tables": 'the tables to load, such as ["accounts", "contacts"]',
}


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
        strict: whether a table for which ``sync`` can't be had is refused; where it is set for
            all tables alike, such a table is kept in step in the next best way. It is no setting.
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
    strict: bool = True


OF_A_TABLE = frozenset(one.name for one in fields(TableSettings)) - {"strict"}
"""Names of the settings that can differ from table to table."""


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
        setting=name,
    )


def make_settings(**given: Any) -> Settings:
    """Check everything that can be checked without a request and without looking into files.

    Args:
        **given: attributes of `Settings` but ``defaults``, and those of `TableSettings`; None
            means "not set". Names of tables and columns may also be text with commas or JSON,
            numbers and flags may be text, as environment variables are.

    Raises:
        ConfigurationError: settings are missing, unknown or out of range; all that are.
    """
    problems = Problems()
    set_ = {name: value for name, value in given.items() if value is not None and value != ""}
    values = _checked("", set_, frozenset(KINDS), problems)
    for name, meaning in _NEEDED.items():
        if not values.get(name) and not problems.about(name):
            problems.found.append(missing(name, meaning))
    of_all = {name: values.pop(name) for name in OF_A_TABLE & values.keys()}
    defaults = TableSettings(**of_all, strict=False)
    names = values.get("tables", ())
    of_tables: dict[str, TableSettings] = {}
    for name, own in values.get("table_settings", {}).items():
        if names and name not in names and not any(map(is_pattern, names)):
            problems.found.append(table_not_loaded(name, names))
        with problems.noted():
            own = mapping_of(f"table_settings.{name}", own)
            own = _checked(f"table_settings.{name}.", own, OF_A_TABLE, problems)
            of_tables[name] = replace(defaults, **own, strict="sync" in own)
    problems.raise_all()
    return Settings(**{**values, "defaults": defaults, "table_settings": of_tables})


def table_not_loaded(name: str, names: Sequence[str]) -> ConfigurationError:
    """The error for settings of a table that is not among those that are loaded."""
    return ConfigurationError(
        f"table_settings.{name} is for a table that is not loaded",
        where=f"[sources.dataverse.table_settings.{name}]",
        remedy=did_you_mean(name, names) or f"Use the same name as in tables: {', '.join(names)}.",
        setting=f"table_settings.{name}",
    )


def _checked(
    prefix: str, given: Mapping[str, Any], known: frozenset[str], problems: Problems
) -> dict[str, Any]:
    """The values that can be used; what is wrong with the others is noted."""
    values: dict[str, Any] = {}
    for key, value in given.items():
        with problems.noted():
            if key not in known:
                raise _unknown(prefix, key, known)
            if value is not None:
                values[key] = checked(prefix + key, value)
    return values


def _unknown(prefix: str, key: str, known: frozenset[str]) -> ConfigurationError:
    remedy = did_you_mean(key, known) or f"Known are {', '.join(sorted(known))}."
    if key in KINDS:
        remedy = f"It is the same for all tables: set it in [{SECTION}] itself."
    return ConfigurationError(
        f"Unknown setting {prefix}{key}",
        where=f"[{SECTION}] {prefix}{key}",
        remedy=remedy,
        setting=prefix + key,
    )
