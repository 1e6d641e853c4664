"""A dlt source for Microsoft Dataverse (Dynamics 365).

    import dlt
    from dataverse_source import dataverse

    pipeline = dlt.pipeline("crm", destination="duckdb", dataset_name="dataverse")
    pipeline.run(dataverse(tables=["accounts"]))

`dataverse` is the source, `load` runs a pipeline with it and reports what happened; the rest
is credentials and errors. Names are imported when they are first used: the sandbox and the
command line share this package and must not wait for dlt and pyarrow.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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
    from dataverse_source.loading.preview import top_by_name
    from dataverse_source.loading.run import LoadReport, load
    from dataverse_source.source import dataverse

__all__ = [
    "AccessDeniedError",
    "AuthenticationError",
    "ConfigurationError",
    "ConnectionFailedError",
    "DataError",
    "DataverseCredentials",
    "DataverseError",
    "ExpiredSecretError",
    "LoadReport",
    "NotFoundError",
    "PipelineError",
    "ProtocolError",
    "ResponseError",
    "ServerError",
    "TablesFailedError",
    "ThrottledError",
    "UnauthorizedError",
    "UnknownApplicationError",
    "UnknownNameError",
    "UnknownTenantError",
    "WrongSecretError",
    "dataverse",
    "load",
    "top_by_name",
]

_HOMES = {
    "DataverseCredentials": "credentials",
    "LoadReport": "loading.run",
    "dataverse": "source",
    "load": "loading.run",
    "top_by_name": "loading.preview",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = importlib.import_module(f"{__name__}.{_HOMES.get(name, 'errors')}")
    return getattr(home, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
