"""Fixtures: small prerendered pages."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

if sys.platform != "win32":
    from benchmarks import pages

collect_ignore_glob = ["test_*.py"] if sys.platform == "win32" else []
"""The benchmarks read what POSIX systems tell of a process."""


@pytest.fixture(autouse=True)
def temporary_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The benchmarks work in temporary folders: those of tests lie in the test's own."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


@pytest.fixture(scope="session")
def few_distinct_rows() -> Iterator[None]:
    """The content of rows repeats early, so that pages are made quickly."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pages, "DISTINCT_ROWS", 40)
        yield


@pytest.fixture(scope="session")
def made(few_distinct_rows: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pages of 1,000 accounts, all variants."""
    folder = tmp_path_factory.mktemp("pages")
    return pages.make_pages(1000, folder=folder, say=lambda _: None)
