"""What a test asks of a run: the requests it sent, the rows it read, the state it left."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

import dlt

from dataverse_source.loading.report import LoadReport
from dataverse_source.sandbox import Sandbox


def queries(sandbox: Sandbox, set_name: str = "accounts") -> list[str]:
    """The queries that were sent to an entity set, decoded."""
    found = [one for one in sandbox.requests if one.path.endswith(f"/{set_name}")]
    return [unquote(one.query) for one in found]


def read(report: LoadReport, name: str = "accounts") -> int:
    """Rows of a table that a run has given to the destination, those for deletes included."""
    return next(table.rows_read for table in report.tables if table.name == name)


def keys(sandbox: Sandbox, logical_name: str = "account") -> list[str]:
    """The keys of the sandbox's rows."""
    primary = sandbox.store.schema.by_logical_name[logical_name].primary_id
    return [row[primary] for row in sandbox.store.rows(logical_name)]


def state(pipeline: dlt.Pipeline, table: str = "account") -> dict[str, Any]:
    """What the pipeline remembers of a table."""
    resources: dict[str, Any] = dict(pipeline.state["sources"])["dataverse"]["resources"]
    return next(one["tables"][table] for one in resources.values() if table in one["tables"])
