"""A local Dataverse: HTTPS, sign-in, metadata, rows, queries and change tracking.

``with Sandbox() as sandbox:`` starts one on loopback, ``python -m dataverse_source.sandbox``
does the same from the command line. Both need the extra ``sandbox``.

It has nine rooms:

* ``http``: the server: TLS, HTTP/1.1, batches, compression.
* ``api``: from request to answer: routing, functions, limits, faults, latency.
* ``identity``: Entra ID: app registrations, assertions, tokens.
* ``environment``: the organization, its users and their rights, the clock.
* ``schema``: tables and columns: the default catalogue, ``$metadata`` files, changes.
* ``store``: rows in SQLite: values, version numbers, cascades, audit, made-up rows.
* ``metadata``: answers about tables and columns.
* ``query``: answers about rows: OData, FetchXML, change tracking.
* ``writes``: creates, updates, deletes, files and images.

Beside them: ``sandbox`` puts the rooms together, ``control`` and ``changes`` steer a running
sandbox from other processes, ``switches`` lists what no document settles.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dataverse_source.sandbox.api.faults import Fault
    from dataverse_source.sandbox.api.latency import LatencySettings
    from dataverse_source.sandbox.api.limits import LimitSettings
    from dataverse_source.sandbox.identity.applications import Application, FederatedCredential
    from dataverse_source.sandbox.sandbox import Sandbox
    from dataverse_source.sandbox.switches import Switches, every_setting

__all__ = [
    "Application",
    "Fault",
    "FederatedCredential",
    "LatencySettings",
    "LimitSettings",
    "Sandbox",
    "Switches",
    "every_setting",
]
_EXTRA = ("cryptography", "defusedxml", "jwt", "lark", "trustme")
_ROOMS = {
    "Application": "identity.applications",
    "Fault": "api.faults",
    "FederatedCredential": "identity.applications",
    "LatencySettings": "api.latency",
    "LimitSettings": "api.limits",
    "Sandbox": "sandbox",
    "Switches": "switches",
    "every_setting": "switches",
}


def __getattr__(name: str) -> Any:
    """Loads the public names when they are first used: some need the extra ``sandbox``.

    Raises:
        ImportError: the extra ``sandbox`` is not installed; the text says how to.
    """
    if name not in _ROOMS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    missing = [module for module in _EXTRA if find_spec(module) is None]
    if missing:
        raise ImportError(
            f"The sandbox needs {', '.join(missing)}, which come with the extra 'sandbox': "
            'pip install "dlt-dataverse[sandbox]"'
        )
    return getattr(import_module(f"{__name__}.{_ROOMS[name]}"), name)
