"""Makes the pictures of ``dataverse-source report`` from real runs: ``scripts/pictures``.

The report is opened in Chromium; its diagram of the relationships becomes a picture of its own.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from pathlib import Path

from dataverse_source.cli.app import run
from dataverse_source.sandbox import Sandbox
from dataverse_source.sandbox.api.faults import Fault
from tests.support.settings import settings_of

PICTURES = Path(__file__).parent / "pictures"
TABLES = ("accounts", "contacts", "leads", "opportunities", "tasks", "systemusers", "businessunits")
ROWS = {"account": 900, "contact": 400, "lead": 120, "opportunity": 200, "task": 300}
ALL_BUT_LEADS = frozenset(
    {"account", "contact", "opportunity", "task", "systemuser", "businessunit"}
)
SIZE = "1000,1120"
RUNS = 7


def main() -> None:
    """Write both pictures."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder, Sandbox(rows=ROWS, seed=1) as sandbox:
        os.chdir(folder)
        address = sandbox.environment_url
        os.environ |= {
            **settings_of(sandbox),
            "DLT_PROJECT_DIR": folder,
            "SOURCES__DATAVERSE__PIPELINE": "crm",
            "NO_COLOR": "1",
        }
        for number in range(RUNS):
            if number in (2, 5):
                sandbox.faults.plan(Fault("throttled", retry_after=1), path="accounts")
            readable = ALL_BUT_LEADS if number == 4 else None
            sandbox.users.change(sandbox.client_id, readable_tables=readable)
            run(["run", "-q", *TABLES])
            _change(sandbox, number)
        run(["report", "report.html"])
        page = Path("report.html")
        text = page.read_text("utf-8").replace(address, "https://contoso.crm4.dynamics.com")
        page.write_text(text, encoding="utf-8")
        _photograph(page, PICTURES / "report.png")
        (PICTURES / "relationships.svg").write_text(_diagram(text), encoding="utf-8")
        os.chdir(before)


def _change(sandbox: Sandbox, number: int) -> None:
    for table, named, count in (("account", "name", 9), ("contact", "lastname", 14)):
        keys = sorted(str(row[f"{table}id"]) for row in sandbox.store.rows(table))
        for key in keys[: count * (number % 3)]:
            sandbox.store.update(table, key, {named: f"Changed in round {number}"})
        for key in keys[len(keys) - number :]:
            sandbox.store.delete(table, key)
        for _ in range(count + 5 * number):
            sandbox.store.create(table, {named: "New"})


def _photograph(page: Path, picture: Path) -> None:
    subprocess.run(  # noqa: S603
        ["chromium", "--headless", "--no-sandbox", "--hide-scrollbars", f"--window-size={SIZE}",  # noqa: S607
         "--blink-settings=preferredColorScheme=1", f"--screenshot={picture}",
         page.absolute().as_uri()],
        check=True,
        capture_output=True,
    )  # fmt: skip


def _diagram(page: str) -> str:
    """The diagram alone, in the colours of a light page, on a ground of its own."""
    colours = dict(re.findall(r"--(\w+): (#\w+)", page.partition("@media")[0]))
    section = page.partition('id="relationships"')[2]
    picture = section[section.index("<svg") : section.index("</svg>")] + "</svg>"
    picture = re.sub(r"var\(--(\w+)\)", lambda found: colours[found[1]], picture)
    head, close, rest = picture.partition(">")
    ground = f'<rect width="100%" height="100%" rx="10" fill="{colours["paper"]}"/>'
    return f"{head}{close}{ground}{rest}\n"


if __name__ == "__main__":
    main()
