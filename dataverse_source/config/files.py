"""The files and environment variables that hold settings: what is read, and what is not."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dlt.common.configuration.container import Container
from dlt.common.configuration.providers.toml import StringTomlProvider
from dlt.common.configuration.specs.config_section_context import ConfigSectionContext
from dlt.common.configuration.specs.pluggable_run_context import PluggableRunContext

from dataverse_source.config.setting_names import (
    CREDENTIALS,
    CREDENTIALS_SETTINGS,
    OF_THE_PROJECT,
    SECTION,
    current_section,
    environment_variable,
)
from dataverse_source.config.settings import OF_A_TABLE, OF_THE_SOURCE
from dataverse_source.errors import ConfigurationError, did_you_mean

_FOR_ONE_TABLE = OF_A_TABLE - OF_THE_SOURCE
_IN_THE_SECTION = OF_THE_SOURCE | OF_THE_PROJECT
_SUBSECTIONS = ("credentials", "table_settings")


@dataclass(frozen=True)
class SettingsFile:
    """A TOML file that dlt has read.

    Attributes:
        path: path of the file.
        sections: its tables ``[sources.dataverse]``; that of the running pipeline comes first.
        content: everything in the file.
    """

    path: str
    sections: tuple[Mapping[str, Any], ...]
    content: Mapping[str, Any]


def settings_files() -> tuple[SettingsFile, ...]:
    """The TOML files of dlt's configuration that exist, in order of precedence."""
    pipeline = Container()[ConfigSectionContext].pipeline_name
    found = []
    for path in _locations():
        if not Path(path).is_file():
            continue
        text = Path(path).read_text(encoding="utf-8")
        content = StringTomlProvider.loads(text).unwrap()
        roots = (content.get(pipeline) if pipeline else None, content)
        sections = (_at(root, current_section().split(".")) for root in roots)
        found.append(
            SettingsFile(path, tuple(one for one in sections if isinstance(one, Mapping)), content)
        )
    return tuple(found)


def read_from(files: tuple[SettingsFile, ...]) -> str:
    """Names the files that were read, and the files of the project that do not exist."""
    found = [one.path for one in files]
    words = f"settings were read from {' and '.join(found)}" if found else "no file was read"
    own = (path for path in _locations() if not path.startswith(_global_folder()))
    missing = [path for path in own if path not in found]
    return f"{words}; there is no {' and no '.join(missing)}" if missing else words


def place_of(setting: str, value: Any, files: tuple[SettingsFile, ...]) -> str | None:
    """The variable or file that sets this value; None: neither, so Python code set it.

    Args:
        setting: ``page_size``, ``table_settings.accounts.sync``.
        value: the value that the source was given.
        files: from `settings_files`.
    """
    variable = environment_variable(setting)
    if os.environ.get(variable) == str(value):
        return f"environment variable {variable}"
    for file in files:
        for section in file.sections:
            found = _at(section, setting.split("."))
            if found is not None and str(found) == str(value):
                return file.path
    return None


def elsewhere(key: str, files: tuple[SettingsFile, ...]) -> str:
    """A sentence about another TOML table that holds the key; empty if none does."""
    section = tuple(current_section().split("."))
    for file in files:
        for path in _paths(file.content):
            if path[-1] == key and path[:-1] != section:
                named = path[:-2] == section and path[-2] not in _SUBSECTIONS
                read = f"read without --name {path[-2]}" if named else "read here"
                return f"{file.path} sets it in [{'.'.join(path[:-1])}], which is not {read}. "
    return ""


def unknown_settings(files: tuple[SettingsFile, ...]) -> Iterator[ConfigurationError]:
    """An error for each setting in ``[sources.dataverse]`` that neither we nor dlt know."""
    for file in files:
        for section in file.sections:
            for key, value in section.items():
                yield from _unknown(key, value, file.path)
    prefix = environment_variable("")
    for variable in os.environ:
        name = variable.removeprefix(prefix)
        if name == variable:
            continue
        key, _, rest = name.lower().partition("__")
        known = CREDENTIALS_SETTINGS if key == "credentials" else OF_THE_SOURCE
        if not rest and key not in (*_IN_THE_SECTION, *_SUBSECTIONS):
            yield _unknown_setting(key, f"environment variable {variable}")
        elif key == "credentials" and rest and rest not in known:
            yield unknown_credential(rest, f"[{CREDENTIALS}] in environment variable {variable}")


