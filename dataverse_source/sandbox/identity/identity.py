"""The sign-in side: Entra's token endpoints, v1.0 and v2.0, and OpenID discovery for one tenant."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote, unquote_plus

from dataverse_source.sandbox.environment.clock import Clock
from dataverse_source.sandbox.http.messages import Request, Response
from dataverse_source.sandbox.identity import sign_in_errors as refuse
from dataverse_source.sandbox.identity.applications import Application
from dataverse_source.sandbox.identity.assertions import check_assertion
from dataverse_source.sandbox.identity.refresh_tokens import RefreshTokens
from dataverse_source.sandbox.identity.sign_in_errors import SignInError
from dataverse_source.sandbox.identity.tokens import DELEGATED, Tokens

TENANT_DOMAIN = "contososandbox.onmicrosoft.com"
OTHER_RESOURCES = ("https://graph.microsoft.com", "https://management.azure.com")
"""Resources that every tenant knows; their tokens do not give access to rows."""

REFRESH = "refresh_token"
"""A grant type, and the field with the token."""
OF_ANY_TENANT = ("common", "organizations")
ABOUT_PERSON = ("openid", "profile", "email", "offline_access")
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

_ROUTES = {
    "oauth2/v2.0/token": "_token",
    "oauth2/token": "_token_v1",
    "v2.0/.well-known/openid-configuration": "_discovery",
    "discovery/v2.0/keys": "_keys",
}
_TENANT = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|[\w-]+(\.[\w-]+)+")


@dataclass(frozen=True)
class _Issued:
    """An access token; ``refresh_token`` if it is a person's."""

    token: str
    audience: str
    refresh_token: str | None = None


