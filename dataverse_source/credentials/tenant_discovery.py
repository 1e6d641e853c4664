"""Finds the tenant of an environment in its response to a request without a token."""

from __future__ import annotations

import re

from dataverse_source.config.setting_names import where_to_set
from dataverse_source.credentials.login_http import LoginHttp
from dataverse_source.errors import ConfigurationError

# Docs "Use OAuth authentication with Microsoft Dataverse": a request without a token is answered
# with 401 and `WWW-Authenticate: Bearer authorization_uri=<login>/<tenant>/oauth2/authorize,
# resource_id=<environment>/`. The values are not quoted, though some clients expect quotes.
_AUTHORIZATION_URI = re.compile(
    r'authorization_uri="?https://([^/ ,"]+)/([^/ ,"]+)', re.IGNORECASE | re.ASCII
)


def ask_environment(
    http: LoginHttp, environment: str, api_version: str = "v9.2"
) -> tuple[str, str]:
    """Login host (without scheme) and tenant that the environment names.

    Args:
        http: sends the request, which contains no token and no secret.
        environment: scheme, host and port.
        api_version: of the Web API.

    Raises:
        ConfigurationError: the response has no such challenge.
        ConnectionFailedError: no response came.
    """
    url = f"{environment}/api/data/{api_version}/"
    answer = http.challenge(url)
    found = _AUTHORIZATION_URI.search(answer.headers.get("WWW-Authenticate") or "")
    if found is None:
        raise ConfigurationError(
            "tenant_id is not set, and the environment does not name its tenant",
            where=url,
            why=f"HTTP status {answer.status_code} without a sign-in challenge",
            remedy=f"Check environment_url, or set {where_to_set('tenant_id')}.",
        )
    return found[1], found[2]
