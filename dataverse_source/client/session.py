"""HTTP sessions: which certificates are trusted, which proxies are used, what is kept."""

from __future__ import annotations

import ipaddress
import os
import ssl
from http.cookiejar import DefaultCookiePolicy
from importlib import metadata
from pathlib import Path
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection

from dataverse_source.client.deadline import watch
from dataverse_source.config.setting_names import where_to_set
from dataverse_source.errors import ConfigurationError

__all__ = ["HEADERS", "is_loopback", "new_session", "timeouts"]

# How long to wait for a connection; an answer may take longer (a page of a wide table).
CONNECT_TIMEOUT = 30.0
# The highest max_concurrency: a connection beyond the pool is closed after each answer.
MAX_CONNECTIONS = 208


class _WatchedHTTP(HTTPConnection):
    def getresponse(self) -> Any:
        watch(self.sock)
        return super().getresponse()


class _WatchedHTTPS(HTTPSConnection):
    def getresponse(self) -> Any:
        watch(self.sock)
        return super().getresponse()


class _HTTPPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _WatchedHTTP


class _HTTPSPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _WatchedHTTPS


_POOLS = {"http": _HTTPPool, "https": _HTTPSPool}


class _Adapter(HTTPAdapter):
    """An adapter whose connections are known to the deadlines of requests."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = _POOLS
        return manager


class _Session(requests.Session):
    """A session whose ``ca_bundle``, if any, wins over ``REQUESTS_CA_BUNDLE``.

    requests itself prefers the environment variable over `Session.verify`.
    """

    def __init__(self, ca_bundle: str | None) -> None:
        super().__init__()
        self.ca_bundle = ca_bundle

    def merge_environment_settings(
        self, url: Any, proxies: Any, stream: Any, verify: Any, cert: Any
    ) -> Any:
        settings = super().merge_environment_settings(url, proxies, stream, verify, cert)
        if self.ca_bundle is not None:
            settings["verify"] = self.ca_bundle
        return settings


def _keep_headers(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Keeps requests from replacing the bearer token with the login of a ``.netrc`` file."""
    return request


def new_session(
    *, ca_bundle: str | None = None, pool_size: int = MAX_CONNECTIONS
) -> requests.Session:
    """A session for the login service and for Dataverse; may be used by many threads.

    TLS certificates are checked against ``ca_bundle``, else ``REQUESTS_CA_BUNDLE`` or
    ``CURL_CA_BUNDLE``, else the authorities that come with requests. Proxies are taken from
    the environment. Cookies are not kept: Dataverse's affinity cookie would send all requests to
    one web server, and its limits count per server (docs: "Send parallel requests"). The session
    does not retry.

    Args:
        ca_bundle: file (PEM) or folder of certificates to trust.
        pool_size: connections kept open to a host.

    Raises:
        ConfigurationError: the certificates do not exist or can't be read.
    """
    _check_trust(ca_bundle)
    session = _Session(ca_bundle)
    session.auth = _keep_headers
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.headers["Accept-Encoding"] = "gzip"
    adapter = _Adapter(pool_connections=4, pool_maxsize=pool_size)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session


def _check_trust(ca_bundle: str | None) -> None:
    if ca_bundle is not None:
        _check_bundle("ca_bundle", ca_bundle)
        return
    for variable in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        if os.environ.get(variable):
            _check_bundle(f"The environment variable {variable}", os.environ[variable])
            return


def _check_bundle(name: str, ca_bundle: str) -> None:
    path = Path(ca_bundle)
    try:
        if not path.exists():
            raise FileNotFoundError("no such file or folder")
        if not path.is_dir():
            ssl.create_default_context(cafile=ca_bundle)
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"{name} names no certificates that can be read",
            where=ca_bundle,
            why=str(error),
            remedy="Give a PEM file with the certificates to trust, or leave it out. The setting "
            f"is {where_to_set('ca_bundle')}.",
        ) from error


def timeouts(request_timeout: float) -> tuple[float, float]:
    """Seconds to connect, and seconds without a byte of the answer, as requests wants them."""
    return min(CONNECT_TIMEOUT, request_timeout), request_timeout


def is_loopback(host: str) -> bool:
    """Whether ``host`` is this machine: plain HTTP to it does not leave the machine."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _version() -> str:
    try:
        return metadata.version("dlt-dataverse")
    except metadata.PackageNotFoundError:
        return "0"


# Docs "Compose HTTP requests and handle errors", section HTTP headers.
HEADERS = {
    "Accept": "application/json",
    "OData-MaxVersion": "4.0",
    "OData-Version": "4.0",
    "If-None-Match": "null",
    "User-Agent": f"dlt-dataverse/{_version()}",
}
