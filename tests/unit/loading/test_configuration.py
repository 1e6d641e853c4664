"""Files, variables and arguments together: what is wrong is said at once, with its place."""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
from typing import Any

import dlt
import pytest

from dataverse_source import (
    ConfigurationError,
    dataverse,
    dataverse_table,
    top_by_name,
)
from dataverse_source.config.settings import OF_THE_SOURCE, SETTINGS, Settings, TableSettings
from dataverse_source.loading.configuration import DataverseConfiguration
from tests.support.servers import CLIENT, SECRET
from tests.unit.loading.configuring import RIGHT, SECTION, SIGN_IN, URL, Files, refused, settings_of

IN_PYTHON_ONLY = {
    "credentials",
    "defer_table_reflect",
    "table_adapter_callback",
    "type_adapter_callback",
    "query_adapter_callback",
}
"""Arguments of the source that files cannot hold, or hold elsewhere."""


def test_every_argument_of_the_source_is_a_setting() -> None:
    parameters = inspect.signature(dataverse).parameters
    spec = set(DataverseConfiguration().get_resolvable_fields())
    assert spec == OF_THE_SOURCE == set(parameters) - IN_PYTHON_ONLY
    for owner in (Settings, TableSettings):
        for field in dataclasses.fields(owner):
            if field.name in parameters and parameters[field.name].default is not dlt.config.value:
                assert parameters[field.name].default == field.default


def test_every_argument_is_documented_as_the_setting() -> None:
    _, _, text = str(inspect.getdoc(dataverse)).partition("Args:\n")
    text, _, _ = text.partition("\n\n")
    told = dict(re.findall(r"^    (\w+): ((?:.|\n     )*)\.$", text, flags=re.MULTILINE))
    told = {name: " ".join(doc.replace("``", "`").split()) for name, doc in told.items()}
    assert told.keys() == {*OF_THE_SOURCE, *IN_PYTHON_ONLY}
    assert {name: told[name] for name in OF_THE_SOURCE} == {
        name: SETTINGS[name].doc for name in OF_THE_SOURCE
    }


def test_what_is_right_is_taken(files: Files) -> None:
    files(RIGHT + "page_size = 50\n[sources.dataverse.table_settings.contacts]\nsync = 'full'\n")
    settings, credentials = settings_of()
    assert settings.tables == ("accounts", "contacts")
    assert settings.of_table("accounts") == TableSettings(page_size=50)
    assert settings.of_table("contacts") == TableSettings(page_size=50, sync="full")
    assert (credentials.client_id, credentials.client_secret) == (CLIENT, SECRET)


def test_everything_is_said_at_once(files: Files) -> None:
    folder = files(
        """
        [sources.dataverse]
        environment_ur = "x"
        page_sze = 10
        page_size = "many"
        [sources.dataverse.table_settings.accounts]
        sync = "chages"
        selct = ["name"]
        """,
        '[sources.dataverse.credentials]\nclient_id = "x"\ntennant_id = "y"\n',
    )
    error = refused(tables=["accounts"])
    text = str(error)
    assert len(error.problems) == 8
    assert text.startswith("8 settings are missing or cannot be used.")
    for words in (
        "Unknown setting environment_ur.",
        "Did you mean 'environment_url' or 'environment_column'?",
        "Unknown setting page_sze.",
        "Did you mean 'page_size'?",
        "Setting page_size has the value 'many'",
        "SOURCES__DATAVERSE__PAGE_SIZE; set by " + str(folder / "config.toml"),
        "Missing setting environment_url",
        "SOURCES__DATAVERSE__ENVIRONMENT_URL",
        "table_settings.accounts.sync has the value 'chages'",
        "Unknown setting table_settings.accounts.selct",
        "Did you mean 'select'?",
        "Unknown setting credentials.tennant_id",
        f"[sources.dataverse.credentials] in {folder / 'secrets.toml'}",
        "Did you mean 'tenant_id'",
        "The sign-in lacks client_secret",
        "SOURCES__DATAVERSE__CREDENTIALS__CLIENT_SECRET",
        f"settings were read from {folder / 'secrets.toml'} and {folder / 'config.toml'}",
    ):
        assert words in text, text


def test_a_single_problem_is_an_error_of_its_own(files: Files) -> None:
    folder = files(RIGHT + "page_size = 5001\n")
    error = refused()
    assert error.problems == ()
    assert error.setting == "page_size"
    assert str(error).startswith("Setting page_size has the value 5001")
    assert str(folder / "config.toml") in str(error)


