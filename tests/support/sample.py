"""`uv run pytest` in some minutes: every kind of test, and a fixed sample of the long ones.

Of the tests that load tables or start processes it takes every twelfth of a folder, with the first
of its cases; of the random histories the first of each file; of all other tests everything. `uv run
pytest --all` takes all, and so does a run that names files or tests.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

EVERY = 12

LONG_FOLDERS = {"benchmarks", "end_to_end", "model"}
ON_DEMAND = ("peers", "destinations", "orchestration")
"""Markers of tests that only a run of their own takes: it takes all of them."""

LONGEST = {"test_a_destination[DuckLake]"}
"""Tests that take minutes, outside of model/."""

TESTS = Path(__file__).parent.parent


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds ``--all``."""
    parser.addoption(
        "--all", action="store_true", help="all tests and cases, not a sample of the long ones"
    )


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tells a worker of pytest-xdist what was asked for: it is started with the names of files."""
    node.workerinput["sample"] = _asked_for(node.config)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out what is not in the sample; the longest come first, so none is waited for."""
    items.sort(key=lambda item: _folder(item) != "model" and item.name not in LONGEST)
    worker: dict[str, Any] = getattr(config, "workerinput", {})
    if not worker.get("sample", _asked_for(config)):
        return
    taken: list[pytest.Item] = []
    left_out: list[pytest.Item] = []
    seen: dict[str, dict[str, str]] = {}
    for item in items:
        if not _is_long(item):
            taken.append(item)
            continue
        folder = _folder(item)
        first_cases = seen.setdefault(str(item.path) if folder == "model" else folder, {})
        name = item.nodeid.partition("[")[0]
        first_case = first_cases.setdefault(name, item.nodeid)
        sampled = list(first_cases).index(name) % EVERY == 0 and first_case == item.nodeid
        (taken if sampled else left_out).append(item)
    config.hook.pytest_deselected(items=left_out)
    items[:] = taken


def _asked_for(config: pytest.Config) -> bool:
    everything = config.getoption("--all") or config.getoption("keyword")
    return not everything and config.args_source is pytest.Config.ArgsSource.TESTPATHS


def _is_long(item: pytest.Item) -> bool:
    if any(item.get_closest_marker(name) for name in ON_DEMAND):
        return False
    return _folder(item) in LONG_FOLDERS or item.get_closest_marker("slow") is not None


def _folder(item: pytest.Item) -> str:
    """Its folder in tests/; empty for tests that lie elsewhere, as the decoder's do."""
    return item.path.relative_to(TESTS).parts[0] if TESTS in item.path.parents else ""
