"""Fixtures: small prerendered pages."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

if sys.platform != "win32":
    from benchmarks import pages

collect_ignore_glob = ["test_*.py"] if sys.platform == "win32" else []
"""The benchmarks read what POSIX systems tell of a process."""


@pytest.fixture
def few_distinct_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """The content of rows repeats early, so that pages are made quickly."""
    monkeypatch.setattr(pages, "DISTINCT_ROWS", 40)


@pytest.fixture
def made(few_distinct_rows: None, tmp_path: Path) -> Path:
    """Pages of 1,000 accounts, all variants."""
    return pages.make_pages(1000, folder=tmp_path / "pages", say=lambda _: None)
