"""Lets the client dataverse-api work, signed in as its README shows: MSAL behind a session."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from dataverse_api import DataverseClient  # type: ignore[import-not-found,unused-ignore]
from msal import ConfidentialClientApplication  # type: ignore[import-not-found,unused-ignore]
from msal_requests_auth.auth import (  # type: ignore[import-not-found,unused-ignore]
    ClientCredentialAuth,
)
from questions import answer_all  # type: ignore[import-not-found,unused-ignore]
from requests import Response, Session

PARTS = ("properties", "altkeys", "messages", "relationships")


def calls_of(connection: dict[str, str]) -> Mapping[str, Callable[..., Any]]:
    """The calls: those of a table take its name first."""
    url = connection["environment_url"]
    session = Session()
    session.auth = ClientCredentialAuth(
        client=ConfidentialClientApplication(
            client_id=connection["client_id"],
            client_credential=connection["client_secret"],
            authority=f"{connection['authority_host']}/{connection['tenant_id']}",
        ),
        scopes=[f"{url}/.default"],
    )
    client = DataverseClient(session=session, environment_url=url)

    def describe(table: str) -> dict[str, Any]:
        entity = client.entity(table)
        entity.update_schema("all")
        return {
            "set": entity.entity_set_name,
            "key": entity.primary_id_attr,
            "image": entity.primary_img_attr,
            "keys": entity.alternate_keys,
            "multiple": [entity.supports_create_multiple, entity.supports_update_multiple],
            "relationships": entity.relationships.__dict__,
        }

    def of_table(name: str) -> Callable[..., Any]:
        def call(table: str, *given: Any, **options: Any) -> Any:
            entity = client.entity(table)
            entity.update_schema("all")
            made = getattr(entity, name)(*given, **options)
            return [as_json(each) for each in made]

        return call

    return {
        "languages": client.get_language_codes,
        "definition": lambda table: client.get_entity_definition(table).dump_to_dataverse(),
        "relationship": lambda name: client.get_relationship_definition(name).dump_to_dataverse(),
        "describe": describe,
        "create_publisher": lambda content: client.create_publisher(lambda: content).status_code,
        "delete_table": lambda table: client.delete_entity(table).status_code,
        **{name: of_table(name) for name in ("read", "create", "upsert", "delete")},
    }


def as_json(made: Any) -> Any:
    """A row as it is; of an answer, its status and text."""
    return [made.status_code, made.text] if isinstance(made, Response) else made


if __name__ == "__main__":
    answer_all(calls_of)
