"""Lets the client dynamics-client work: its options are set one by one, then a call is sent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from dynamics import DynamicsClient  # type: ignore[import-not-found,unused-ignore]
from questions import answer_all  # type: ignore[import-not-found,unused-ignore]

ENDPOINTS = {"v1": "oauth2/token", "v2": "oauth2/v2.0/token"}


def calls_of(connection: dict[str, str]) -> Mapping[str, Callable[..., Any]]:
    """The calls; ``sign_in`` chooses one of Entra's token endpoints for those that follow."""
    url = connection["environment_url"]
    clients = {}
    for version, path in ENDPOINTS.items():
        clients[version] = DynamicsClient(
            api_url=f"{url}/api/data/v9.2/",
            token_url=f"{connection['authority_host']}/{connection['tenant_id']}/{path}",
            client_id=connection["client_id"],
            client_secret=connection["client_secret"],
            cache_token=False,
            **({"resource": f"{url}/"} if version == "v1" else {"scope": f"{url}/.default"}),
        )
    used = {"client": clients["v2"]}

    def sign_in(version: str) -> None:
        used["client"] = clients[version]

    def query(options: dict[str, Any]) -> Any:
        client = used["client"]
        client.reset_query()
        for name, value in options.items():
            setattr(client, name, value)
        return client

    def get(options: dict[str, Any], **given: Any) -> Any:
        found = query(options).get(**given)
        return {"data": found.data, "count": found.count, "next": found.next_link}

    def function(name: str, *given: Any) -> Any:
        return getattr(query({}).functions, name)(*given).data

    return {
        "sign_in": sign_in,
        "get": get,
        "post": lambda options, data: query(options).post(data).data,
        "patch": lambda options, data: query(options).patch(data).data,
        "delete": lambda options: query(options).delete(),
        "function": function,
    }


if __name__ == "__main__":
    answer_all(calls_of)
