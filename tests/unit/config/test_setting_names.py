"""Where settings are written."""

from __future__ import annotations

from dataverse_source.config.setting_names import (
    CREDENTIALS_SETTINGS,
    environment_variable,
    where_to_set,
)
from dataverse_source.credentials import DataverseCredentials


def test_settings_of_the_source() -> None:
    assert environment_variable("ca_bundle") == "SOURCES__DATAVERSE__CA_BUNDLE"
    assert where_to_set("environment_url") == (
        "environment_url in [sources.dataverse] of .dlt/config.toml, or "
        "SOURCES__DATAVERSE__ENVIRONMENT_URL"
    )


def test_settings_of_one_table() -> None:
    name = "SOURCES__DATAVERSE__TABLE_SETTINGS__ACCOUNTS__SYNC"
    assert environment_variable("table_settings.accounts.sync") == name


def test_settings_of_the_sign_in() -> None:
    name = "SOURCES__DATAVERSE__CREDENTIALS__CLIENT_ID"
    assert environment_variable("client_id") == name
    assert environment_variable("credentials.client_id") == name
    assert where_to_set("client_id", "client_secret") == (
        "client_id and client_secret in [sources.dataverse.credentials] of .dlt/secrets.toml, or "
        "SOURCES__DATAVERSE__CREDENTIALS__CLIENT_ID, SOURCES__DATAVERSE__CREDENTIALS__CLIENT_SECRET"
    )


def test_all_settings_of_the_sign_in_are_known() -> None:
    assert set(DataverseCredentials()) == CREDENTIALS_SETTINGS
