"""Reads settings and credentials from dlt's configuration; reports all problems at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import dlt
from dlt.common.configuration import configspec, resolve_configuration
from dlt.common.configuration.exceptions import (
    ConfigValueCannotBeCoercedException,
    InvalidNativeValue,
    ValueNotSecretException,
)
from dlt.common.configuration.resolve import inject_section
from dlt.common.configuration.specs import BaseConfiguration
from dlt.common.configuration.specs.config_section_context import ConfigSectionContext
from dlt.common.typing import ConfigValueSentinel

from dataverse_source.config.checks import make_settings
from dataverse_source.config.files import (
    SettingsFile,
    elsewhere,
    of_each_in_environment,
    place_of,
    read_from,
    settings_files,
    unknown_credential,
    unknown_settings,
)
from dataverse_source.config.problems import Problems
from dataverse_source.config.setting_names import (
    CREDENTIALS,
    CREDENTIALS_SETTINGS,
    SECTION,
    current_section,
    in_section,
)
from dataverse_source.config.settings import OF_A_TABLE, OF_THE_SOURCE, SANDBOX, SETTINGS, Settings
from dataverse_source.config.values import mapping_in
from dataverse_source.credentials import DataverseCredentials, TokenCredential
from dataverse_source.credentials.spec import settings_in, settings_in_text
from dataverse_source.errors import ConfigurationError

Credentials = DataverseCredentials | TokenCredential

_spec = {name: None for name in SETTINGS if name in OF_THE_SOURCE}
DataverseConfiguration: type[BaseConfiguration] = configspec(
    type(
        "DataverseConfiguration",
        (BaseConfiguration,),
        {
            "__doc__": "The settings of ``[sources.dataverse]``, not checked yet.",
            "__module__": __name__,
            # dlt would refuse the first value of a wrong type. With `Any` it accepts all values,
            # and `make_settings` reports every problem at once.
            "__annotations__": dict.fromkeys(_spec, Any | None),
            **_spec,
        },
    )
)


def configured(credentials: Any, **given: Any) -> tuple[Settings, Credentials]:
    """Settings and credentials; everything that needs no request has been checked.

    Args:
        credentials: an object with ``get_token``, or settings of the sign-in; missing ones are
            taken from ``[sources.dataverse.credentials]``.
        **given: see `make_settings`.

    Raises:
        ConfigurationError: one error for all settings that are missing, unknown or cannot be
            used, whether given here, in files or in the environment.
    """
    files = settings_files()
    problems = Problems(list(unknown_settings(files)))
    for setting in ("table_settings", "queries"):
        if setting in given:
            given[setting] = _with_environment(setting, given[setting], files)
    settings, found = None, None
    sign_in_problems = Problems()
    with sign_in_problems.noted():  # first, as its secrets must not be shown by the others
        found = resolved_credentials(credentials)
        if isinstance(found, DataverseCredentials):
            settings_in(found)
            if found.environment_url and not given.get("environment_url"):
                given["environment_url"] = found.environment_url
    with problems.noted():
        settings = make_settings(**given)
    if settings is not None:
        with problems.noted():
            settings = _with_queries(settings, problems)
    problems.found.extend(sign_in_problems.found)
    _check_trust(given.get("ca_bundle"), problems)
    _check_sign_in(found, given.get("environment_url"), problems)
    problems.raise_all(lambda error: _with_places(error, given, files))
    if settings is None or found is None:
        raise AssertionError("a problem was found but not noted")
    return settings, found


def settings_of_table(
    table: str, credentials: Any, given: Mapping[str, Any], section: str
) -> tuple[Settings, Credentials]:
    """Settings and credentials to read one table, whichever tables the configuration names.

    Args:
        table: entity set name.
        credentials: as for `configured`.
        given: settings of the source or of the table; None means "not given".
        section: below ``sources``, where the others are looked up; dots divide it.

    Raises:
        ConfigurationError: see `configured`.
    """
    known = {name: value for name, value in given.items() if value is not None}
    own = {name: known.pop(name) for name in OF_A_TABLE & known.keys()}
    context = ConfigSectionContext(
        sections=("sources", *section.split(".")), merge_style=ConfigSectionContext.prefer_incoming
    )
    with inject_section(context):
        values = {**resolved(**{name: known[name] for name in known.keys() & OF_THE_SOURCE})}
        unknown = {name: value for name, value in known.items() if name not in OF_THE_SOURCE}
        of_tables = dict(mapping_in(values.get("table_settings") or {}))
        of_tables[table] = {**of_tables.get(table, {}), **own}
        # With the pattern, settings of other tables are no mistake.
        values |= {**unknown, "tables": [table, "*"], "table_settings": of_tables, "exclude": None}
        settings, found = configured(credentials, **values)
    queries = {name: one for name, one in settings.queries.items() if name == table}
    return replace(settings, tables=(table,), queries=queries), found


def resolved(**given: Any) -> dict[str, Any]:
    """The settings given, completed from dlt's configuration; None means "not given"."""
    explicit = {name: value for name, value in given.items() if value is not None}
    with _section():
        return dict(resolve_configuration(DataverseConfiguration(), explicit_value=explicit))


