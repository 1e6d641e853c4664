"""Lets Microsoft's client work: a line of JSON in for each call, a line of JSON out.

A call is the name of a method of the client, such as ``records.list``; ``query``, ``fetch``
and ``batch`` are for what a user of the client builds of several calls.
"""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from collections.abc import Callable
from typing import Any

from azure.identity import ClientSecretCredential  # type: ignore[import-not-found,unused-ignore]
from PowerPlatform.Dataverse.client import (  # type: ignore[import-not-found,unused-ignore]
    DataverseClient,
)
from PowerPlatform.Dataverse.models.filters import (  # type: ignore[import-not-found,unused-ignore]
    raw,
)
from PowerPlatform.Dataverse.models.query_builder import (  # type: ignore[import-not-found,unused-ignore]
    ExpandOption,
)
from PowerPlatform.Dataverse.models.record import (  # type: ignore[import-not-found,unused-ignore]
    QueryResult,
    Record,
)


def client_of(connection: dict[str, str]) -> Any:
    """The client, signed in as the sandbox's application."""
    credential = ClientSecretCredential(
        connection["tenant_id"],
        connection["client_id"],
        connection["client_secret"],
        authority=connection["authority_host"],
        disable_instance_discovery=True,
    )
    return DataverseClient(connection["environment_url"], credential)


def query(client: Any, table: str, *, where: str = "", expand: Any = (), **steps: Any) -> Any:
    """A query put together step by step; answers its pages."""
    builder = client.query.builder(table)
    if where:
        builder.where(raw(where))
    for relation, columns in expand:
        builder.expand(ExpandOption(relation).select(*columns))
    for name, given in steps.items():
        getattr(builder, name)(*given)
    return [list(page) for page in builder.execute_pages()]


def fetch(client: Any, xml: str) -> Any:
    """The pages of a FetchXML query."""
    return [list(page) for page in client.query.fetchxml(xml).execute_pages()]


def batch(client: Any, *calls: Any, change_set: Any = (), **options: Any) -> Any:
    """Calls sent together; ``change_set`` holds those that succeed or fail as one."""
    made = client.batch.new()
    for name, given, named in calls:
        method_of(made, name)(*given, **named)
    if change_set:
        with made.changeset() as together:
            for name, given, named in change_set:
                method_of(together, name)(*given, **named)
    return made.execute(**options).responses


def method_of(owner: Any, name: str) -> Callable[..., Any]:
    """The method at the end of a dotted name."""
    for part in name.split("."):
        owner = getattr(owner, part)
    found: Callable[..., Any] = owner
    return found


def as_json(value: Any) -> Any:
    """The client's own classes in JSON."""
    if isinstance(value, Record):
        return value.to_dict()
    if isinstance(value, QueryResult):
        return list(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    return list(value)


def answer(client: Any, question: dict[str, Any]) -> dict[str, Any]:
    """The answer to one question."""
    own: dict[str, Callable[..., Any]] = {"query": query, "fetch": fetch, "batch": batch}
    name, given, options = question["call"], question["arguments"], question["options"]
    try:
        if name in own:
            return {"result": own[name](client, *given, **options)}
        return {"result": method_of(client, name)(*given, **options)}
    except Exception as error:
        status = getattr(error, "status_code", None)
        code = getattr(error, "details", {}).get("service_error_code")
        shown = {"kind": type(error).__name__, "message": str(error), "status": status}
        return {"error": {**shown, "code": code}}


def main() -> None:
    """Answers until there are no more questions."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what packages print is no answer
    with client_of(json.loads(sys.stdin.readline())) as client:
        for line in sys.stdin:
            text = json.dumps(answer(client, json.loads(line)), default=as_json)
            answers.write(text + "\n")
            answers.flush()


if __name__ == "__main__":
    main()