def of_each_in_environment(setting: str) -> dict[str, dict[str, str]]:
    """Settings of one table: ``SOURCES__DATAVERSE__TABLE_SETTINGS__<TABLE>__<SETTING>``.

    Args:
        setting: ``table_settings`` or ``queries``.

    Returns:
        Values by setting by table or query, all names in lower case.
    """
    prefix = environment_variable(f"{setting}.")
    found: dict[str, dict[str, str]] = {}
    for variable, value in os.environ.items():
        table, _, key = variable.removeprefix(prefix).lower().rpartition("__")
        if variable.startswith(prefix) and table:
            found.setdefault(table, {})[key] = value
    return found


def _unknown(key: str, value: Any, path: str) -> Iterator[ConfigurationError]:
    if key == "credentials" and isinstance(value, Mapping):
        for name in value:
            if name not in CREDENTIALS_SETTINGS:
                yield unknown_credential(name, f"[{CREDENTIALS}] in {path}")
    elif key in _IN_THE_SECTION or key in _SUBSECTIONS:
        return
    elif not isinstance(value, Mapping):
        yield _unknown_setting(key, path)
    elif _FOR_ONE_TABLE & value.keys():
        yield ConfigurationError(
            f"[{SECTION}.{key}] is not a section of settings",
            where=path,
            remedy=f"Write the settings of one table into [{SECTION}.table_settings.{key}].",
        )
    elif did_you_mean(key, _SUBSECTIONS):
        yield ConfigurationError(
            f"[{SECTION}.{key}] is not a section of settings",
            where=path,
            remedy=did_you_mean(key, _SUBSECTIONS),
        )


def _unknown_setting(key: str, place: str) -> ConfigurationError:
    remedy = did_you_mean(key, _IN_THE_SECTION)
    if key in CREDENTIALS_SETTINGS:
        remedy = f"Move it to [{CREDENTIALS}] in .dlt/secrets.toml."
    elif key in _FOR_ONE_TABLE:
        remedy = f"Set it for one table, in [{SECTION}.table_settings.<table>]."
    known = f"Known settings: {', '.join(sorted(_IN_THE_SECTION))}."
    return ConfigurationError(
        f"Unknown setting {key}", where=f"[{SECTION}] in {place}", remedy=remedy or known
    )


def unknown_credential(key: str, where: str) -> ConfigurationError:
    """The error for a name that is no setting of the sign-in."""
    remedy = did_you_mean(key, CREDENTIALS_SETTINGS)
    if key in OF_THE_SOURCE:
        remedy = f"Move it to [{SECTION}] itself."
    known = f"Known settings: {', '.join(sorted(CREDENTIALS_SETTINGS))}."
    return ConfigurationError(
        f"Unknown setting credentials.{key}", where=where, remedy=remedy or known
    )


def _locations() -> list[str]:
    """Paths of the TOML files that dlt looks for, whether they exist or not."""
    providers = Container()[PluggableRunContext].providers.providers
    paths = (path for provider in providers for path in provider.locations or ())
    return [str(Path(path).absolute()) for path in paths if str(path).endswith(".toml")]


def _global_folder() -> str:
    return str(Path(Container()[PluggableRunContext].context.global_dir).absolute())


def _at(content: Any, path: list[str]) -> Any:
    for key in path:
        content = content.get(key) if isinstance(content, Mapping) else None
    return content


def _paths(content: Mapping[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The path of each value that is not itself a table."""
    for key, value in content.items():
        if isinstance(value, Mapping):
            yield from _paths(value, (*above, key))
        else:
            yield (*above, key)
