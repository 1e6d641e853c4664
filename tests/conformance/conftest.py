"""Tells at the end of a run how each exchange came out."""

from __future__ import annotations

import pytest

from .summary import tell


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Prints the table of exchanges."""
    tell(terminalreporter)
