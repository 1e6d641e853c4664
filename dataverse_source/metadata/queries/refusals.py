"""What to do about refusals that only queries meet."""

from __future__ import annotations

from dataverse_source.errors import DataverseError, ResponseError
from dataverse_source.metadata.queries.query import Query

AGGREGATE_LIMIT = "0x8004e023"
"""AggregateQueryRecordLimit: an aggregate of more than 50,000 rows (docs: error codes)."""

LIVE_ONLY = "only live data"
"""In the answer of environments that refuse archived rows, as users have seen it."""


def explained(error: DataverseError, query: Query) -> DataverseError:
    """The error, with what to do about a limit of aggregates, or of archived rows.

    Args:
        error: that a request of the query met.
        query: what was read.
    """
    if not isinstance(error, ResponseError):
        return error
    if (error.code or "").lower() == AGGREGATE_LIMIT:
        error.remedy = (
            "Dataverse aggregates at most 50,000 rows. Load the table itself (tables) and "
            "group in the destination, where there is no such limit. Or restrict the query by "
            "a filter: sums and counts of parts can be added up, averages cannot."
        )
    elif query.is_of_archived_rows and LIVE_ONLY in str(error).lower():
        error.what = f"Dataverse refuses to read the archived rows of {query.main.entity_set_name}"
        error.remedy = (
            "This environment does not give archived rows to the Web API yet. Remove "
            f"{query.name} (from retained, or from queries) until it does; no other table is "
            "affected."
        )
    elif query.is_of_archived_rows and error.status == 400:
        error.remedy = error.remedy or "Ask whether long-term retention is set up for the table."
    return error