def test_files_that_are_not_there_are_named(files: Files) -> None:
    folder = files(None, None)
    text = str(refused())
    assert f"there is no {folder / 'secrets.toml'} and no {folder / 'config.toml'}" in text
    assert "Missing setting environment_url" in text
    assert "Missing setting tables" in text
    assert "The sign-in lacks client_id and client_secret" in text


def test_the_variable_that_holds_the_value_is_named(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    files(RIGHT)
    monkeypatch.setenv(f"{SECTION}PAGE_SIZE", "9999")
    text = str(refused())
    assert f"set by environment variable {SECTION}PAGE_SIZE" in text


def test_what_is_given_in_python_stands_nowhere(files: Files) -> None:
    files(RIGHT + "page_size = 9999\n")
    text = str(refused(page_size=6000))
    assert "6000" in text
    assert "set by" not in text


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ("client_secret = 'x'", "Move it to [sources.dataverse.credentials]"),
        (
            "select = ['name']",
            "Set it for one table, in [sources.dataverse.table_settings.<table>]",
        ),
        ("verbose = true", "Known settings: api_version, audit"),
        ("[sources.dataverse.credential]\na = 1", "Did you mean 'credentials'?"),
        ("[sources.dataverse.table_setting.accounts]\nsync = 'full'", "'table_settings'"),
        (
            "[sources.dataverse.accounts]\nselect = []",
            "[sources.dataverse.table_settings.accounts]",
        ),
        ("table_settings = 3", "a table of settings for each table"),
        ("[sources.dataverse.table_settings]\naccounts = 3", "a table of settings"),
        ("[sources.dataverse.table_settings.accounts]\nca_bundle = 'x'", "the same for all tables"),
        ("api_version = 9.2", "such as v9.2"),
        ("ca_bundle = '/no/such/file.pem'", "names no certificates that can be read"),
    ],
)
def test_what_is_wrong_in_a_file(files: Files, config: str, words: str) -> None:
    files(RIGHT + config)
    assert words in str(refused())


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("PAGE_SZE", "Did you mean 'page_size'?"),
        ("CREDENTIALS__CLIENT_IDD", "Did you mean 'client_id'"),
        ("CREDENTIALS__PAGE_SIZE", "Move it to [sources.dataverse] itself"),
        ("TABLE_SETTINGS__ACCOUNTS__SELCT", "Did you mean 'select'?"),
    ],
)
def test_what_is_wrong_in_a_variable(
    files: Files, monkeypatch: pytest.MonkeyPatch, name: str, words: str
) -> None:
    files(RIGHT)
    monkeypatch.setenv(SECTION + name, "kept-value")
    assert words in str(refused())


def test_what_belongs_to_dlt_or_others_is_no_mistake(files: Files) -> None:
    files(
        RIGHT + "[sources.dataverse.data_writer]\nfile_max_items = 1000\n"
        "[sources.dataverse.accounts]\nmax_table_nesting = 1\n[sources.other]\nselect = []\n"
    )
    assert settings_of()[0].tables == ("accounts", "contacts")


def test_a_setting_in_a_table_of_another_name_is_found(files: Files) -> None:
    folder = files(f'[source.dataverse]\nenvironment_url = "{URL}"\n')
    text = str(refused(tables=["accounts"]))
    assert f"{folder / 'config.toml'} sets it in [source.dataverse], which is not read here" in text


