"""`dataverse-source report`: what several runs have left, opened in a real browser."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from dataverse_source.cli.app import run
from dataverse_source.sandbox import Sandbox
from dataverse_source.sandbox.api.faults import Fault
from dataverse_source.sandbox.schema import schema_changes
from dataverse_source.sandbox.schema.tables import Column
from tests.support.browser import browser, open_page
from tests.support.command_line import Cli
from tests.support.settings import settings_of

__all__ = ["browser"]

pytestmark = pytest.mark.slow

HOSTILE = '<img src=x onerror="document.title=1"><script>document.title=2</script>&amp;"\''
TABLES = ("accounts", "contacts", "leads", "opportunities")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a report of three runs: changes, throttling, a failure, a schema change."""
    folder = tmp_path_factory.mktemp("crm")
    rows = {"account": 30, "contact": 20, "lead": 5, "opportunity": 8, "systemuser": 3}
    with pytest.MonkeyPatch.context() as patch, Sandbox(rows=rows, seed=1) as sandbox:
        patch.chdir(folder)
        for name, value in {**settings_of(sandbox), "DLT_PROJECT_DIR": str(folder)}.items():
            patch.setenv(name, value)
        # The folder's, as another one may follow in this process: two projects, two pipelines.
        patch.setenv("SOURCES__DATAVERSE__PIPELINE", folder.name)
        assert run(["run", *TABLES, "-q"]) == 0
        sandbox.store.create("account", {"name": "New"})
        for _ in range(2):
            sandbox.faults.plan(Fault("throttled", retry_after=0.1), path="accounts")
        readable = frozenset({"account", "lead", "opportunity", "systemuser"})
        sandbox.users.change(sandbox.client_id, readable_tables=readable)
        assert run(["run", *TABLES, "-q"]) == 1
        sandbox.users.change(sandbox.client_id, readable_tables=None)
        schema = schema_changes.with_column(
            sandbox.store.schema, "account", Column("new_code", "String")
        )
        sandbox.store.change_schema(schema)
        assert run(["run", *TABLES, "-q"]) == 0
        yield folder


def execute(folder: Path, sql: str, *values: object) -> None:
    with duckdb.connect(str(folder / f"{folder.name}.duckdb")) as database:
        database.execute(sql, values)


@pytest.fixture
def in_project(project: Path, monkeypatch: pytest.MonkeyPatch, cli: Cli) -> Path:
    monkeypatch.chdir(project)
    monkeypatch.setenv("DLT_PROJECT_DIR", str(project))
    monkeypatch.setenv("SOURCES__DATAVERSE__PIPELINE", project.name)
    return project


def logged(browser: Chrome) -> list[object]:
    """What the browser complains about, such as a refused script."""
    return list(browser.get_log("browser"))  # type: ignore[no-untyped-call]


def text_of(browser: Chrome, section: str) -> str:
    return browser.find_element(By.ID, section).text


@pytest.mark.parametrize(("scheme", "paper"), [("light", "255, 255, 255"), ("dark", "18, 22, 28")])
def test_what_it_shows(
    in_project: Path, cli: Cli, browser: Chrome, scheme: str, paper: str
) -> None:
    told = cli("report", "--json")
    assert told.code == 0, told.err
    path = in_project / f"{in_project.name}_report.html"
    assert told.json() == {"file": str(path), "runs": 3, "tables": 4}
    open_page(browser, path, scheme)
    assert browser.title.startswith(f"{in_project.name}: report of ")
    body = browser.find_element(By.TAG_NAME, "body")
    assert paper in body.value_of_css_property("background-color")
    tables = text_of(browser, "tables")
    assert "accounts Account changes 31" in tables
    assert "contacts Contact changes 20" in tables
    failures = text_of(browser, "failures")
    assert "contacts" in failures
    assert "prvReadContact" in failures
    assert "column added: new_code (String)" in text_of(browser, "schema")
    for section, words in {
        "changes": ["inserted", "updated", "deleted"],
        "rows": list(TABLES),
        "durations": ["ok", "partial"],
        "limits": ["requests", "refused requests (429)", "seconds waited"],
        "freshness": [*TABLES, "pass"],
        "relationships": ["accounts", "contacts"],
    }.items():
        picture = browser.find_element(By.CSS_SELECTOR, f"#{section} svg")
        assert picture.size["width"] > 300
        drawn = {one.text for one in picture.find_elements(By.TAG_NAME, "text")}
        assert set(words) <= drawn, section
    # a bar is there, and in a colour of the page
    refused = browser.find_elements(By.CSS_SELECTOR, '#limits svg path[fill="var(--red)"]')
    assert sum(one.size["height"] > 5 for one in refused) == 1
    red = refused[0].value_of_css_property("fill")
    assert red == {"light": "rgb(192, 50, 47)", "dark": "rgb(255, 123, 114)"}[scheme]
    summary = browser.find_element(By.CSS_SELECTOR, "#runs summary")
    summary.click()
    assert text_of(browser, "runs").count("\n") >= 4
    assert logged(browser) == []


def test_texts_of_the_data_stay_texts(in_project: Path, cli: Cli, browser: Chrome) -> None:
    execute(in_project, "CREATE TABLE kept AS FROM dataverse._dataverse_run_tables")
    execute(
        in_project,
        'UPDATE dataverse._dataverse_run_tables SET "table" = ?, error = ?, schema_changes = ? '
        "WHERE \"table\" = 'leads'",
        *[HOSTILE] * 3,
    )
    execute(in_project, "UPDATE dataverse._dataverse_runs SET environment = ?", HOSTILE)
    try:
        assert cli("report", "hostile.html").code == 0
    finally:
        execute(in_project, "CREATE OR REPLACE TABLE dataverse._dataverse_run_tables AS FROM kept")
        execute(in_project, "DROP TABLE kept")
    path = in_project / "hostile.html"
    open_page(browser, path, "light")
    assert browser.title.startswith(f"{in_project.name}: report of ")
    assert browser.find_elements(By.CSS_SELECTOR, "script, img") == []
    assert HOSTILE in browser.find_element(By.TAG_NAME, "header").text
    for section in ("tables", "failures", "schema", "freshness", "rows"):
        shown = browser.find_element(By.ID, section).get_property("textContent")
        assert "<img src=x onerror=" in str(shown), section
    assert logged(browser) == []


def test_only_a_report_is_replaced(in_project: Path, cli: Cli) -> None:
    (in_project / "mine.html").write_text("mine")
    told = cli("report", "mine.html")
    assert told.code == 2
    assert (in_project / "mine.html").read_text() == "mine"
    assert cli("report", "again.html").code == 0
    assert cli("report", "again.html").code == 0
    assert "wrote" in cli("report", "again.html", "--last", "1").out


def test_without_the_extra(in_project: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    told = cli("report", "--json")
    assert told.code == 2
    error = json.loads(told.out)["error"]
    assert "pip install 'dlt-dataverse[report]'" in error["remedy"]


def test_without_a_history(in_project: Path, cli: Cli) -> None:
    execute(in_project, "ALTER TABLE dataverse._dataverse_runs RENAME TO elsewhere")
    try:
        told = cli("report", "none.html")
    finally:
        execute(in_project, "ALTER TABLE dataverse.elsewhere RENAME TO _dataverse_runs")
    assert told.code == 1
    assert "no run in the history" in told.err
    assert not (in_project / "none.html").exists()
