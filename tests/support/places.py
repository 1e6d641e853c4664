"""Folders that tests read from."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
"""The checkout."""

FIXTURES = ROOT / "tests" / "fixtures"
"""Files that tests read and others have made; each folder has a NOTICE."""

EXCHANGES = FIXTURES / "microsoft-docs" / "exchanges.jsonl"
"""The HTTP exchanges that Microsoft's docs print, one a line."""

SHARED = ROOT.parent / "shared"
"""Recordings of real organizations, which not everybody has; tests that need them are skipped."""
