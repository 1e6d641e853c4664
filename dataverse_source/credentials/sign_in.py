"""Which sign-in the settings describe: parsed once, into one class for each kind of sign-in.

Incomplete settings are an error, never a guess.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from dataverse_source.config.problems import misplaced_secret
from dataverse_source.config.setting_names import CREDENTIALS, environment_variable, where_to_set
from dataverse_source.credentials.spec import (
    SECRETS,
    DataverseCredentials,
    TokenCredential,
    settings_in,
)
from dataverse_source.errors import ConfigurationError, did_you_mean, has_secret, may_be_secret


@dataclass(frozen=True)
class Login:
    """``tenant_id`` and ``authority_host`` as they are set; empty where they are not."""

    tenant_id: str = ""
    authority_host: str = ""


@dataclass(frozen=True)
class _Configured:
    """What every kind of sign-in by settings has; empty where it is not set."""

    client_id: str
    login: Login


@dataclass(frozen=True)
class ClientSecret(_Configured):
    """An app registration that proves itself by a secret."""

    client_secret: str = field(repr=False)
    auth_type: ClassVar[str] = "client_secret"


@dataclass(frozen=True)
class Certificate(_Configured):
    """An app registration that proves itself by a certificate."""

    certificate_path: str
    private_key_path: str
    certificate_password: str = field(repr=False)
    auth_type: ClassVar[str] = "certificate"


@dataclass(frozen=True)
class Federated(_Configured):
    """An app registration that proves itself by another identity provider's token."""

    assertion_path: str
    auth_type: ClassVar[str] = "federated"


@dataclass(frozen=True)
class ManagedIdentity(_Configured):
    """The identity that Azure gave to this machine; without ``client_id`` the system-assigned."""

    auth_type: ClassVar[str] = "managed_identity"


@dataclass(frozen=True)
class AzureCli(_Configured):
    """Whoever is signed in with the Azure CLI."""

    auth_type: ClassVar[str] = "azure_cli"


@dataclass(frozen=True)
class External:
    """A credential object that the user made, such as azure-identity's."""

    credential: TokenCredential

    @property
    def auth_type(self) -> str:
        """The object's class."""
        return type(self.credential).__name__


Application = ClientSecret | Certificate | Federated
SignIn = Application | ManagedIdentity | AzureCli | External

_NEEDED = {
    "client_secret": ("client_id", "client_secret"),
    "certificate": ("client_id", "certificate_path"),
    "federated": ("client_id", "assertion_path"),
    "managed_identity": (),
    "azure_cli": (),
}
# Settings that belong to one kind of sign-in only, so they tell which kind is meant.
_TELLTALE = {
    "client_secret": ("client_secret",),
    "certificate": ("certificate_path", "private_key_path", "certificate_password"),
    "federated": ("assertion_path",),
}


def parsed(credentials: DataverseCredentials | TokenCredential) -> SignIn:
    """The sign-in that the settings describe.

    Managed identities and the Azure CLI must be named by ``auth_type``: a forgotten secret must
    never sign in as somebody else.

    Raises:
        ConfigurationError: ``auth_type`` is unknown, a setting is missing, or the settings
            describe two kinds at once.
    """
    if not isinstance(credentials, DataverseCredentials):
        return External(credentials)
    given = settings_in(credentials)
    _refuse_secrets(given)
    common = given["client_id"], login_of(credentials)
    match _auth_type(given):
        case "managed_identity":
            return ManagedIdentity(*common)
        case "azure_cli":
            return AzureCli(*common)
        case "federated":
            return Federated(*common, given["assertion_path"])
        case "certificate":
            names = "certificate_path", "private_key_path", "certificate_password"
            return Certificate(*common, *(given[name] for name in names))
        case _:
            return ClientSecret(*common, given["client_secret"])


def login_of(credentials: DataverseCredentials) -> Login:
    """The settings of the login service."""
    given = settings_in(credentials)
    return Login(given["tenant_id"], given["authority_host"])


def identity(sign_in: SignIn) -> str:
    """Who signs in, as far as settings tell; contains no secret."""
    if isinstance(sign_in, External):
        return sign_in.auth_type
    who = sign_in.auth_type, sign_in.login.tenant_id, sign_in.client_id
    return " ".join(filter(None, who))


def _refuse_secrets(given: Mapping[str, str]) -> None:
    for name, value in given.items():
        random = name in ("client_id", "auth_type") and may_be_secret(value)
        if name not in SECRETS and (random or has_secret(value)):
            raise misplaced_secret(name)


def _auth_type(given: Mapping[str, str]) -> str:
    auth_type = given["auth_type"].lower()
    if auth_type and auth_type not in _NEEDED:
        raise ConfigurationError(
            f"Unknown auth_type {auth_type!r}",
            where=where_to_set("auth_type"),
            remedy=f"{did_you_mean(auth_type, _NEEDED)} Use one of {', '.join(_NEEDED)}.".lstrip(),
        )
    auth_type = auth_type or _deduced(given)
    missing = [name for name in _NEEDED[auth_type] if not given[name]]
    if missing:
        raise _lacks(auth_type, missing)
    return auth_type


def _deduced(given: Mapping[str, str]) -> str:
    found = {
        auth_type: name
        for auth_type, names in _TELLTALE.items()
        for name in reversed(names)
        if given[name]
    }
    if len(found) > 1:
        raise ConfigurationError(
            f"{' and '.join(found.values())} are set: it is not clear which one signs in",
            where=where_to_set(*found.values()),
            remedy=f"Remove one of them, or set auth_type to {' or '.join(found)}.",
        )
    return next(iter(found), "client_secret")


def _lacks(auth_type: str, missing: list[str]) -> ConfigurationError:
    lines = [f"    [{CREDENTIALS}]", *(f'    {name} = "..."' for name in missing)]
    remedy = [
        "Write into .dlt/secrets.toml",
        *lines,
        f"  or set in the environment {', '.join(map(environment_variable, missing))}.",
    ]
    if auth_type == "client_secret":
        remedy += [
            "  Instead of client_secret you can set certificate_path, assertion_path, or "
            'auth_type = "managed_identity" or "azure_cli".',
            '  To try it without an app registration, set environment_url = "sandbox".',
        ]
    if auth_type == "federated":
        remedy.append("  Kubernetes (AKS) names the file in AZURE_FEDERATED_TOKEN_FILE.")
    return ConfigurationError(
        f"The sign-in lacks {' and '.join(missing)}",
        where=f"auth_type {auth_type}",
        remedy="\n".join(remedy),
    )
