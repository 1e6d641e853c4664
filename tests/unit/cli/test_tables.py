"""`tables`, `describe` and `preview`: what there is, before anything is loaded."""

from __future__ import annotations

from decimal import Decimal

import pytest

from dataverse_source.cli.commands import preview
from dataverse_source.sandbox import Sandbox
from tests.support.command_line import Cli


def test_tables(cli: Cli, configured: Sandbox) -> None:
    told = cli("tables", "acc*")
    assert told.code == 0, told.err
    lines = [line.rstrip() for line in told.out.splitlines()]
    assert lines[0].split() == ["table", "logical", "name", "kind", "changes"]
    assert lines[2].split() == ["accountleadscollection", "accountleads", "intersect", "tracked"]
    assert lines[3].split() == ["accounts", "account", "standard", "tracked"]
    assert lines[-1] == "2 tables"


def test_tables_for_machines(cli: Cli, configured: Sandbox) -> None:
    found = cli("tables", "--json").json()
    names = [one["entity_set_name"] for one in found]
    assert names == sorted(names)
    assert {"accounts", "contacts", "leads"} <= set(names)
    assert all(one["left_out_by_patterns"] is None for one in found)
    everything = cli("tables", "--all", "--json").json()
    left_out = [one for one in everything if one["left_out_by_patterns"]]
    assert left_out
    assert len(everything) == len(found) + len(left_out)


def test_a_pattern_that_fits_nothing(cli: Cli, configured: Sandbox) -> None:
    told = cli("tables", "acount*")
    assert told.code == 2
    assert "no table like 'acount*'" in told.err


def test_describe(cli: Cli, configured: Sandbox) -> None:
    told = cli("describe", "accounts")
    assert told.code == 0, told.err
    assert told.out.startswith("accounts  (Account)\n")
    assert "Synced by change tracking: it is enabled for the table." in " ".join(told.out.split())
    lines = [line.split() for line in told.out.splitlines()]
    assert ["revenue", "Money", "decimal(25,10)"] in lines
    assert ["primarycontactid", "Lookup", "text", "contact"] in lines
    assert max(map(len, told.out.splitlines())) <= 80


def test_describe_for_machines(cli: Cli, configured: Sandbox) -> None:
    found = cli("describe", "contact", "--json").json()
    assert found["entity_set_name"] == "contacts"
    assert found["primary_key"] == ["contactid"]
    assert found["sync"]["mode"] == "changes"
    columns = {one["name"]: one for one in found["columns"]}
    assert columns["parentcustomerid"]["destination"] == {
        "parentcustomerid": "text",
        "parentcustomeridtype": "text",
    }
    assert columns["modifiedon"]["destination"] == {"modifiedon": "timestamp"}
    assert columns["birthdate"]["destination"] == {"birthdate": "date"}
    assert columns["statecodename"]["not_read_because"] == "belongs to statecode"
    choices = {one["column"]: one for one in found["choices"]}
    assert {"value": 0, "label": "Active"} in choices["statecode"]["options"]
    assert any(one["referenced_table"] == "account" for one in found["relationships"])


@pytest.mark.parametrize(
    ("sync", "mode", "why"),
    [
        ("cursor", "cursor", "by modifiedon, deleted rows by comparing keys"),
        ("full", "full", "by reading all rows each time"),
    ],
)
def test_describe_tells_of_settings(
    cli: Cli,
    configured: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    sync: str,
    mode: str,
    why: str,
) -> None:
    monkeypatch.setenv("SOURCES__DATAVERSE__SYNC", sync)
    found = cli("describe", "accounts", "--json").json()["sync"]
    assert (found["setting"], found["mode"]) == (sync, mode)
    assert why in found["why"]


def test_describe_a_table_that_there_is_not(cli: Cli, configured: Sandbox) -> None:
    told = cli("describe", "acount")
    assert told.code == 2
    assert "Did you mean 'account'" in told.err


def test_preview(cli: Cli, configured: Sandbox) -> None:
    told = cli("preview", "accounts", "--rows", "2")
    assert told.code == 0, told.err
    assert told.out.splitlines()[0].split() == ["column", "row", "1", "row", "2"]
    assert max(map(len, told.out.splitlines())) <= 80


def test_preview_shows_what_would_land(
    cli: Cli, configured: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__DATAVERSE__LABELS", "true")
    rows = cli("preview", "accounts", "--rows", "60", "--json").json()
    assert len(rows) == 60
    assert [row["accountid"] for row in rows] == sorted(row["accountid"] for row in rows)
    assert {row["statecodename"] for row in rows} <= {"Active", "Inactive"}
    sums = [Decimal(row["revenue"]) for row in rows if row["revenue"] is not None]
    assert sums
    assert all(one.as_tuple().exponent == -10 for one in sums)
    assert not configured.requests.matching("/accounts(")


def test_preview_of_a_table_without_rows(cli: Cli, configured: Sandbox) -> None:
    told = cli("preview", "leads")
    assert told.out == "The table has no rows that the user may read.\n"
    assert cli("preview", "leads", "--json").json() == []


def test_settings_of_other_tables_do_not_matter(
    cli: Cli, configured: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = '{"contacts": {"page_size": 10}, "accounts": {"select": ["name"]}}'
    monkeypatch.setenv("SOURCES__DATAVERSE__TABLE_SETTINGS", settings)
    (row,) = cli("preview", "accounts", "--rows", "1", "--json").json()
    assert {"accountid", "name"} <= set(row) <= {"accountid", "name", "versionnumber", "modifiedon"}


def test_columns_by_name_and_pattern(
    cli: Cli, configured: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = cli("preview", "accounts", "--rows", "1", "--columns", "accountid,Name,state*")
    shown = [line.split()[0] for line in told.out.splitlines() if line.strip()]
    assert shown[2:] == ["accountid", "name", "statecode"]
    (row,) = cli("preview", "accounts", "--rows", "1", "--columns", "accountid", "--json").json()
    assert list(row) == ["accountid"]
    told = cli("preview", "accounts", "--columns", "nmae")
    assert (told.code, "Did you mean 'name'" in told.err) == (2, True)
    monkeypatch.setenv("COLUMNS", "150")
    told = cli("describe", "accounts", "--columns", "createdon,industrycode")
    assert "createdon" in told.out
    assert "Created On" in told.out
    assert "DateTime UserLocal" in told.out
    assert "revenue" not in told.out


def test_values_that_look_alike() -> None:
    cells = [preview._cell(one) for one in (None, "", Decimal("0E-10"), "NULL\n")]
    assert cells == ["NULL", '""', "0.0000000000", "NULL\\n"]
