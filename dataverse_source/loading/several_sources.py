"""Loads whatever ``pipeline.run`` takes: a source, a resource, or several of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import dlt
from dlt.common.schema import Schema
from dlt.extract import DltResource, DltSource

from dataverse_source.client.counters import Counters
from dataverse_source.errors import ConfigurationError, DataverseError
from dataverse_source.loading.report import LoadReport


def sources_of(pipeline: dlt.Pipeline, data: Any) -> list[DltSource]:
    """The sources that are to be loaded; resources become one source for each of their schemas.

    Args:
        pipeline: names the schema of resources that come from no source.
        data: a source, a resource, or several of either.

    Raises:
        ConfigurationError: it is something else.
    """
    given = list(data) if isinstance(data, (list, tuple)) else [data]
    strange = [one for one in given if not isinstance(one, (DltSource, DltResource))]
    if strange or not given:
        kind = type(strange[0]).__name__ if strange else "an empty list"
        raise ConfigurationError(
            f"load takes a source, a resource or a list of them, not {kind}",
            remedy="Pass what dataverse(...) or dataverse_table(...) returns, or use pipeline.run.",
        )
    resources: dict[tuple[str, str], list[DltResource]] = {}
    for one in given:
        if isinstance(one, DltResource):
            name = one.source_name or pipeline.default_schema_name or pipeline.pipeline_name
            resources.setdefault((name, one.section), []).append(one)
    made = [DltSource(Schema(name), section, own) for (name, section), own in resources.items()]
    return [*(one for one in given if isinstance(one, DltSource)), *made]


def load_each(loads: Sequence[Callable[[], LoadReport]]) -> LoadReport:
    """Loads one source after the other; the report is of all.

    Raises:
        DataverseError: of the first source that failed; the others are loaded all the same.
    """
    reports: list[LoadReport] = []
    failure: DataverseError | None = None
    for load in loads:
        try:
            reports.append(load())
        except DataverseError as error:
            if len(loads) == 1:
                raise
            failure = failure or error
            reports += [error.report] if isinstance(error.report, LoadReport) else []
    if failure is not None:
        failure.report = _joined(reports) if reports else None
        raise failure
    return _joined(reports)


def _joined(reports: Sequence[LoadReport]) -> LoadReport:
    first = reports[0]
    if len(reports) == 1:
        return first
    return LoadReport(
        tuple(table for one in reports for table in one.tables),
        sum(one.seconds for one in reports),
        first.destination,
        first.dataset,
        Counters.total([one.counters for one in reports]),
        dict(_left_out(reports)),
        all(one.is_loaded for one in reports),
    )


def _left_out(reports: Sequence[LoadReport]) -> Iterator[tuple[str, str]]:
    for one in reports:
        yield from one.left_out.items()