def resolved_credentials(given: Any) -> Credentials:
    """The credentials given, completed from ``[sources.dataverse.credentials]``.

    Raises:
        ConfigurationError: the credentials are neither settings nor an object with ``get_token``.
    """
    if isinstance(given, TokenCredential):
        return given
    refused = ""
    if isinstance(given, ConfigValueSentinel):  # the default of the argument: not given
        given = None
    _check_names(given)
    if given is None or isinstance(given, (Mapping, str)):
        try:
            with _section():
                return resolve_configuration(
                    DataverseCredentials(), explicit_value=given, accept_partial=True
                )
        except ValueNotSecretException:
            raise ConfigurationError(
                f"[{CREDENTIALS}] is in config.toml",
                where=".dlt/config.toml",
                remedy="Move the table to .dlt/secrets.toml, which is never committed: dlt reads "
                "secrets from there, from vaults and from the environment.",
            ) from None
        except (InvalidNativeValue, ConfigValueCannotBeCoercedException) as error:
            refused = type(error).__name__
    # Raised outside of the except block: dlt's trace keeps the texts of chained errors.
    raise ConfigurationError(
        "The credentials are neither settings nor an object with get_token",
        where=f"[{CREDENTIALS}]",
        why=refused or f"a {type(given).__name__} was given",
        remedy=f"Write tenant_id, client_id and client_secret into [{CREDENTIALS}] of "
        ".dlt/secrets.toml, one per line, or pass DataverseCredentials in Python.",
    )


def _check_names(given: Any) -> None:
    """Dlt ignores what it does not know in a mapping.

    Raises:
        ConfigurationError: a name in it, or in a JSON object, is no setting of the sign-in.
    """
    is_json = isinstance(given, str) and given.strip().startswith("{")
    names = settings_in_text(given) if is_json else given if isinstance(given, Mapping) else {}
    for name in names:
        if name not in CREDENTIALS_SETTINGS:
            raise unknown_credential(str(name), "the argument credentials")


def _section() -> Any:
    """Looks settings up in ``[sources.dataverse]``, unless the source has another section."""
    return inject_section(
        ConfigSectionContext(
            sections=tuple(SECTION.split(".")),
            merge_style=ConfigSectionContext.prefer_existing,
        )
    )


def _with_environment(setting: str, given: Any, files: tuple[SettingsFile, ...]) -> Any:
    """Adds settings of tables or queries from single variables: they win over files, not Python."""
    variables = of_each_in_environment(setting)
    try:
        tables = dict(mapping_in(given or {}))
    except ValueError:
        return given
    if not variables:
        return given
    from_file = place_of(setting, given, files) is not None
    for name, own in variables.items():
        table = next((one for one in tables if one.lower() == name), name)
        others = tables.get(table, {})
        if isinstance(others, Mapping):
            tables[table] = {**others, **own} if from_file else {**own, **others}
    return tables


def _with_queries(settings: Settings, problems: Problems) -> Settings:
    """The settings with the texts of queries that are in files, all checked."""
    if not settings.queries:
        return settings
    from dataverse_source.metadata.queries.text import with_text

    folder, found = Path(dlt.current.run_context().run_dir), {}
    for name, query in settings.queries.items():
        with problems.noted():
            found[name] = with_text(query, folder)
    return replace(settings, queries=found)


def _check_trust(ca_bundle: Any, problems: Problems) -> None:
    from dataverse_source.client.session import new_session

    if ca_bundle is None or (isinstance(ca_bundle, str) and ca_bundle.strip()):
        with problems.noted():
            new_session(ca_bundle=ca_bundle).close()


def _check_sign_in(
    credentials: Credentials | None, environment_url: Any, problems: Problems
) -> None:
    from dataverse_source.client.urls import environment_base
    from dataverse_source.credentials.factory import check_sign_in

    base, address = "", environment_url.strip() if isinstance(environment_url, str) else ""
    if address == SANDBOX:
        return
    if address:
        with problems.noted():
            base = environment_base(address)
    if isinstance(credentials, DataverseCredentials):
        check_sign_in(credentials, base, problems)


def _with_places(
    error: ConfigurationError, given: Mapping[str, Any], files: tuple[SettingsFile, ...]
) -> ConfigurationError:
    """Adds to each problem what set the value, and to the error which files were read."""
    section = current_section()
    for problem in error.problems or (error,):
        in_section(problem, section)
        name = problem.setting
        if name is None:
            continue
        value = _value(given, name)
        place = place_of(name, value, files)
        if place:
            problem.where = f"{problem.where}; set by {place}"
        elif value is None:
            problem.remedy = elsewhere(name, files) + (problem.remedy or "")
    in_section(error, section)
    error.where = "; ".join(filter(None, (error.where, read_from(files))))
    return error


def _value(given: Mapping[str, Any], setting: str) -> Any:
    value: Any = given
    for key in setting.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    return value
