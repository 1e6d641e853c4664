"""A local Dataverse: HTTPS, sign-in, metadata, rows, queries and change tracking.

``with Sandbox() as sandbox:`` starts one on loopback; ``python -m dataverse_source.sandbox``
does so from the command line. Its parts need the extra ``sandbox``.
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
