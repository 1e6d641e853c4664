"""The tables that a new sandbox has: those of a Dynamics 365 Sales and Service organization.

They are data: one file for each table in the folder ``tables``, see README.md.
"""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path

from dataverse_source.sandbox.schema.schema_files import read_definitions
from dataverse_source.sandbox.schema.tables import Schema

FOLDER = Path(__file__).parent


def table_files() -> list[Path]:
    """The file of each table, in the order in which an environment lists its tables."""
    names = json.loads((FOLDER / "order.json").read_bytes())
    return [FOLDER / "tables" / f"{name}.json" for name in names]


@lru_cache(maxsize=1)
def default_schema() -> Schema:
    """The schema of a sandbox that is given none."""
    return read_definitions([*table_files(), FOLDER / "choices.json"])
