"""The token endpoint of a machine in Azure: managed identity, in the form of IMDS.

Source: docs page "How to use managed identities on an Azure VM to acquire an access token".
"""

from __future__ import annotations

from urllib.parse import parse_qsl

from dataverse_source.sandbox.environment.clock import Clock
from dataverse_source.sandbox.http.messages import Request, Response
from dataverse_source.sandbox.identity.applications import Application
from dataverse_source.sandbox.identity.identity import Identity

PATH = "/metadata/identity/oauth2/token"
"""Real machines ask for it at http://169.254.169.254."""

API_VERSIONS = ("2018-02-01", "2019-08-01", "2021-02-01")


class ManagedIdentity:
    """Issues tokens to the machine itself, without a credential.

    Args:
        identity: the tenant.
        clock: decides on the times in the answer.
        default: client id of the system-assigned identity; any application of the tenant is
            a user-assigned one.
    """

    def __init__(self, identity: Identity, clock: Clock, default: str) -> None:
        self._identity = identity
        self._clock = clock
        self._default = default

    def answer(self, request: Request) -> Response:
        """Answers a request for ``PATH``."""
        query = dict(parse_qsl(request.query))
        if request.headers.get("metadata", "").lower() != "true":
            return _refused("invalid_request", "Required metadata header not specified")
        if request.method != "GET":
            return _refused("invalid_request", "Only GET is supported", 405)
        if query.get("api-version") not in API_VERSIONS:
            text = f"api-version {query.get('api-version')} is not supported"
            return _refused("invalid_request", text)
        resource = query.get("resource", "")
        if resource.rstrip("/") not in self._identity.resources:
            text = (
                f"AADSTS500011: The resource principal named {resource} was not found in the "
                f"tenant named {self._identity.tenant_id}."
            )
            return _refused("invalid_resource", text)
        application = self._application(query)
        if application is None:
            return _refused("invalid_request", "Identity not found")
        return self._token(application, resource)

    def _application(self, query: dict[str, str]) -> Application | None:
        for application in self._identity.applications.values():
            if query.get("client_id", "").lower() == application.client_id:
                return application
            if query.get("object_id", "").lower() == application.object_id:
                return application
        named = {"client_id", "object_id", "msi_res_id", "mi_res_id"} & query.keys()
        return None if named else self._identity.applications.get(self._default)

    def _token(self, application: Application, resource: str) -> Response:
        tokens = self._identity.tokens
        now = int(self._clock.now().timestamp())
        # All values are text here, unlike those of the token endpoint.
        return Response.of_json(
            {
                "access_token": tokens.issue(
                    application.client_id, application.object_id, resource, by_key=True
                ),
                "client_id": application.client_id,
                "expires_in": str(tokens.lifetime),
                "expires_on": str(now + tokens.lifetime),
                "ext_expires_in": str(tokens.lifetime),
                "not_before": str(now),
                "resource": resource,
                "token_type": "Bearer",
            }
        )


def _refused(error: str, description: str, status: int = 400) -> Response:
    return Response.of_json({"error": error, "error_description": description}, status)
