"""What users sign in with: settings that dlt resolves, or an object with `get_token`."""

from __future__ import annotations

import json
import re
from typing import Any, ClassVar, Protocol, runtime_checkable

from dlt.common.configuration.specs import CredentialsConfiguration, configspec
from dlt.common.typing import TSecretStrValue

from dataverse_source.config.setting_names import CREDENTIALS, CREDENTIALS_SETTINGS
from dataverse_source.errors import remember_secret

_IN_CONNECTION_STRINGS = {
    "url": "environment_url",
    "serviceuri": "environment_url",
    "server": "environment_url",
    "clientid": "client_id",
    "appid": "client_id",
    "applicationid": "client_id",
    "clientsecret": "client_secret",
    "secret": "client_secret",
    "tenantid": "tenant_id",
    "authority": "authority_host",
}
"""Names in connection strings, in small letters and without spaces."""

SECRETS = ("client_secret", "certificate_password")
# The forms in which tools print an id: in capitals, in braces.
_ID = re.compile(r"\{?([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\}?", re.IGNORECASE)
_PLACEHOLDER = "<configure me>"  # what `dlt init` writes into secrets.toml


@configspec
class DataverseCredentials(CredentialsConfiguration):
    """Who signs in, and how.

    No field is required here: the sandbox needs none of them.

    Attributes:
        tenant_id: directory (tenant) id or a domain name of the tenant; ``adfs`` for an AD FS
            server. If it is not set, the environment is asked for it.
        client_id: application (client) id; for a managed identity, the client id of a
            user-assigned one.
        client_secret: the secret's value (not its id).
        certificate_path: PEM or PFX file with the certificate and, unless `private_key_path`
            is set, its private key.
        certificate_password: password of the private key or the PFX file, if it has one.
        private_key_path: PEM file with the private key.
        assertion_path: file with another identity provider's token for this app; read again
            at every renewal.
        auth_type: ``client_secret``, ``certificate``, ``federated``, ``managed_identity`` or
            ``azure_cli``; if it is not set, one of the first three follows from the others.
        authority_host: the login service, such as ``https://adfs.contoso.com/adfs`` for an AD FS
            server; if it is not set, the one of the environment's cloud.
    """

    tenant_id: str | None = None
    client_id: str | None = None
    client_secret: TSecretStrValue | None = None
    certificate_path: str | None = None
    certificate_password: TSecretStrValue | None = None
    private_key_path: str | None = None
    assertion_path: str | None = None
    auth_type: str | None = None
    authority_host: str | None = None

    environment_url: ClassVar[str | None] = None
    """The ``Url`` of a connection string."""

    def parse_native_representation(self, native_value: Any) -> None:
        """Takes the settings from text: a JSON object, or a connection string of Dataverse.

        Docs "Use connection strings in XRM tooling": ``AuthType=ClientSecret;Url=...;ClientId=...;
        ClientSecret=...``.

        Raises:
            ValueError: it is something else; dlt would silently ignore it.
        """
        found = settings_in_text(native_value) if isinstance(native_value, str) else {}
        url = found.pop("environment_url", None)
        if not found or found.keys() - CREDENTIALS_SETTINGS:
            raise ValueError(
                f"Give settings (client_id and so on in [{CREDENTIALS}]), a mapping of them, JSON "
                "or a connection string with them, or in Python an object with get_token."
            )
        for name, value in found.items():
            setattr(self, name, TSecretStrValue(value) if name in SECRETS else value)
        if url:
            self.__dict__["environment_url"] = url


def settings_in_text(text: str) -> dict[str, str]:
    """The settings in JSON or in a connection string; empty if it is neither."""
    if text.strip().startswith("{"):
        try:
            found = json.loads(text)
        except ValueError:
            return {}
        return {str(name): str(value) for name, value in found.items() if value is not None}
    parts = (part.partition("=") for part in text.split(";") if part.strip())
    given = {name.strip().lower().replace(" ", ""): value.strip() for name, _, value in parts}
    kind = given.pop("authtype", "").lower()
    if kind not in ("clientsecret", "certificate"):
        return {}
    return {_IN_CONNECTION_STRINGS.get(name, name): value for name, value in given.items()}


@runtime_checkable
class TokenCredential(Protocol):
    """The interface of azure-identity's credentials."""

    def get_token(self, *scopes: str, **options: Any) -> Any:
        """An object with ``token`` (text) and ``expires_on`` (seconds since 1970)."""
        ...


def settings_in(credentials: DataverseCredentials) -> dict[str, str]:
    """All fields, without the blanks and line ends that copying leaves behind; "" if not set.

    Ids are in small letters and without braces, so that one id is always the same text.
    """
    found = {}
    for name, value in credentials.items():
        text = str(value or "").strip()
        is_id = None if name in SECRETS else _ID.fullmatch(text)
        found[name] = is_id[1].lower() if is_id else "" if text == _PLACEHOLDER else text
    for name in SECRETS:
        remember_secret(found[name])
    return found
