"""Settings: what is missing or wrong is named, with the place to set it."""

from __future__ import annotations

from typing import Any

import pytest

from dataverse_source.config.checks import make_settings
from dataverse_source.config.settings import TableSettings
from dataverse_source.errors import ConfigurationError

URL = "https://contoso.crm4.dynamics.com"


def make(**given: Any) -> Any:
    return make_settings(**{"environment_url": URL, "tables": ["accounts"], **given})


def test_defaults() -> None:
    settings = make()
    assert settings.tables == ("accounts",)
    assert settings.of_table("accounts") == TableSettings()
    assert (settings.api_version, settings.request_timeout) == ("v9.2", 120.0)


@pytest.mark.parametrize("tables", ["accounts, contacts", ["accounts", " contacts", "accounts"]])
def test_tables_may_be_a_list_or_text(tables: Any) -> None:
    assert make(tables=tables).tables == ("accounts", "contacts")


def test_settings_of_one_table_stand_over_the_defaults() -> None:
    settings = make(
        tables=["accounts", "contacts"],
        page_size=100,
        table_settings={"contacts": {"sync": "full", "select": "fullname, emailaddress1"}},
    )
    assert settings.of_table("accounts") == TableSettings(page_size=100)
    assert settings.of_table("other", "contacts") == TableSettings(
        sync="full", page_size=100, select=("fullname", "emailaddress1")
    )
    assert settings.sync_is_explicit("other", "contacts")
    assert not settings.sync_is_explicit("accounts")


def test_history_can_be_kept_of_one_table() -> None:
    settings = make(tables=["accounts", "contacts"], table_settings={"contacts": {"history": True}})
    assert not settings.of_table("accounts").history
    assert settings.of_table("contacts").history


def test_how_many_requests_at_once_is_left_to_the_server_unless_set() -> None:
    assert make().max_concurrency is None
    assert make(max_concurrency=208).max_concurrency == 208


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"environment_url": None}, ["environment_url", "SOURCES__DATAVERSE__ENVIRONMENT_URL"]),
        ({"environment_url": ""}, ["[sources.dataverse] environment_url", ".dlt/config.toml"]),
        ({"tables": None}, ["tables", "SOURCES__DATAVERSE__TABLES"]),
        ({"tables": [" "]}, ["tables", "SOURCES__DATAVERSE__TABLES"]),
        ({"sync": "changed"}, ["sync", "'changed'", "auto, changes, cursor, full"]),
        ({"page_size": 0}, ["page_size", "1 to 5000"]),
        ({"page_size": 5001}, ["page_size", "5001"]),
        ({"page_size": True}, ["page_size", "True"]),
        ({"page_size": "many"}, ["page_size", "'many'"]),
        ({"lookback_seconds": -1}, ["lookback_seconds", "0 or more"]),
        ({"deletes": "forget"}, ["deletes", "remove, keep"]),
        ({"sweep_interval": -1}, ["sweep_interval", "number of hours"]),
        ({"max_rows_per_load": 0}, ["max_rows_per_load", "1 or more"]),
        ({"history": "yes"}, ["history", "true or false"]),
        ({"request_timeout": 0}, ["request_timeout", "above 0"]),
        ({"max_concurrency": 0}, ["max_concurrency", "1 to 208"]),
        ({"max_concurrency": 209}, ["max_concurrency", "209", "1 to 208"]),
        ({"max_concurrency": True}, ["max_concurrency", "whole number"]),
        ({"max_concurrency": "few"}, ["SOURCES__DATAVERSE__MAX_CONCURRENCY", "whole number"]),
        ({"table_settings": {"account": {}}}, ["table_settings.account", "'accounts'"]),
        (
            {"table_settings": {"accounts": {"lookback_second": 1}}},
            ["table_settings.accounts.lookback_second", "'lookback_seconds'"],
        ),
        (
            {"table_settings": {"accounts": {"sync": "none"}}},
            ["SOURCES__DATAVERSE__TABLE_SETTINGS__ACCOUNTS__SYNC"],
        ),
        ({"table_settings": {"accounts": {"filter": 1}}}, ["filter", "OData"]),
        ({"table_settings": {"accounts": {"select": [1]}}}, ["select", "column names"]),
    ],
)
def test_what_is_wrong_is_named(given: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(ConfigurationError) as error:
        make(**given)
    for word in words:
        assert word in str(error.value)
