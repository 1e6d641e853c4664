"""Where users write a setting: its table in TOML, and its environment variable."""

from __future__ import annotations

from dlt.common.configuration.container import Container
from dlt.common.configuration.specs.config_section_context import ConfigSectionContext

from dataverse_source.errors import DataverseError

SOURCES = "sources"
SECTION = f"{SOURCES}.dataverse"
CREDENTIALS = f"{SECTION}.credentials"
CREDENTIALS_SETTINGS = frozenset(
    {
        "tenant_id",
        "client_id",
        "client_secret",
        "certificate_path",
        "certificate_password",
        "private_key_path",
        "assertion_path",
        "auth_type",
        "authority_host",
    }
)

OF_THE_PROJECT = frozenset({"pipeline"})
"""Settings of ``[sources.dataverse]`` that are not of the source, but of the project."""


def current_section() -> str:
    """The TOML table in force: that of the source, which may have been given another section."""
    sections = Container()[ConfigSectionContext].sections
    if len(sections) > 1 and sections[0] == SOURCES:
        return f"{SOURCES}.{sections[1]}"
    return SECTION


def in_section(error: DataverseError, section: str) -> DataverseError:
    """The error, with its texts about the TOML table that the settings really come from.

    Args:
        error: is changed.
        section: from `current_section`.
    """
    if section != SECTION:
        for part in ("what", "where", "why", "remedy"):
            text = getattr(error, part)
            if text is not None:
                setattr(error, part, text.replace(SECTION, section))
    return error


def environment_variable(name: str) -> str:
    """The environment variable of a setting, such as ``SOURCES__DATAVERSE__CA_BUNDLE``.

    Args:
        name: a setting of the source (``table_settings.accounts.sync``) or of the sign-in
            (``client_id``).
    """
    section = current_section()
    if name in CREDENTIALS_SETTINGS:
        section += ".credentials"
    return f"{section}.{name}".replace(".", "__").upper()


def where_to_set(*names: str) -> str:
    """Settings with their table in TOML and their environment variables, to end a sentence.

    Args:
        names: settings of one TOML table, without its name: ``client_id``, ``environment_url``.
    """
    section, file = (
        (CREDENTIALS, "secrets.toml")
        if names[0] in CREDENTIALS_SETTINGS
        else (SECTION, "config.toml")
    )
    variables = ", ".join(environment_variable(name) for name in names)
    return f"{' and '.join(names)} in [{section}] of .dlt/{file}, or {variables}"
