"""The docs have everything that there is, in the words and figures of the code."""

from __future__ import annotations

import re
from pathlib import Path

import pyarrow as pa
import pytest

from dataverse_source import errors
from dataverse_source.arrow.schema import DATE_TYPES, SIMPLE_TYPES, Field, TableSchema, table_schema
from dataverse_source.cli.app import COMMANDS
from dataverse_source.client import error_responses, page_size
from dataverse_source.client.throttle.budget import ServiceLimits
from dataverse_source.config.setting_names import CREDENTIALS_SETTINGS
from dataverse_source.config.settings import OF_A_TABLE, OF_THE_SOURCE, SETTINGS
from dataverse_source.credentials import aadsts_errors
from dataverse_source.metadata.model import Column, Table
from tests.docs.blocks import pages, rows_of_tables, text_of
from tests.support.places import ROOT

# Docs "Web service error codes"; the code is not needed to explain the refusal.
PRIVILEGE_DENIED = ("0x80040220", "0x80048306")
CODE = re.compile(r"`([^`]+)`")
LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")


def section(page: str, title: str) -> str:
    """The part of a page under a heading, up to the next one."""
    _, _, rest = text_of(page).partition(f"## {title}\n")
    assert rest, f"{page} has no heading {title}"
    return rest.partition("\n## ")[0]


def first_names(text: str) -> list[str]:
    return [name for row in rows_of_tables(text) for name in CODE.findall(row[0])]


def test_every_setting_is_documented() -> None:
    names = first_names(section("docs/settings.md", "Settings of the source"))
    assert set(names) == OF_THE_SOURCE
    names = first_names(section("docs/settings.md", "Settings of one table"))
    assert set(names) == OF_A_TABLE
    ways = section("docs/settings.md", "Ways to sign in")
    assert set(first_names(ways)) == CREDENTIALS_SETTINGS


def test_the_readme_names_every_setting() -> None:
    table = section("README.md", "In your own pipeline").partition("###")[0]
    named = {name.partition(".")[0] for name in first_names(table)}
    assert named == OF_THE_SOURCE


@pytest.mark.parametrize("title", ["Settings of the source", "Settings of one table"])
def test_settings_are_documented_in_the_words_of_the_code(title: str) -> None:
    for names, doc, default in rows_of_tables(section("docs/settings.md", title)):
        if doc != "as above, for this table":
            setting = SETTINGS[CODE.findall(names)[0]]
            assert (LINK.sub(r"\1", doc), default) == (setting.doc, setting.default)


def test_the_defaults_in_the_readme_are_those_of_the_code() -> None:
    table = section("README.md", "In your own pipeline").partition("###")[0]
    told = {CODE.findall(row[0])[0]: row[2].strip("`") for row in rows_of_tables(table)}
    defaults = {
        name: one.default.strip("`") for name, one in SETTINGS.items() if one.default[0] == "`"
    }
    assert {name: told[name] for name in defaults} == defaults


def test_every_error_has_a_heading() -> None:
    headings = set(re.findall(r"^### (\w+)$", text_of("docs/errors.md"), flags=re.MULTILINE))
    assert headings == set(errors.__all__) - {"DataverseError"}


def test_every_refusal_of_the_login_service_is_explained() -> None:
    rows = rows_of_tables(section("docs/errors.md", "Sign-in"))
    told = {int(code): row for row in rows for code in re.findall(r"AADSTS(\d+)", row[0])}
    known = aadsts_errors._REFUSALS
    assert told.keys() == known.keys() | aadsts_errors._FEDERATED_REFUSALS.keys()
    for code, refusal in known.items():
        assert refusal.what == told[code][1]
        assert told[code][2]


def test_every_refusal_of_dataverse_is_explained() -> None:
    page = text_of("docs/errors.md")
    told = {code: row for row in rows_of_tables(page) for code in CODE.findall(row[0])}
    for code, (what, _) in error_responses.SET_UP.items():
        assert told[code][1] == what
        assert told[code][2]
    single = (error_responses.INVALID_ODATA, error_responses.SQL_TIMEOUT)
    for code in (
        *error_responses.LIMITS,
        *PRIVILEGE_DENIED,
        *single,
        *page_size.TOO_HEAVY,
    ):
        assert f"`{code}`" in page


