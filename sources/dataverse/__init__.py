"""Loads tables of Microsoft Dataverse (Dynamics 365, Power Apps), deletes included."""

from typing import Any

import dlt
from dlt.common.configuration import configspec
from dlt.common.typing import TSecretStrValue
from dlt.extract import DltSource

import dataverse_source
from dataverse_source import DataverseCredentials


@configspec
class AppRegistration(DataverseCredentials):
    """An app registration with a client secret; for other ways to sign in see the docs."""

    tenant_id: str = None  # type: ignore[assignment]
    client_id: str = None  # type: ignore[assignment]
    client_secret: TSecretStrValue = None  # type: ignore[assignment]


@dlt.source(name="dataverse", section="dataverse")
def dataverse(
    environment_url: str = dlt.config.value,
    tables: list[str] = dlt.config.value,
    credentials: AppRegistration = dlt.secrets.value,
    **settings: Any,
) -> DltSource:
    """Tables of an environment, each as a resource.

    Args:
        environment_url: such as ``https://contoso.crm4.dynamics.com``.
        tables: names or patterns.
        credentials: of the app registration.
        **settings: further arguments of `dataverse_source.dataverse`.
    """
    return dataverse_source.dataverse(
        environment_url=environment_url, tables=tables, credentials=credentials, **settings
    )
