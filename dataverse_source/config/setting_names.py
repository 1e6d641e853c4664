"""Where users write a setting: its table in TOML, and its variable in the environment."""

from __future__ import annotations

SECTION = "sources.dataverse"
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


def variable(name: str) -> str:
    """The environment variable of a setting, such as ``SOURCES__DATAVERSE__CA_BUNDLE``."""
    section = CREDENTIALS if name in CREDENTIALS_SETTINGS else SECTION
    return f"{section}.{name}".replace(".", "__").upper()


def places(*names: str) -> str:
    """Settings, their table in TOML and their variables, as a part of a sentence.

    Args:
        names: settings of one table, without its name: ``client_id``, ``environment_url``.
    """
    section, file = (
        (CREDENTIALS, "secrets.toml")
        if names[0] in CREDENTIALS_SETTINGS
        else (SECTION, "config.toml")
    )
    variables = ", ".join(variable(name) for name in names)
    return f"{' and '.join(names)} in [{section}] of .dlt/{file}, or {variables}"