def test_settings_of_the_pipeline_come_first(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    from dlt.common.configuration.resolve import inject_section
    from dlt.common.configuration.specs.config_section_context import ConfigSectionContext

    files(RIGHT + "[crm.sources.dataverse]\npage_sze = 1\n")
    context = ConfigSectionContext("crm", ("sources", "dataverse"))
    with inject_section(context), pytest.raises(ConfigurationError, match="page_sze"):
        settings_of()
    settings_of()


def test_environments_with_names_of_their_own(files: Files) -> None:
    files(
        "[sources.dataverse]\nsync = 'full'\n"
        f"[sources.dataverse.sales]\nenvironment_url = '{URL}'\n"
        "tables = ['accounts', 'contacts']\n",
        SIGN_IN.replace("credentials", "sales.credentials"),
    )
    found = dataverse.with_args(name="sales")()
    assert found.name == "sales"
    assert "Missing setting environment_url" in str(refused())


def test_a_section_of_ones_own(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    sign_in = SIGN_IN.replace("dataverse", "sales")
    files(RIGHT.replace("dataverse", "sales") + "page_sze = 1\n", sign_in)
    monkeypatch.setenv("SOURCES__SALES__TABLE_SETTINGS__ACCOUNTS__SYNC", "never")
    with pytest.raises(ConfigurationError) as refusal:
        dataverse.clone(name="sales", section="sales")()
    text = str(refusal.value)
    assert "Unknown setting page_sze" in text
    assert "table_settings.accounts.sync" in text
    assert "[sources.sales" in text
    assert "SOURCES__SALES__" in text
    assert "dataverse]" not in text
    monkeypatch.delenv("SOURCES__SALES__TABLE_SETTINGS__ACCOUNTS__SYNC")
    files(RIGHT.replace("dataverse", "sales"), sign_in)
    assert dataverse.clone(name="sales", section="sales")().section == "sales"
    resource = dataverse_table("accounts", section="sales")
    assert (resource.name, resource.section) == ("accounts", "sales")


@pytest.mark.parametrize("tables", ["accounts, contacts", '["accounts", "contacts"]'])
def test_variables_are_text(files: Files, monkeypatch: pytest.MonkeyPatch, tables: str) -> None:
    files(None)
    for name, value in {
        "ENVIRONMENT_URL": URL,
        "TABLES": tables,
        "PAGE_SIZE": "500",
        "LABELS": "true",
        "SWEEP_INTERVAL": "0.5",
        "REQUEST_TIMEOUT": "10",
        "TABLE_SETTINGS": json.dumps({"accounts": {"sync": "full"}}),
        "TABLE_SETTINGS__CONTACTS__SELECT": "fullname, emailaddress1",
        "QUERIES__OPEN_DEALS__FETCHXML": "<fetch><entity name='opportunity'/></fetch>",
        "QUERIES__OPEN_DEALS__PRIMARY_KEY": "a, b",
    }.items():
        monkeypatch.setenv(SECTION + name, value)
    settings, _ = settings_of()
    assert settings.tables == ("accounts", "contacts")
    assert settings.request_timeout == 10
    common = TableSettings(page_size=500, labels=True, sweep_interval=0.5)
    assert settings.defaults == common
    assert settings.of_table("accounts").sync == "full"
    assert settings.of_table("contacts").select == ("fullname", "emailaddress1")
    assert settings.queries["open_deals"].primary_key == ("a", "b")
    assert settings.of_table("open_deals").page_size == 500


def test_a_variable_of_a_table_wins_over_the_file_but_not_over_python(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    files(RIGHT + "[sources.dataverse.table_settings.accounts]\nsync = 'full'\nlabels = true\n")
    monkeypatch.setenv(f"{SECTION}TABLE_SETTINGS__ACCOUNTS__SYNC", "cursor")
    assert settings_of()[0].of_table("accounts") == TableSettings(sync="cursor", labels=True)
    given = {"accounts": {"sync": "changes"}}
    assert settings_of(table_settings=given)[0].of_table("accounts").sync == "changes"


def test_an_address_that_can_not_be_right_beside_other_mistakes(files: Files) -> None:
    files("[sources.dataverse]\nenvironment_url = 'https//contoso.crm4.dynamics.com'\n")
    text = str(refused(credentials=5))
    assert "no :// between https and the host" in text
    assert "Missing setting tables" in text
    assert "neither settings nor an object with get_token" in text


def test_the_preview_needs_no_tables(files: Files) -> None:
    files("[sources.dataverse]\npage_sze = 1\n", None)
    with pytest.raises(ConfigurationError) as caught:
        top_by_name("accounts", 3)
    text = str(caught.value)
    assert "Missing setting environment_url" in text
    assert "page_sze" in text
    assert "Missing setting tables" not in text


def test_a_table_is_either_named_or_excluded(files: Files) -> None:
    files(RIGHT + "exclude = ['accounts', 'new_*']\n")
    text = str(refused())
    assert "tables and exclude both name accounts" in text
    assert "Remove it from one of them" in text


@pytest.mark.parametrize("form", [dict, json.dumps])
def test_a_misspelt_setting_of_the_sign_in_in_python_is_told(files: Files, form: Any) -> None:
    files(RIGHT)
    given = {"client_secret": SECRET, "authority_hst": "https://login.contoso.com"}
    error = refused(credentials=form(given))
    assert error.what == "Unknown setting credentials.authority_hst"
    assert str(error.where).startswith("the argument credentials")
    assert "'authority_host'" in str(error.remedy)
    assert SECRET not in str(error)
