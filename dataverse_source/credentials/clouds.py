"""The login service of each cloud and its address: tenants of Entra, AD FS servers."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from dataverse_source.client.urls import secure_base
from dataverse_source.config.problems import misplaced_secret
from dataverse_source.config.setting_names import where_to_set
from dataverse_source.credentials.sign_in import Login
from dataverse_source.errors import ConfigurationError, may_be_secret

PUBLIC = "https://login.microsoftonline.com"
US_GOVERNMENT = "https://login.microsoftonline.us"
CHINA = "https://login.partner.microsoftonline.cn"

# Docs "Dataverse URLs" (datacenter regions) for the environments' domains, and "Microsoft Entra
# authentication & national clouds" for the login hosts. GCC (crm9.dynamics.com) uses the
# public login service.
_LOGIN_BY_DOMAIN = {
    ".dynamics.com": PUBLIC,
    ".microsoftdynamics.us": US_GOVERNMENT,  # GCC High
    ".appsplatform.us": US_GOVERNMENT,  # DoD
    ".dynamics.cn": CHINA,
}
# Other names of the login services, as challenges show them.
_LOGIN_BY_HOST = {
    "login.microsoftonline.com": PUBLIC,
    "login.windows.net": PUBLIC,
    "login.microsoftonline.us": US_GOVERNMENT,
    "login.partner.microsoftonline.cn": CHINA,
    "login.chinacloudapi.cn": CHINA,
}
ADFS = "adfs"
_TENANT = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*")
_MULTI_TENANT = ("common", "organizations", "consumers")


@dataclass(frozen=True)
class Authority:
    """Who gives the tokens.

    Attributes:
        host: scheme, host and port.
        tenant: id or domain name of the tenant; ``adfs`` for an AD FS server.
    """

    host: str
    tenant: str

    @property
    def url(self) -> str:
        """Host and tenant."""
        return f"{self.host}/{self.tenant}"

    @property
    def is_adfs(self) -> bool:
        """Whether it is an AD FS server."""
        return self.tenant == ADFS

    def scope(self, environment: str) -> str:
        """The scope to ask for, to get a token for the environment.

        AD FS (2019 and later) has no ``.default``; it accepts the resource before a scope that
        it knows (docs: "AD FS OpenID Connect/OAuth concepts").
        """
        return f"{environment}/openid" if self.is_adfs else f"{environment}/.default"


def is_tenant(text: str) -> bool:
    """Whether ``text`` may be the id or the domain name of one tenant."""
    return bool(_TENANT.fullmatch(text)) and text.lower() not in _MULTI_TENANT


def login_host(environment: str) -> str | None:
    """The login service of the environment's cloud, None if its domain is not Microsoft's."""
    host = urlsplit(environment).hostname or ""
    for domain, login in _LOGIN_BY_DOMAIN.items():
        if host.endswith(domain):
            return login
    return None


def microsoft_login(host: str) -> str | None:
    """The login service with this host name, None if it is not Microsoft's."""
    return _LOGIN_BY_HOST.get(host.lower())


def configured_authority(login: Login, environment: str) -> tuple[str | None, str]:
    """Login host and tenant as set; if no host is set, the one of the environment's domain.

    Returns:
        The host, None if neither tells it; the tenant, empty if it is not set.

    Raises:
        ConfigurationError: a setting is wrong.
    """
    text, tenant = login.authority_host.rstrip("/"), login.tenant_id
    if text.lower().endswith(f"/{ADFS}"):
        text, tenant = text[: -len(ADFS) - 1], ADFS
    if tenant and not is_tenant(tenant):
        if may_be_secret(tenant):
            raise misplaced_secret("tenant_id")
        raise ConfigurationError(
            "tenant_id is neither the id of a tenant nor its domain name",
            where=tenant,
            remedy="Copy the directory (tenant) id from the app registration's overview page, and "
            f"set {where_to_set('tenant_id')}.",
        )
    tenant = ADFS if tenant.lower() == ADFS else tenant
    if text:
        return _checked(text), tenant
    if tenant == ADFS:
        raise ConfigurationError(
            "The sign-in through AD FS lacks authority_host",
            remedy="Set it to the address of your server, such as https://adfs.contoso.com/adfs: "
            f"{where_to_set('authority_host')}.",
        )
    return login_host(environment), tenant


def _checked(text: str) -> str:
    host = secure_base(text, setting="authority_host", example=PUBLIC, path_ok=False)
    if host.startswith("http://"):
        raise ConfigurationError(
            "authority_host starts with http://",
            where=host,
            remedy="Use https://: a secret is never sent unencrypted, not even to this machine. "
            f"Set {where_to_set('authority_host')}.",
        )
    return host


def find_authority(login: Login, environment: str, ask: Callable[[], tuple[str, str]]) -> Authority:
    """The authority; the environment is asked if no tenant is set.

    A secret is sent to the host that is set or to one of Microsoft's, never to a host that only
    the environment names: a typo in environment_url must not give it away.

    Args:
        login: ``tenant_id`` and ``authority_host``, as far as they are set.
        environment: scheme, host and port.
        ask: asks the environment for login host and tenant.

    Raises:
        ConfigurationError: a setting is wrong, or the environment names no usable login service.
        DataverseError: what ``ask`` raises.
    """
    host, tenant = configured_authority(login, environment)
    if tenant:
        return Authority(host or PUBLIC, tenant)
    named_host, tenant = ask()
    host = host or microsoft_login(named_host)
    if host is not None and is_tenant(tenant) and tenant.lower() != ADFS:
        return Authority(host, tenant)
    if host is None or tenant.lower() == ADFS:
        raise ConfigurationError(
            "The environment uses a login service that is not Microsoft's",
            where=f"{environment} names https://{named_host}/{tenant}",
            remedy="If you trust it, set authority_host to it "
            f"({'https://' + named_host + '/adfs' if tenant.lower() == ADFS else named_host}): "
            f"{where_to_set('authority_host')}.",
        )
    raise ConfigurationError(
        "The environment does not name its tenant",
        where=environment,
        why=f"it names {tenant!r}",
        remedy=f"Set {where_to_set('tenant_id')}.",
    )
