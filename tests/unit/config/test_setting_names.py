"""Where settings are written."""

from __future__ import annotations

from dataverse_source.config.setting_names import CREDENTIALS_SETTINGS, places, variable
from dataverse_source.credentials import DataverseCredentials


def test_settings_of_the_source() -> None:
    assert variable("ca_bundle") == "SOURCES__DATAVERSE__CA_BUNDLE"
    assert places("environment_url") == (
        "environment_url in [sources.dataverse] of .dlt/config.toml, or "
        "SOURCES__DATAVERSE__ENVIRONMENT_URL"
    )


def test_settings_of_the_sign_in() -> None:
    assert places("client_id", "client_secret") == (
        "client_id and client_secret in [sources.dataverse.credentials] of .dlt/secrets.toml, or "
        "SOURCES__DATAVERSE__CREDENTIALS__CLIENT_ID, SOURCES__DATAVERSE__CREDENTIALS__CLIENT_SECRET"
    )


def test_all_settings_of_the_sign_in_are_known() -> None:
    assert set(DataverseCredentials()) == CREDENTIALS_SETTINGS
