"""What people see: the screen of a real terminal, narrow and wide, with and without colours."""

from __future__ import annotations

import itertools
import re
import sys
import threading
from pathlib import Path

import pytest

from dataverse_source.sandbox import Sandbox
from tests.support.terminal import PATIENCE, Terminal, steady

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="Windows has no ptys"),
]

CHECK = """\
✓ Configuration: https://HOST
  auth_type client_secret
  client_id GUID
  tenant_id GUID
✓ Sign-in: token from
  https://HOST/GUID
✓ Access: organization id GUID
  user id GUID
✓ Organization: Contoso Sandbox, version 9.2.26062.00185
✓ User: # Sandbox
✓ Clocks: this machine and Dataverse agree
✓ Limits: recommended requests at once: 4
  requests left: N
  seconds of execution left: N
✓ Table definitions: N tables
✗ leeds: The environment has no table 'leeds', or the application user cannot
  see it.
  what to do: Did you mean 'leads' or 'lead' or 'roles'?
✓ accounts: readable (all rows), change tracking available
! accounts columns: column security hides new_taxnumber
  what to do: Give the application user a column security profile that may read
  them, or leave them out: exclude_columns in table_settings.accounts.
✓ Destination: FILE, which the first run makes

Some checks failed: see above; 1 warning."""

STATUS = r"""pipeline \w+, dataset dataverse in duckdb
last run: done, \d+ s ago

table      sync mode   rows   last synced   changes +expires
─+
accounts   changes     61     \d+ (s|min) ago +\+1 ~0 -0 +in 7\.0 days"""

HISTORY = r"""started \(UTC\) +status +took +inserted   updated   deleted   tables
─+
[\d-]+ [\d:]+   ok     +[\d.]+s +1 +0 +0 +1
[\d-]+ [\d:]+   ok     +[\d.]+s +60 +0 +0 +1"""

FRESHNESS = r"""table      last synced   freshness
─+
accounts   \d+ (s|min) ago +pass

1 pass, 0 warn, 0 error"""

TABLES = """\
table                    logical name   kind        changes
───────────────────────────────────────────────────────────
accountleadscollection   accountleads   intersect   tracked
accounts                 account        standard    tracked

N tables"""


WIDE_CHECK = (
    CHECK.replace("token from\n  ", "token from ")
    .replace("cannot\n  see it", "cannot see it")
    .replace("may read\n  them", "may read them")
)
"""Nothing has to be wrapped."""


def held(go_on: threading.Event) -> None:
    """Holds a request up until the test lets it go."""
    go_on.wait(PATIENCE)


@pytest.mark.parametrize(("columns", "screen"), [(80, CHECK), (200, WIDE_CHECK)])
def test_check_in_colour(sandbox: Sandbox, folder: Path, columns: int, screen: str) -> None:
    with Terminal(
        "check", "accounts", "leeds", folder=folder, sandbox=sandbox, columns=columns
    ) as terminal:
        assert terminal.end() == 1
        assert steady(terminal.lines) == screen
        assert terminal.colours_of("✓") == {"green"}
        assert terminal.colours_of("✗") == {"red"}
        assert terminal.colours_of("Clocks") == {"default"}


def test_check_without_colour(sandbox: Sandbox, folder: Path) -> None:
    with Terminal(
        "check", "accounts", "leeds", folder=folder, sandbox=sandbox, NO_COLOR="1"
    ) as terminal:
        assert terminal.end() == 1
        assert steady(terminal.lines) == CHECK
        assert b"\x1b" not in terminal.raw


@pytest.mark.parametrize("columns", [80, 200])
def test_tables(sandbox: Sandbox, folder: Path, columns: int) -> None:
    arguments = ("--no-color", "tables", "acc*")
    with Terminal(*arguments, folder=folder, sandbox=sandbox, columns=columns) as terminal:
        assert terminal.end() == 0
        assert steady(terminal.lines) == TABLES
        assert b"\x1b" not in terminal.raw


