"""From dlt's configuration to settings and credentials; all that is wrong is said at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dlt.common.configuration import configspec, resolve_configuration
from dlt.common.configuration.exceptions import (
    ConfigValueCannotBeCoercedException,
    InvalidNativeValue,
    ValueNotSecretException,
)
from dlt.common.configuration.resolve import inject_section
from dlt.common.configuration.specs import BaseConfiguration
from dlt.common.configuration.specs.config_section_context import ConfigSectionContext

from dataverse_source.config.files import (
    SettingsFile,
    elsewhere,
    of_tables_in_environment,
    place_of,
    read_from,
    settings_files,
    unknown_settings,
)
from dataverse_source.config.problems import Problems
from dataverse_source.config.setting_names import CREDENTIALS, SECTION
from dataverse_source.config.settings import SANDBOX, Settings, make_settings
from dataverse_source.config.values import mapping_in
from dataverse_source.credentials import DataverseCredentials, TokenCredential
from dataverse_source.errors import ConfigurationError

Credentials = DataverseCredentials | TokenCredential

OF_A_CONNECTION = (
    "environment_url",
    "api_version",
    "request_timeout",
    "ca_bundle",
    "max_concurrency",
)
"""Settings that have nothing to do with tables."""


@configspec
class DataverseConfiguration(BaseConfiguration):
    """The settings of ``[sources.dataverse]`` as they stand there.

    dlt would refuse the first value of a wrong type; with ``Any`` it takes all of them, and
    `make_settings` says of each what is wrong. What they mean: `Settings`, `TableSettings`.
    """

    environment_url: Any | None = None
    tables: Any | None = None
    sync: Any | None = None
    deletes: Any | None = None
    sweep_interval: Any | None = None
    max_rows_per_load: Any | None = None
    labels: Any | None = None
    history: Any | None = None
    page_size: Any | None = None
    lookback_seconds: Any | None = None
    table_settings: Any | None = None
    api_version: Any | None = None
    request_timeout: Any | None = None
    ca_bundle: Any | None = None
    max_concurrency: Any | None = None


def configured(credentials: Any, **given: Any) -> tuple[Settings, Credentials]:
    """Settings and credentials, once everything that needs no request is found to be right.

    Args:
        credentials: an object with ``get_token``, or settings of the sign-in; what these leave
            out is taken from ``[sources.dataverse.credentials]``.
        **given: see `make_settings`.

    Raises:
        ConfigurationError: one for all that is missing, unknown or can't be used, in the
            settings given, in files and in the environment.
    """
    files = settings_files()
    problems = Problems(list(unknown_settings(files)))
    if "table_settings" in given:
        given["table_settings"] = _with_environment(given["table_settings"], files)
    settings, found = None, None
    with problems.noted():
        settings = make_settings(**given)
    with problems.noted():
        found = resolved_credentials(credentials)
    _check_trust(given.get("ca_bundle"), problems)
    _check_sign_in(found, given.get("environment_url"), problems)
    problems.raise_all(lambda error: _with_places(error, given, files))
    if settings is None or found is None:
        raise AssertionError("a problem was found and not noted")
    return settings, found


def resolved(**given: Any) -> dict[str, Any]:
    """What is ``given`` and not None, and for the rest of the settings what is configured."""
    explicit = {name: value for name, value in given.items() if value is not None}
    with _section():
        return dict(resolve_configuration(DataverseConfiguration(), explicit_value=explicit))


def resolved_credentials(given: Any) -> Credentials:
    """The credentials given, completed from ``[sources.dataverse.credentials]``.

    Raises:
        ConfigurationError: they are neither settings nor an object with ``get_token``.
    """
    if isinstance(given, TokenCredential):
        return given
    refused = ""
    if given is None or isinstance(given, Mapping):
        try:
            with _section():
                return resolve_configuration(
                    DataverseCredentials(), explicit_value=given, accept_partial=True
                )
        except ValueNotSecretException:
            raise ConfigurationError(
                f"[{CREDENTIALS}] stands in config.toml",
                where=".dlt/config.toml",
                remedy="Move the table to .dlt/secrets.toml, which is never committed: dlt takes "
                "secrets from there, from vaults and from the environment.",
            ) from None
        except (InvalidNativeValue, ConfigValueCannotBeCoercedException) as error:
            refused = type(error).__name__
    # Raised out here, with no context: dlt's trace keeps the texts of contexts.
    raise ConfigurationError(
        "The credentials are neither settings nor an object with get_token",
        where=f"[{CREDENTIALS}]",
        why=refused or f"a {type(given).__name__} was given",
        remedy=f"Write tenant_id, client_id and client_secret into [{CREDENTIALS}] of "
        ".dlt/secrets.toml, each in its own line, or give DataverseCredentials in Python.",
    )


def _section() -> Any:
    """Looks settings up in ``[sources.dataverse]``, unless the source itself says where."""
    return inject_section(
        ConfigSectionContext(
            sections=tuple(SECTION.split(".")),
            merge_style=ConfigSectionContext.prefer_existing,
        )
    )


def _with_environment(given: Any, files: tuple[SettingsFile, ...]) -> Any:
    """Settings of tables, with those of single variables: they win over files, not over Python."""
    variables = of_tables_in_environment()
    try:
        tables = dict(mapping_in(given or {}))
    except ValueError:
        return given
    if not variables:
        return given
    from_file = place_of("table_settings", given, files) is not None
    for name, own in variables.items():
        table = next((one for one in tables if one.lower() == name), name)
        others = tables.get(table, {})
        if isinstance(others, Mapping):
            tables[table] = {**others, **own} if from_file else {**own, **others}
    return tables


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
    """The error, each problem with the place where the value stands, and with the files read."""
    for problem in error.problems or (error,):
        name = problem.setting
        if name is None:
            continue
        value = _value(given, name)
        place = place_of(name, value, files)
        if place:
            problem.where = f"{problem.where}; it stands in {place}"
        elif value is None:
            problem.remedy = elsewhere(name, files) + (problem.remedy or "")
    error.where = "; ".join(filter(None, (error.where, read_from(files))))
    return error


def _value(given: Mapping[str, Any], setting: str) -> Any:
    value: Any = given
    for key in setting.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    return value
