"""Shares the tables among pipelines: each takes the tables of one bucket."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import dlt

from dataverse_source.errors import ConfigurationError

if TYPE_CHECKING:
    from dlt.extract import DltSource

    from dataverse_source.loading.report import LoadReport

MOST_BUCKETS = 1000
EVERY_TABLE = "0/1"
"""The bucket that holds all tables, whatever the setting says."""


def load_bucket(
    number: int,
    buckets: int,
    *,
    pipeline: str | None = None,
    destination: Any = None,
    dataset: str | None = None,
    environment: str | None = None,
    **settings: Any,
) -> LoadReport:
    """Loads the tables of one bucket, with a pipeline of its own; buckets may run at once.

    A table is in the bucket that its logical name leads to, so patterns in ``tables`` work, and a
    new table comes into one of the buckets by itself. Bucket 0 also loads the tables that describe
    all the others. The number of buckets must never change: the state of a table belongs to the
    pipeline of its bucket, so a table that comes into another bucket is read in full again.

    Args:
        number: of the bucket, from 0.
        buckets: how many there are.
        pipeline: what the pipelines' names begin with; see `project_pipeline`.
        destination: see `project_pipeline`.
        dataset: likewise.
        environment: name of one of several environments.
        **settings: of `dataverse`; those not given come from ``[sources.dataverse]``.

    Raises:
        ConfigurationError: there is no such bucket, or settings are missing or cannot be used.
        TablesFailedError: some tables failed; the others are loaded.
        DataverseError: see `load`.
    """
    from dataverse_source.loading.run import load
    from dataverse_source.scale_out.sources import source_of

    bucket = bucket_text(number, buckets)
    where = {"destination": destination, "dataset": dataset, "environment": environment}
    with bucket_pipeline(bucket, pipeline, **where) as made:
        report = load(made, source_of(environment, {**settings, "bucket": bucket}))
    if number == 0:
        with catalog_pipeline(pipeline, **where) as made:
            load(made, catalog_source(environment=environment, **settings))
    return report


def bucket_text(number: int, buckets: int) -> str:
    """The value of the setting ``bucket``.

    Raises:
        ConfigurationError: there is no such bucket.
    """
    for value in (number, buckets):
        if isinstance(value, bool) or not isinstance(value, int):
            raise _no_bucket(f"{number!r}/{buckets!r}")
    if not 0 <= number < buckets <= MOST_BUCKETS:
        raise _no_bucket(f"{number}/{buckets}")
    return f"{number}/{buckets}"


def known_bucket(text: str) -> str:
    """A bucket as the command line or a setting names it, such as ``3/8``.

    Raises:
        ConfigurationError: there is no such bucket.
    """
    number, _, count = text.partition("/")
    if not (number.isdecimal() and count.isdecimal()):
        raise _no_bucket(text)
    return bucket_text(int(number), int(count))


@contextmanager
def bucket_pipeline(
    bucket: str, name: str | None = None, *, environment: str | None = None, **where: Any
) -> Iterator[dlt.Pipeline]:
    """The pipeline of one bucket.

    Args:
        bucket: value of the setting.
        name: what the pipeline's name begins with.
        environment: name of one of several environments.
        **where: destination and dataset, see `project_pipeline`.
    """
    number, _, count = bucket.partition("/")
    with _pipeline(f"bucket_{number}_of_{count}", name, environment, where) as pipeline:
        yield pipeline


@contextmanager
def catalog_pipeline(
    name: str | None = None, *, environment: str | None = None, **where: Any
) -> Iterator[dlt.Pipeline]:
    """The pipeline that loads the tables which describe those of all buckets."""
    with _pipeline("catalog", name, environment, where) as pipeline:
        yield pipeline


def catalog_source(*, environment: str | None = None, **settings: Any) -> DltSource:
    """The source of the tables that describe those of all buckets."""
    from dataverse_source.loading.catalog.resource import CATALOG
    from dataverse_source.scale_out.sources import source_of

    return source_of(environment, {**settings, "bucket": EVERY_TABLE}).with_resources(CATALOG)


@contextmanager
def _pipeline(
    part: str, name: str | None, environment: str | None, where: dict[str, Any]
) -> Iterator[dlt.Pipeline]:
    """A pipeline beside the project's own, which loads to the same place."""
    from dataverse_source.loading.project import current_project
    from dataverse_source.loading.project_pipeline import place_of_pipeline, project_pipeline

    place = place_of_pipeline(name, environment=environment, **where)
    if name is None:  # the folder may be renamed
        current_project().remember(environment, place.name)
    destination = where.get("destination")
    if place.file is not None:  # the file is called after the project's pipeline
        destination = dlt.destinations.duckdb(str(place.file))
    with project_pipeline(
        f"{place.name}_{part}",
        destination=destination,
        dataset=place.dataset,
        environment=environment,
    ) as pipeline:
        yield pipeline


def _no_bucket(text: str) -> ConfigurationError:
    return ConfigurationError(
        f"There is no bucket {text}",
        where="bucket",
        remedy="Buckets are numbered from 0: if there are eight, they are 0/8 to 7/8.",
    )
