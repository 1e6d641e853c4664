"""Tells which table a failed load package failed for, and whether the failure may pass."""

from __future__ import annotations

from dlt.common.configuration.exceptions import ConfigurationException
from dlt.common.destination.exceptions import (
    DestinationTerminalException,
    DestinationTransientException,
    WithJobError,
)
from dlt.common.normalizers.naming import NamingConvention
from dlt.destinations.exceptions import DestinationConnectionError
from dlt.extract.exceptions import PipeException
from dlt.pipeline.exceptions import PipelineStepFailed

from dataverse_source.errors import causes, dataverse_error
from dataverse_source.loading.catalog.resource import CATALOG
from dataverse_source.loading.catalog.tables import TABLE_NAMES
from dataverse_source.loading.pipeline_errors import was_interrupted
from dataverse_source.loading.run_context import RunContext

STEPS = frozenset({"extract", "normalize", "load"})

_REFUSALS = frozenset({"DataError", "IntegrityError", "NotSupportedError", "ProgrammingError"})


def is_not_of_a_table(error: BaseException) -> bool:
    """Whether the whole run failed: interrupted, misconfigured, or for a cause that may pass."""
    if was_interrupted(error) or dataverse_error(error) is not None or is_temporary(error):
        return True
    if not isinstance(error, PipelineStepFailed) or error.step not in STEPS:
        return True
    return any(isinstance(one, ConfigurationException) for one in causes(error))


def is_temporary(error: BaseException) -> bool:
    """Whether the package may load when it is tried again, as when a server was unreachable.

    dlt takes what a driver raises while it copies a file for transient, refused values included.
    """
    chain = list(causes(error))
    if any(isinstance(one, DestinationConnectionError) for one in chain):
        return True
    if any(isinstance(one, DestinationTerminalException) or _is_refusal(one) for one in chain):
        return False
    return any(isinstance(one, DestinationTransientException) for one in chain)


def _is_refusal(error: BaseException) -> bool:
    """Whether a driver has refused values or columns, by the names that PEP 249 gives errors."""
    return any(kind.__name__ in _REFUSALS for kind in type(error).__mro__)


def failed_table(error: BaseException, run: RunContext, naming: NamingConvention) -> str | None:
    """The logical name of the table that a package failed for; `CATALOG` for the catalog.

    None if the error does not tell.

    Args:
        error: of dlt.
        run: knows the tables that were read.
        naming: of the source's schema.
    """
    by_name = {naming.normalize_table_identifier(name): one for name, one in run.names.items()}
    by_name |= {naming.normalize_table_identifier(name): CATALOG for name in TABLE_NAMES}
    for one in causes(error):
        if isinstance(one, WithJobError):
            found = (table for name, table in by_name.items() if one.job_id.startswith(f"{name}."))
            return next(found, None)
        if isinstance(one, PipeException) and one.pipe_name == CATALOG:
            return CATALOG
    return run.names.get(run.giving) if run.giving else None
