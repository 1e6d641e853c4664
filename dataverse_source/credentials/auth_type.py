"""Which way to sign in the settings mean; half of a set of settings is an error, never a guess."""

from __future__ import annotations

from dataverse_source.config.setting_names import CREDENTIALS, places, variable
from dataverse_source.credentials.spec import DataverseCredentials, setting
from dataverse_source.errors import ConfigurationError, did_you_mean

_NEEDED = {
    "client_secret": ("client_id", "client_secret"),
    "certificate": ("client_id", "certificate_path"),
    "federated": ("client_id", "assertion_path"),
    "managed_identity": (),
    "azure_cli": (),
}
# Settings that only one way to sign in has; they say which one is meant.
_TELLTALE = {
    "client_secret": ("client_secret",),
    "certificate": ("certificate_path", "private_key_path", "certificate_password"),
    "federated": ("assertion_path",),
}
PROVEN = frozenset(_TELLTALE)
"""The ways in which an app registration proves that it is the one."""


def auth_type(credentials: DataverseCredentials) -> str:
    """The way to sign in, set or deduced, with all that it needs.

    Managed identities and the Azure CLI are never deduced: a forgotten secret must not end in
    the sign-in of somebody else.

    Raises:
        ConfigurationError: ``auth_type`` is unknown, something is missing, or the settings
            mean two ways at once.
    """
    kind = setting(credentials, "auth_type").lower()
    if kind and kind not in _NEEDED:
        raise ConfigurationError(
            f"There is no auth_type {kind!r}",
            where=places("auth_type"),
            remedy=f"{did_you_mean(kind, _NEEDED)} Known are {', '.join(_NEEDED)}.".lstrip(),
        )
    kind = kind or _deduced(credentials)
    missing = [name for name in _NEEDED[kind] if not setting(credentials, name)]
    if missing:
        raise _lacks(kind, missing)
    return kind


def _deduced(credentials: DataverseCredentials) -> str:
    found = {
        kind: name
        for kind, names in _TELLTALE.items()
        for name in reversed(names)
        if setting(credentials, name)
    }
    if len(found) > 1:
        raise ConfigurationError(
            f"{' and '.join(found.values())} are set: it is not clear which one signs in",
            where=places(*found.values()),
            remedy=f"Take one away, or set auth_type to {' or '.join(found)}.",
        )
    return next(iter(found), "client_secret")


def _lacks(kind: str, missing: list[str]) -> ConfigurationError:
    lines = [f"    [{CREDENTIALS}]", *(f'    {name} = "..."' for name in missing)]
    remedy = [
        "Write into .dlt/secrets.toml",
        *lines,
        f"  or set in the environment {', '.join(variable(name) for name in missing)}.",
    ]
    if kind == "client_secret":
        remedy += [
            "  In place of client_secret, certificate_path or assertion_path can be set, or "
            'auth_type = "managed_identity" or "azure_cli".',
            '  To try without an app registration, set environment_url = "sandbox".',
        ]
    if kind == "federated":
        remedy.append("  Kubernetes (AKS) names the file in AZURE_FEDERATED_TOKEN_FILE.")
    return ConfigurationError(
        f"The sign-in lacks {' and '.join(missing)}",
        where=f"auth_type {kind}",
        remedy="\n".join(remedy),
    )