@pytest.mark.parametrize("columns", [80, 200])
def test_a_run_as_it_goes_on(sandbox: Sandbox, folder: Path, columns: int) -> None:
    """The second table is held up until the screen shows that the first one is read."""
    go_on = threading.Event()
    sandbox.hooks.on(r"/contacts\?", lambda: held(go_on), when="before", times=None)
    try:
        with Terminal(
            "run", "accounts", "contacts", folder=folder, sandbox=sandbox, columns=columns
        ) as terminal:
            terminal.until(r"^contacts  reading keys for the change token$")
            terminal.until(r"^accounts  read  60 rows in [\d.]+s$")
            terminal.until(r"^reading, \d+s; \d+ requests")
            go_on.set()
            assert terminal.end() == 0
            assert not any("  read  " in line for line in terminal.lines)  # the report follows
            screen = "\n".join(terminal.lines)
        assert (
            "\n"
            "table      inserted   updated   unchanged   deleted   rows now\n"
            "──────────────────────────────────────────────────────────────\n"
            "accounts         60         0           0         0         60\n"
            "contacts         40         0           0         0         40\n"
        ) in screen
    finally:
        go_on.set()


def test_a_run_that_fails(sandbox: Sandbox, folder: Path) -> None:
    readable = frozenset({"account", "systemuser"})
    sandbox.users.change(sandbox.client_id, readable_tables=readable)
    with Terminal("run", "accounts", "contacts", folder=folder, sandbox=sandbox) as terminal:
        assert terminal.end() == 1
        terminal.until(r"^accounts +60 +0 +0 +0 +60$")
        terminal.until(r"^contacts +failed$")
        assert terminal.colours_of("error:") == {"red"}
        terminal.until(r"^error: 1 of 2 tables failed; the others are loaded\.$")
        assert not any("Traceback" in line for line in terminal.lines)


def test_what_the_runs_have_left(sandbox: Sandbox, folder: Path) -> None:
    for _ in range(2):
        with Terminal("run", "accounts", folder=folder, sandbox=sandbox) as terminal:
            assert terminal.end() == 0
        sandbox.store.create("account", {"name": "New"})
    screens = {"status": STATUS, "history": HISTORY, "freshness": FRESHNESS}
    for command, columns in itertools.product(screens, (80, 200)):
        with Terminal(command, folder=folder, sandbox=sandbox, columns=columns) as terminal:
            assert terminal.end() == 0
            assert re.fullmatch(screens[command], "\n".join(terminal.lines))


def test_a_run_that_is_stopped(sandbox: Sandbox, folder: Path) -> None:
    go_on = threading.Event()
    sandbox.hooks.on(r"/accounts\?", lambda: held(go_on), when="before", times=None)
    try:
        with Terminal("run", "accounts", folder=folder, sandbox=sandbox) as terminal:
            terminal.until(r"^accounts  reading keys for the change token")
            terminal.interrupt()
            go_on.set()
            assert terminal.end() == 130
            terminal.until(r"^Stopped\. Loaded and kept: nothing\.$")
            assert not any("Traceback" in line for line in terminal.lines)
    finally:
        go_on.set()


def test_a_question(sandbox: Sandbox, folder: Path) -> None:
    with Terminal("run", "accounts", folder=folder, sandbox=sandbox) as terminal:
        assert terminal.end() == 0
    with Terminal("reset", "accounts", folder=folder, sandbox=sandbox) as terminal:
        terminal.until(r"^Continue\? \[y/N\]:$")
        terminal.type("y")
        assert terminal.end() == 0
        assert steady(terminal.lines) == (
            "The next run reads all rows of accounts again.\n"
            "The rows in dataset dataverse stay until then.\n"
            "Continue? [y/N]: y\n"
            "Done."
        )


@pytest.mark.slow
def test_the_sandbox_tells_what_to_paste(sandbox: Sandbox, folder: Path) -> None:
    arguments = ("sandbox", "--rows", "accounts=3", "--client-secret", "aaa8Q~" + "b" * 34)
    with Terminal(*arguments, folder=folder, sandbox=sandbox, columns=200) as terminal:
        terminal.until("Ctrl-C ends it")
        lines = terminal.lines
        assert "[sources.dataverse.credentials]" in lines
        assert any(line.startswith('environment_url = "https://127.0.0.1:') for line in lines)
        terminal.interrupt()
        assert terminal.end() == 0
