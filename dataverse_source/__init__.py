"""A dlt source for Microsoft Dataverse (Dynamics 365).

    import dlt
    from dataverse_source import dataverse

    pipeline = dlt.pipeline("crm", destination="duckdb", dataset_name="dataverse")
    pipeline.run(dataverse(tables=["accounts"]))

`dataverse` is the source, and `load` runs a pipeline with it and returns a report; the rest is
credentials, errors and helpers for scripts. Names are imported on first use, so that the sandbox
and ``--help`` do not wait for dlt and pyarrow.
"""

from __future__ import annotations

import importlib
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dataverse_source.cli.progress import show_progress
    from dataverse_source.credentials import DataverseCredentials
    from dataverse_source.errors import (
        AccessDeniedError,
        AuthenticationError,
        ConfigurationError,
        ConnectionFailedError,
        DataError,
        DataverseError,
        ExpiredSecretError,
        NotFoundError,
        OtherEnvironmentError,
        PipelineError,
        ProtocolError,
        ResponseError,
        ServerError,
        TablesFailedError,
        ThrottledError,
        UnauthorizedError,
        UnknownApplicationError,
        UnknownNameError,
        UnknownTenantError,
        WrongSecretError,
    )
    from dataverse_source.loading.malloc import return_freed_memory
    from dataverse_source.loading.memory import limit_duckdb_memory
    from dataverse_source.loading.preview import top_by_name
    from dataverse_source.loading.project_pipeline import attached_pipeline, project_pipeline
    from dataverse_source.loading.report import LoadReport
    from dataverse_source.loading.run import load
    from dataverse_source.metadata.model import Column, Table
    from dataverse_source.scale_out.buckets import load_bucket
    from dataverse_source.scale_out.parts import finish_load, plan_load, read_part
    from dataverse_source.source import dataverse, dataverse_table

__all__ = [
    "AccessDeniedError",
    "AuthenticationError",
    "Column",
    "ConfigurationError",
    "ConnectionFailedError",
    "DataError",
    "DataverseCredentials",
    "DataverseError",
    "ExpiredSecretError",
    "LoadReport",
    "NotFoundError",
    "OtherEnvironmentError",
    "PipelineError",
    "ProtocolError",
    "ResponseError",
    "ServerError",
    "Table",
    "TablesFailedError",
    "ThrottledError",
    "UnauthorizedError",
    "UnknownApplicationError",
    "UnknownNameError",
    "UnknownTenantError",
    "WrongSecretError",
    "attached_pipeline",
    "dataverse",
    "dataverse_table",
    "finish_load",
    "limit_duckdb_memory",
    "load",
    "load_bucket",
    "plan_load",
    "project_pipeline",
    "read_part",
    "return_freed_memory",
    "show_progress",
    "top_by_name",
]

_MODULES = {
    "DataverseCredentials": "credentials",
    "LoadReport": "loading.report",
    "attached_pipeline": "loading.project_pipeline",
    "Column": "metadata.model",
    "Table": "metadata.model",
    "dataverse": "source",
    "dataverse_table": "source",
    "finish_load": "scale_out.parts",
    "limit_duckdb_memory": "loading.memory",
    "load": "loading.run",
    "load_bucket": "scale_out.buckets",
    "plan_load": "scale_out.parts",
    "read_part": "scale_out.parts",
    "project_pipeline": "loading.project_pipeline",
    "return_freed_memory": "loading.malloc",
    "show_progress": "cli.progress",
    "top_by_name": "loading.preview",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return version("dlt-dataverse")
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f"{__name__}.{_MODULES.get(name, 'errors')}")
    return getattr(module, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
