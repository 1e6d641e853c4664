"""Checks that the destination can be opened; makes nothing in it."""

from __future__ import annotations

from dataverse_source.cli.checks.findings import Findings
from dataverse_source.cli.options import Where
from dataverse_source.errors import DataverseError
from dataverse_source.loading.destination_probe import probe

STEP = "destination"
TITLE = "Destination"


def check_destination(found: Findings, where: Where) -> None:
    """Adds the finding on the destination of the project's pipeline."""
    try:
        place, exists = probe(where.pipeline, **where.place)
    except DataverseError as error:
        found.fail(STEP, TITLE, error)
        return
    text = place if exists else f"{place}, which the first run makes"
    found.ok(STEP, TITLE, text, destination=place, exists=exists)
