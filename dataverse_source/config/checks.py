"""Checks the values of all settings at once, and makes `Settings` of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from dataverse_source.config.file_settings import check_file_settings, tables_of_files
from dataverse_source.config.problems import Problems, misplaced_secret
from dataverse_source.config.query_settings import query_settings, retained_queries
from dataverse_source.config.setting_names import SECTION, environment_variable
from dataverse_source.config.settings import (
    OF_A_TABLE,
    SANDBOX,
    SETTINGS,
    Settings,
    TableSettings,
)
from dataverse_source.config.values import Kind, is_pattern
from dataverse_source.errors import ConfigurationError, did_you_mean, has_secret, may_be_secret

_EXAMPLES = {
    "environment_url": f"https://contoso.crm4.dynamics.com (or {SANDBOX} for the built-in sandbox)",
    "tables": '["accounts", "contacts"]',
}
"""The settings that must be set, each with an example."""


_NAMES = ("tables", "exclude", "retained", "files")


def make_settings(**given: Any) -> Settings:
    """Checks all that can be checked without a request and without opening files.

    Args:
        **given: settings of the source by name; None means "not set". Lists may also be text with
            commas or JSON, numbers and flags may be text, as environment variables are.

    Raises:
        ConfigurationError: one error for all settings that are missing, unknown or out of range.
    """
    problems = Problems()
    present = {name: value for name, value in given.items() if value is not None and value != ""}
    found = _checked("", present, frozenset(SETTINGS), problems)
    for name, example in _EXAMPLES.items():
        others = [found.get(one) for one in ("queries", "audit", "retained", "files")]
        needed = name != "tables" or not any(others)
        if needed and not found.get(name) and not problems.about(name):
            problems.found.append(_missing(name, example))
    found.setdefault("tables", ())
    if found.get("audit") and not {"audit", "audits"} & {*found["tables"]}:
        found["tables"] = (*found["tables"], "audits")
    check_file_settings(found, problems)
    of_files = tables_of_files(found.get("files", ()))
    found["tables"] = tuple(dict.fromkeys((*found["tables"], *of_files)))
    defaults = TableSettings(**{name: found.pop(name) for name in OF_A_TABLE & found.keys()})
    tables = found.get("tables", ())
    of_tables: dict[str, TableSettings] = {}
    explicit = set()
    for name, own in found.get("table_settings", {}).items():
        if (
            tables
            and name not in (*tables, *found.get("retained", ()))
            and not any(map(is_pattern, tables))
        ):
            problems.found.append(table_not_loaded(name, tables))
        with problems.noted():
            if not isinstance(own, Mapping):
                wanted = 'a table of settings, such as select = ["name"]'
                raise _unusable(f"table_settings.{name}", own, wanted)
            own = _checked(f"table_settings.{name}.", own, OF_A_TABLE, problems)
            of_tables[name] = replace(defaults, **own)
            explicit |= {name} if "sync" in own else set()
    queries = query_settings(found.pop("queries", {}), defaults, _checked_value, problems)
    archived = found.get("retained", ())
    queries |= retained_queries(archived, defaults, of_tables, queries, problems)
    for name in found.get("exclude", ()):
        if name in tables:
            problems.found.append(_in_both(name))
    problems.raise_all()
    found |= {"defaults": defaults, "table_settings": of_tables, "queries": queries}
    return Settings(**found, explicit_sync=frozenset(explicit))


def table_not_loaded(name: str, names: Sequence[str]) -> ConfigurationError:
    """The error for settings of a table that is not among those that are loaded."""
    return ConfigurationError(
        f"table_settings.{name} is for a table that is not loaded",
        where=f"[{SECTION}.table_settings.{name}]",
        remedy=did_you_mean(name, names) or f"Use the same name as in tables: {', '.join(names)}.",
        setting=f"table_settings.{name}",
    )


def _in_both(name: str) -> ConfigurationError:
    return ConfigurationError(
        f"tables and exclude both name {name}",
        where=f"[{SECTION}] exclude",
        remedy="Remove it from one of them: exclude is for tables that patterns match.",
        setting="exclude",
    )


def _checked(
    prefix: str, given: Mapping[str, Any], known: frozenset[str], problems: Problems
) -> dict[str, Any]:
    """The values that can be used; the problems of the others are noted."""
    found: dict[str, Any] = {}
    for key, value in given.items():
        with problems.noted():
            if key not in known:
                raise _unknown(prefix, key, known)
            if value is not None:
                if key in _NAMES and _has_random_name(value):
                    raise misplaced_secret(prefix + key)
                found[key] = _checked_value(prefix + key, value, SETTINGS[key].kind)
    return found


def _checked_value(name: str, value: Any, kind: Kind) -> Any:
    if has_secret(str(value)):
        raise misplaced_secret(name)
    return _read(name, value, kind)


def _has_random_name(names: Any) -> bool:
    listed = names.split(",") if isinstance(names, str) else names
    return isinstance(listed, (list, tuple)) and any(may_be_secret(str(one)) for one in listed)


def _read(name: str, value: Any, kind: Kind) -> Any:
    try:
        return kind.read(value)
    except ValueError:
        raise _unusable(name, value, kind.wanted) from None


def _unusable(name: str, value: Any, wanted: str) -> ConfigurationError:
    hidden = may_be_secret(str(value))
    shown = "a value that looks like a secret" if hidden else f"the value {value!r}"
    return ConfigurationError(
        f"Setting {name} has {shown}, which cannot be used",
        where=f"[{SECTION}] {name}, or {environment_variable(name)}",
        remedy=f"Give {wanted}.",
        setting=name,
    )


def _missing(name: str, example: str) -> ConfigurationError:
    return ConfigurationError(
        f"Missing setting {name}, such as {example}",
        where=f"[{SECTION}] {name} in .dlt/config.toml",
        remedy=f"Set it there, or as environment variable {environment_variable(name)}.",
        setting=name,
    )


def _unknown(prefix: str, key: str, known: frozenset[str]) -> ConfigurationError:
    remedy = did_you_mean(key, known) or f"Known settings: {', '.join(sorted(known))}."
    if key in SETTINGS:
        remedy = f"It is the same for all tables: set it in [{SECTION}] itself."
    return ConfigurationError(
        f"Unknown setting {prefix}{key}",
        where=f"[{SECTION}] {prefix}{key}",
        remedy=remedy,
        setting=prefix + key,
    )
