"""Lets fxpyD365api work: its blocking client, or its asynchronous one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from fxpyD365api import get_wrapper  # type: ignore[import-not-found,unused-ignore]
from questions import answer_all  # type: ignore[import-not-found,unused-ignore]

PAGE = 50


def calls_of(connection: dict[str, str]) -> Mapping[str, Callable[..., Any]]:
    """The calls take the table's entity set name first."""
    credentials = {
        "tenant": connection["tenant_id"],
        "client_id": connection["client_id"],
        "client_secret": connection["client_secret"],
        "page_size": PAGE,
    }
    # One client a table, as its users do: each signs in once.
    kept: dict[str, Any] = {}

    def wrapper(table: str) -> Any:
        if table not in kept:
            kept[table] = get_wrapper(table, org_url=connection["environment_url"], **credentials)
        return kept[table]

    def call(table: str, method: str, *given: Any, **options: Any) -> Any:
        return getattr(wrapper(table), method)(*given, **options)

    def call_asynchronously(table: str, url: str, calls: list[Any]) -> Any:
        async def made() -> list[Any]:
            async with get_wrapper(table, async_mode=True, org_url=url, **credentials) as client:
                return [await getattr(client, name)(**options) for name, options in calls]

        return asyncio.run(made())

    return {"call": call, "call_asynchronously": call_asynchronously}


if __name__ == "__main__":
    answer_all(calls_of)
