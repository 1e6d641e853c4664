"""The settings and credentials that lead to a sandbox as to any other environment."""

from __future__ import annotations

from dataverse_source.credentials import DataverseCredentials
from dataverse_source.sandbox import Sandbox


def settings_of(sandbox: Sandbox) -> dict[str, str]:
    """All environment variables."""
    section = "SOURCES__DATAVERSE__"
    return {
        f"{section}ENVIRONMENT_URL": sandbox.environment_url,
        f"{section}CA_BUNDLE": str(sandbox.ca_bundle),
        f"{section}CREDENTIALS__TENANT_ID": sandbox.tenant_id,
        f"{section}CREDENTIALS__CLIENT_ID": sandbox.client_id,
        f"{section}CREDENTIALS__CLIENT_SECRET": sandbox.client_secret,
        f"{section}CREDENTIALS__AUTHORITY_HOST": sandbox.authority_host,
    }


def credentials_of(sandbox: Sandbox) -> DataverseCredentials:
    """The app registration, in Python."""
    return DataverseCredentials(
        tenant_id=sandbox.tenant_id,
        client_id=sandbox.client_id,
        client_secret=sandbox.client_secret,
        authority_host=sandbox.authority_host,
    )


def secrets_of(sandbox: Sandbox) -> dict[str, str]:
    """The environment variables of the credentials alone."""
    return {name: text for name, text in settings_of(sandbox).items() if "CREDENTIALS" in name}
