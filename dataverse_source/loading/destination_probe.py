"""Opens the destination of the project's pipeline without a run, and leaves nothing behind."""

from __future__ import annotations

import os
import tempfile
from typing import Any

import dlt
from dlt.common.destination.exceptions import SqlClientNotAvailable

from dataverse_source.errors import ConfigurationError, dataverse_error
from dataverse_source.loading.pipeline_errors import pipeline_error
from dataverse_source.loading.project_pipeline import place_of_pipeline
from dataverse_source.loading.report import destination_name


def probe(
    name: str | None = None,
    *,
    destination: Any = None,
    dataset: str | None = None,
    environment: str | None = None,
) -> tuple[str, bool]:
    """Where rows go, and whether it is there already; see `project_pipeline` for the arguments.

    Raises:
        DataverseError: the destination cannot be opened.
    """
    place = place_of_pipeline(
        name, destination=destination, dataset=dataset, environment=environment
    )
    if place.file is not None and not place.file.is_file():
        folder = place.file.parent
        if not os.access(folder, os.W_OK):
            raise ConfigurationError(
                f"The folder of the DuckDB file {place.file} cannot be written",
                where=str(folder),
                remedy="Give this user the right to write there, or set "
                "DESTINATION__DUCKDB__CREDENTIALS to a file elsewhere.",
            )
        return str(place.file), False
    with tempfile.TemporaryDirectory(prefix="dataverse-") as folder_name:
        pipeline = dlt.pipeline(
            place.name,
            pipelines_dir=folder_name,
            destination=place.destination,
            dataset_name=place.dataset,
        )
        try:
            try:
                with pipeline.sql_client() as client:
                    client.execute_sql("SELECT 1")
            except SqlClientNotAvailable:
                with pipeline.destination_client() as client:
                    client.is_storage_initialized()
            return destination_name(pipeline), True
        except Exception as error:  # each destination's driver has errors of its own
            raise dataverse_error(error) or pipeline_error(pipeline, error) from error
        finally:
            pipeline.deactivate()
