"""The name that a project's folder gives its pipeline."""

from __future__ import annotations

import re

DATASET = "dataverse"
"""Default dataset."""

_LONGEST = 40


def as_name(text: str) -> str:
    """A name for a pipeline, a file and a schema; the same for the same text."""
    name = re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")[:_LONGEST].strip("_")
    return name if name[:1].isalpha() else f"dataverse_{name}".rstrip("_")


def pipeline_name(folder: str, environment: str | None = None, dataset: str = DATASET) -> str:
    """A pipeline name made from a folder's.

    Args:
        folder: its name.
        environment: name of one of several environments.
        dataset: that the pipeline loads into: DuckDB cannot tell a database from a schema of the
            same name.
    """
    name = f"{as_name(folder)}_{as_name(environment)}" if environment else as_name(folder)
    return f"{name}_pipeline" if name == dataset else name
