"""Errors of the token endpoint, worded and shaped as Entra's (AADSTS codes)."""

from __future__ import annotations

import uuid
from datetime import datetime

from dataverse_source.sandbox.http.messages import Response


class SignInError(Exception):
    """A sign-in that is refused.

    Attributes:
        status: HTTP status.
        error: OAuth 2.0 error name.
        code: number of the AADSTS code.
        text: what follows ``AADSTS<code>: ``.
    """

    def __init__(self, status: int, error: str, code: int, text: str) -> None:
        super().__init__(f"AADSTS{code}: {text}")
        self.status = status
        self.error = error
        self.code = code
        self.text = text

    def response(self, now: datetime, base_url: str, correlation_id: str | None) -> Response:
        """The answer, with ids and time in the text and beside it."""
        trace_id = str(uuid.uuid4())
        correlation_id = correlation_id or str(uuid.uuid4())
        timestamp = f"{now:%Y-%m-%d %H:%M:%S}Z"
        body = {
            "error": self.error,
            "error_description": (
                f"AADSTS{self.code}: {self.text} Trace ID: {trace_id} "
                f"Correlation ID: {correlation_id} Timestamp: {timestamp}"
            ),
            "error_codes": [self.code],
            "timestamp": timestamp,
            "trace_id": trace_id,
            "correlation_id": correlation_id,
            "error_uri": f"{base_url}/error?code={self.code}",
        }
        return Response.of_json(body, self.status)


def missing_parameter(name: str) -> SignInError:
    """A form field that the request lacks."""
    return SignInError(
        400,
        "invalid_request",
        900144,
        f"The request body must contain the following parameter: '{name}'.",
    )


def unsupported_grant(grant: str) -> SignInError:
    """A grant type other than client_credentials and refresh_token."""
    return SignInError(
        400,
        "unsupported_grant_type",
        70003,
        f"The app requested an unsupported grant type '{grant}'.",
    )


def malformed_refresh_token() -> SignInError:
    """A refresh token that Entra did not give out."""
    text = "Invalid request. Request is malformed or invalid."
    return SignInError(400, "invalid_grant", 9002313, text)


def refresh_token_of_another() -> SignInError:
    """A refresh token that was given to another application."""
    return SignInError(
        400,
        "invalid_grant",
        70000,
        "The provided value for the input parameter 'refresh_token' or 'assertion' is not valid.",
    )


def tenant_not_found(tenant: str, *, discovery: bool = False) -> SignInError:
    """No such tenant; discovery calls it ``invalid_tenant``, the token endpoint does not."""
    return SignInError(
        400,
        "invalid_tenant" if discovery else "invalid_request",
        90002,
        f"Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID and are "
        "signing into the correct cloud. Check with your subscription administrator, this may "
        "happen if there are no active subscriptions for the tenant.",
    )


def tenant_malformed(tenant: str, *, discovery: bool = False) -> SignInError:
    """A tenant that is neither a GUID nor a domain name."""
    return SignInError(
        400,
        "invalid_tenant" if discovery else "invalid_request",
        900023,
        f"Specified tenant identifier '{tenant}' is neither a valid DNS name, nor a valid "
        "external domain.",
    )


def application_not_found(client_id: str, tenant: str) -> SignInError:
    """An application id that the tenant does not know."""
    return SignInError(
        400,
        "unauthorized_client",
        700016,
        f"Application with identifier '{client_id}' was not found in the directory '{tenant}'. "
        "This can happen if the application has not been installed by the administrator of the "
        "tenant or consented to by any user in the tenant. You may have sent your authentication "
        "request to the wrong tenant.",
    )


def wrong_secret(client_id: str) -> SignInError:
    """A client secret that is not the application's."""
    return SignInError(
        401,
        "invalid_client",
        7000215,
        "Invalid client secret provided. Ensure the secret being sent in the request is the "
        f"client secret value, not the client secret ID, for a secret added to app '{client_id}'.",
    )


def expired_secret(client_id: str) -> SignInError:
    """A client secret past its end date."""
    return SignInError(
        401,
        "invalid_client",
        7000222,
        f"The provided client secret keys for app '{client_id}' are expired. Visit the Azure "
        "portal to create new keys for your app: https://aka.ms/NewClientSecret, or consider "
        "using certificate credentials for added security: https://aka.ms/certCreds.",
    )


def no_credential() -> SignInError:
    """Neither a secret nor an assertion."""
    return SignInError(
        401,
        "invalid_client",
        7000216,
        "'client_assertion', 'client_secret' or 'request' is required for the "
        "'client_credentials' grant type.",
    )


def malformed_scope(scope: str) -> SignInError:
    """A scope that is not ``<resource>/.default`` at all."""
    return SignInError(
        400,
        "invalid_scope",
        70011,
        "The provided request must include a 'scope' input parameter. The provided value for "
        f"the input parameter 'scope' is not valid. The scope {scope} is not valid.",
    )


def scope_without_default(scope: str) -> SignInError:
    """A scope that names a permission, which the client credentials flow can't ask for."""
    return SignInError(
        400,
        "invalid_scope",
        1002012,
        f"The provided value for scope {scope} is not valid. Client credential flows must have a "
        "scope value with /.default suffixed to the resource identifier (application ID URI).",
    )


def resource_not_found(resource: str, tenant: str) -> SignInError:
    """A resource that the tenant has no service principal for."""
    return SignInError(
        400,
        "invalid_resource",
        500011,
        f"The resource principal named {resource} was not found in the tenant named {tenant}. "
        "This can happen if the application has not been installed by the administrator of the "
        "tenant or consented to by any user in the tenant. You might have sent your "
        "authentication request to the wrong tenant.",
    )


def post_only(method: str) -> SignInError:
    """The token endpoint asked with another method than POST."""
    return SignInError(
        400,
        "invalid_request",
        900561,
        f"The endpoint only accepts POST requests. Received a {method} request.",
    )


def malformed_assertion(reason: str) -> SignInError:
    """An assertion, or its type, that is not what the flow takes."""
    text = f"JWT token is invalid or malformed. {reason}"
    return SignInError(400, "invalid_request", 50027, text)
