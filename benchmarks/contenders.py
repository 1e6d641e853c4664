"""Who is compared: which driver, in which environment, with how many rows."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from benchmarks.rows import columns
from dataverse_source.config.compiled import SWITCH
from tests.peers import installed
from tests.peers.installed import Package

DRIVERS = Path(__file__).parent / "drivers"
SINGER_TAP = Package("tap-ms-dynamics", "0.1.1", python="3.11")


@dataclass(frozen=True)
class Contender:
    """One row of the table.

    Attributes:
        name: short, for the command line and the results.
        title: what it is.
        does: what is timed.
        driver: file among the drivers.
        most_rows: rows that it gets, at most; slow ones get fewer, and are compared by rows a
            second.
        package: what has to be installed in an environment of its own; None: runs in this one.
        arguments: more arguments of the driver.
        variables: of its environment.
        module: that has to be installed here.
    """

    name: str
    title: str
    does: str
    driver: str
    most_rows: int | None = None
    package: Package | None = None
    arguments: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    module: str | None = None

    def rows(self, wanted: int) -> int:
        """How many rows it gets when ``wanted`` are asked for."""
        return wanted if self.most_rows is None else min(wanted, self.most_rows)

    def command(self, connection: Mapping[str, Any]) -> list[str]:
        """The command line of one run.

        Raises:
            Unavailable: its package can't be installed here.
        """
        script = str(DRIVERS / self.driver)
        return [self._python(), script, json.dumps(dict(connection)), *self.arguments]

    def _python(self) -> str:
        if self.module is not None and find_spec(self.module) is None:
            raise Unavailable(f"{self.module} is not installed: uv run --extra fast")
        if self.package is None:
            return sys.executable
        try:
            return str(installed.python_with(self.package))
        except (pytest.skip.Exception, pytest.fail.Exception) as refusal:
            raise Unavailable(f"{self.package.name}: {refusal.msg}") from None


class Unavailable(Exception):
    """A contender can't run here; the text tells why."""


def contenders() -> list[Contender]:
    """All of them, the floor first."""
    selected = ",".join(columns())
    into = "into DuckDB"
    return [
        *package_and_floor(),
        Contender(
            "rest_api_parquet",
            "dlt rest_api, parquet",
            into,
            "rest_api.py",
            most_rows=20_000,
            arguments=(selected, "parquet"),
        ),
        Contender(
            "rest_api",
            "dlt rest_api, its default",
            into,
            "rest_api.py",
            most_rows=2_000,
            arguments=(selected, "default"),
        ),
        Contender(
            "airbyte",
            "airbyte-source-microsoft-dataverse",
            "to /dev/null",
            "airbyte_source.py",
            most_rows=20_000,
            package=installed.AIRBYTE_SOURCE,
        ),
        Contender(
            "tap",
            "tap-ms-dynamics",
            "to /dev/null",
            "singer_tap.py",
            most_rows=5_000,
            package=SINGER_TAP,
        ),
        Contender(
            "microsoft",
            "powerplatform-dataverse-client",
            "read, throw away",
            "microsoft_client.py",
            most_rows=30_000,
            package=installed.MICROSOFT_CLIENT,
            arguments=(selected,),
        ),
    ]


def package_and_floor(selected: Sequence[str] = ()) -> list[Contender]:
    """The floor, and this package without and with its compiled decoder.

    Args:
        selected: columns; all when empty.
    """
    wanted = {"settings": {"table_settings": {"accounts": {"select": list(selected)}}}}
    arguments = (json.dumps(wanted),) if selected else ()
    return [
        Contender(
            "floor",
            "the floor: one plain session",
            "download, decompress, throw away",
            "floor.py",
            arguments=(",".join(selected or columns()),),
        ),
        Contender(
            "ours",
            "dlt-dataverse",
            "into DuckDB",
            "ours.py",
            arguments=arguments,
            variables={SWITCH: "off"},
        ),
        Contender(
            "ours_fast",
            "dlt-dataverse[fast]",
            "compiled decoder, into DuckDB",
            "ours.py",
            arguments=arguments,
            module="dataverse_decoder",
        ),
    ]


def this_package(options: Mapping[str, Any]) -> Contender:
    """This package without the compiled decoder, with options of its driver."""
    (ours,) = (each for each in package_and_floor() if each.name == "ours")
    return replace(ours, arguments=(json.dumps(options),))
