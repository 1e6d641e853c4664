"""The Dataverse query functions, ``Microsoft.Dynamics.CRM.*``, in ``$filter``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dataverse_source.sandbox.messages import DataverseFault
from dataverse_source.sandbox.odata import CrmCall
from dataverse_source.sandbox.scope import Scope


def condition(call: CrmCall, _scope: Scope, _place: Callable[..., Any]) -> str:
    """SQL of a query function.

    Raises:
        DataverseFault: it is not supported, or its arguments are wrong.
    """
    raise DataverseFault(501, "0x8006088a", f"The sandbox does not know {call.name} yet.")