def schema_of(column: Column) -> TableSchema:
    key = Column("id", "UniqueidentifierType", is_primary_id=True)
    return table_schema(Table("thing", "things", "id", columns=(key, column)), (key, column))


def dlt_type(schema: TableSchema, field: Field) -> str:
    hint = schema.hints[field.name]
    name = str(hint["data_type"])
    if name == "decimal":
        return f"decimal({hint['precision']}, {hint['scale']})"
    if name == "timestamp":
        return f"timestamp with{'out' if hint.get('timezone') is False else ''} time zone"
    return name


TYPES = [row for row in rows_of_tables(text_of("docs/types.md")) if "Type`" in row[1]]


@pytest.mark.parametrize("row", TYPES, ids=lambda row: row[0])
def test_types_are_those_of_the_schema(row: list[str]) -> None:
    kind, *behavior = CODE.findall(row[1])
    column = Column("a", kind, precision=2, date_behavior=next(iter(behavior), None))
    schema = schema_of(column)
    field = next(field for field in schema.fields if field.name == "a")
    assert (dlt_type(schema, field), str(field.arrow_type)) == (row[2], row[3])
    assert isinstance(field.arrow_type, pa.DataType)


def test_every_type_that_the_schema_knows_is_documented() -> None:
    told = {name for row in TYPES for name in CODE.findall(row[1])}
    assert {*SIMPLE_TYPES, *DATE_TYPES, "DecimalType", "MoneyType", "StringType"} <= told


def test_every_command_is_documented() -> None:
    rows = rows_of_tables(text_of("docs/command-line.md"))
    told = {CODE.findall(row[0])[0].split()[0] for row in rows if "`" in row[0]}
    assert told == set(COMMANDS)


@pytest.mark.parametrize("path", pages(), ids=lambda path: path.name)
def test_no_line_begins_like_html(path: Path) -> None:
    """Such a line would end a paragraph and vanish, inside of inline code too."""
    text = re.sub(r"^```.*?^```", "", path.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    assert re.findall(r"^ *<.*", text, flags=re.MULTILINE) == []


def test_figures_of_the_limits_are_those_of_the_code() -> None:
    page = " ".join(text_of("docs/limits.md").split())
    limits = ServiceLimits()
    assert f"takes {limits.requests:,.0f} requests" in page
    assert f"{limits.execution_seconds / 60:.0f} minutes of execution time" in page
    assert f"and {limits.concurrent} requests at once" in page
    assert f"down to {page_size.SMALLEST}" in page


def test_links_of_the_readme_lead_to_files_of_this_repository() -> None:
    """They are absolute, so that they work on a package index too."""
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    (repository,) = re.findall(
        r'^Repository = "https://github.com/([^"]+)"$', project, re.MULTILINE
    )
    links = re.findall(r"\]\(([^)]+)\)", text_of("README.md"))
    starts = (
        f"https://github.com/{repository}/blob/main/",
        f"https://raw.githubusercontent.com/{repository}/main/",
    )
    own = [link for link in links if not link.startswith("https://d")]
    assert own
    for link in own:
        path = next(link.removeprefix(start) for start in starts if link.startswith(start))
        assert (ROOT / path.partition("#")[0]).is_file(), link


def test_the_readme_is_short() -> None:
    assert len(text_of("README.md").split()) < 900


def test_every_row_of_the_proof_names_a_test() -> None:
    rows = [row for row in rows_of_tables(text_of("docs/proof.md")) if len(row) == 5]
    named = {name for row in rows for name in CODE.findall(row[4])}
    assert len(rows) == len([row for row in rows if CODE.findall(row[4])])
    sources = (path.read_text("utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    known = {name for source in sources for name in re.findall(r"def (test_\w+)\(", source)}
    assert named
    assert not named - known
