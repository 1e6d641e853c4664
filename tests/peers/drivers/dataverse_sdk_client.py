"""Lets crmadminbrasil-dataverse-sdk work.

When it is imported, the client empties the variable that tells requests whom to trust; requests
then trusts the public authorities. The driver sets the variable again.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from typing import Any

from dataverse_sdk import DataverseSDK  # type: ignore[import-not-found,unused-ignore]
from questions import answer_all  # type: ignore[import-not-found,unused-ignore]


def calls_of(connection: dict[str, str]) -> Mapping[str, Callable[..., Any]]:
    """One call: the name of a method of the client, and what it takes."""
    os.environ["REQUESTS_CA_BUNDLE"] = connection["ca_bundle"]

    async def made(method: str, given: Any, options: Any) -> Any:
        client = DataverseSDK(
            dataverse_url=connection["environment_url"],
            client_id=connection["client_id"],
            client_secret=connection["client_secret"],
            tenant_id=connection["tenant_id"],
            ssl_ca_bundle=connection["ca_bundle"],
        )
        async with client:
            result = await getattr(client, method)(*given, **options)
        return result.model_dump() if hasattr(result, "model_dump") else result

    def call(method: str, *given: Any, **options: Any) -> Any:
        return asyncio.run(made(method, given, options))

    return {"call": call}


if __name__ == "__main__":
    answer_all(calls_of)