class Identity:
    """The tenant: its applications and the tokens that it issues to them.

    Args:
        tenant_id: id of the one tenant.
        clock: decides on end dates and lifetimes.
        token_lifetime: seconds that an access token is good for.

    Attributes:
        applications: app registrations by client id.
        resources: URLs that tokens are issued for, without a trailing slash.
        tokens: issues and checks the access tokens.
        refresh_tokens: of people who have signed in.
    """

    def __init__(self, tenant_id: str, clock: Clock, *, token_lifetime: int = 3599) -> None:
        self.tenant_id = tenant_id
        self.applications: dict[str, Application] = {}
        self.resources: set[str] = set(OTHER_RESOURCES)
        self.tokens = Tokens(tenant_id, clock, lifetime=token_lifetime)
        self.refresh_tokens = RefreshTokens()
        self._clock = clock

    def register(self, name: str, *, client_id: str | None = None) -> Application:
        """Adds an app registration; it has no credential yet, and no application user."""
        application = Application(name, client_id) if client_id else Application(name)
        self.applications[application.client_id] = application
        return application

    def handles(self, path: str) -> bool:
        """Whether a path is one of the sign-in side's."""
        return path.lstrip("/").partition("/")[2] in _ROUTES

    def answer(self, request: Request) -> Response:
        """Answers a request whose path ``handles`` accepts."""
        tenant, _, rest = request.path.lstrip("/").partition("/")
        try:
            answer: Response = getattr(self, _ROUTES[rest])(request, unquote(tenant))
        except SignInError as error:
            correlation_id = request.headers.get("client-request-id")
            answer = error.response(self._clock.now(), request.base_url, correlation_id)
        answer.headers.setdefault("Cache-Control", "no-store, no-cache")
        answer.headers.setdefault("Pragma", "no-cache")
        return answer

    def _discovery(self, request: Request, tenant: str) -> Response:
        if not self._is_tenant(tenant):
            raise refuse.tenant_not_found(tenant, discovery=True)
        base = f"{request.base_url}/{self.tenant_id}"
        document = {
            "token_endpoint": f"{request.base_url}/{tenant}/oauth2/v2.0/token",
            "token_endpoint_auth_methods_supported": [
                "client_secret_post",
                "private_key_jwt",
                "client_secret_basic",
            ],
            "jwks_uri": f"{base}/discovery/v2.0/keys",
            "response_modes_supported": ["query", "fragment", "form_post"],
            "subject_types_supported": ["pairwise"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
            "scopes_supported": list(ABOUT_PERSON),
            "issuer": f"{base}/v2.0",
            "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
            "tenant_region_scope": "EU",
        }
        return Response.of_json(document)

    def _keys(self, _request: Request, tenant: str) -> Response:
        if not self._is_tenant(tenant):
            raise refuse.tenant_not_found(tenant, discovery=True)
        return Response.of_json(self.tokens.public_keys())

    def _token(self, request: Request, tenant: str) -> Response:
        """The v2.0 endpoint: a ``scope`` names the resource."""
        issued = self._issue(request, tenant, "scope")
        lifetime = self.tokens.lifetime
        answer = {
            "token_type": "Bearer",
            "expires_in": lifetime,
            "ext_expires_in": lifetime,
            "access_token": issued.token,
        }
        if issued.refresh_token is not None:
            answer |= {
                "scope": f"{issued.audience}/{DELEGATED} {issued.audience}/.default",
                "refresh_token": issued.refresh_token,
            }
        return Response.of_json(answer)

    def _token_v1(self, request: Request, tenant: str) -> Response:
        """The v1.0 endpoint, as older clients use it: ``resource``, and all values as text."""
        issued = self._issue(request, tenant, "resource")
        now, lifetime = int(self._clock.now().timestamp()), self.tokens.lifetime
        answer = {
            "token_type": "Bearer",
            "expires_in": str(lifetime),
            "ext_expires_in": str(lifetime),
            "expires_on": str(now + lifetime),
            "not_before": str(now),
            "resource": issued.audience,
            "access_token": issued.token,
        }
        if issued.refresh_token is not None:
            answer |= {"scope": DELEGATED, "refresh_token": issued.refresh_token}
        return Response.of_json(answer)

    def _issue(self, request: Request, tenant: str, names_resource: str) -> _Issued:
        """Checks a request for a token; ``names_resource`` is the field with the resource."""
        if request.method != "POST":
            raise refuse.post_only(request.method)
        form = {**_basic_credentials(request), **_form(request)}
        for_person = form.get("grant_type") == REFRESH
        # A person's token says which tenant is meant.
        if not (for_person and tenant in OF_ANY_TENANT):
            self._check_tenant(tenant)
        needed = ("grant_type", "client_id", names_resource)
        for name in (*needed, REFRESH) if for_person else needed:
            if not form.get(name):
                raise refuse.missing_parameter(name)
        if form["grant_type"] not in ("client_credentials", REFRESH):
            raise refuse.unsupported_grant(form["grant_type"])
        application = self.applications.get(form["client_id"].lower())
        if application is None:
            raise refuse.application_not_found(form["client_id"], tenant)
        if names_resource == "scope":
            audience = self._audience(form["scope"], tenant, for_person)
        else:
            audience = self._known(form["resource"], tenant)
        by_key = self._prove(application, form, request, tenant)
        client_id = application.client_id
        if not for_person:
            own = application.object_id
            return _Issued(self.tokens.issue(client_id, own, audience, by_key=by_key), audience)
        person = self.refresh_tokens.person_of(form[REFRESH], client_id)
        token = self.tokens.issue(client_id, person, audience, by_key=by_key, for_person=True)
        return _Issued(token, audience, self.refresh_tokens.issue(client_id, person))

    def _check_tenant(self, tenant: str) -> None:
        if not _TENANT.fullmatch(tenant):
            raise refuse.tenant_malformed(tenant)
        if not self._is_tenant(tenant):
            raise refuse.tenant_not_found(tenant)

    def _is_tenant(self, tenant: str) -> bool:
        return tenant.lower() in (self.tenant_id, TENANT_DOMAIN)

    def _endpoints(self, request: Request, tenant: str) -> frozenset[str]:
        """What a client may name as the audience of its own assertion."""
        paths = ("/oauth2/v2.0/token", "/v2.0", "/oauth2/token")
        names = (tenant, self.tenant_id)
        return frozenset(f"{request.base_url}/{name}{path}" for name in names for path in paths)

    def _audience(self, scope: str, tenant: str, for_person: bool) -> str:
        # Scopes about the person itself stand beside the one that names the resource.
        wanted = [one for one in scope.split() if not (for_person and one in ABOUT_PERSON)]
        permissions = (".default", DELEGATED) if for_person else (".default",)
        if len(wanted) != 1:
            raise refuse.malformed_scope(scope)
        resource, slash, permission = wanted[0].rpartition("/")
        if not slash or permission not in permissions:
            raise refuse.scope_without_default(wanted[0])
        return self._known(resource, tenant)

    def _known(self, resource: str, tenant: str) -> str:
        if resource.rstrip("/") not in self.resources:
            raise refuse.resource_not_found(resource, tenant)
        return resource

    def _prove(
        self, application: Application, form: dict[str, str], request: Request, tenant: str
    ) -> bool:
        """Checks the client's credential; True for a key, False for a secret."""
        if form.get("client_assertion"):
            if form.get("client_assertion_type") != ASSERTION_TYPE:
                raise refuse.malformed_assertion("The client_assertion_type is not supported.")
            check_assertion(application, form["client_assertion"], self._endpoints(request, tenant))
            return True
        if not form.get("client_secret"):
            raise refuse.no_credential()
        if form["client_secret"] not in application.secrets:
            raise refuse.wrong_secret(application.client_id)
        expires = application.secrets[form["client_secret"]]
        if expires is not None and expires <= self._clock.now():
            raise refuse.expired_secret(application.client_id)
        return False


def _form(request: Request) -> dict[str, str]:
    return dict(parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True))


def _basic_credentials(request: Request) -> dict[str, str]:
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return {}
    try:
        name, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return {}
    return {"client_id": unquote_plus(name), "client_secret": unquote_plus(secret)}
