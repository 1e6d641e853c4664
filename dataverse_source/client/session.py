"""HTTP sessions: TLS trust and proxies are settled here, and what a failed connection means."""

from __future__ import annotations

import ipaddress
import os
import socket
import ssl
from collections.abc import Iterator
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter

from dataverse_source.client.retry import TransientError, is_transient_error
from dataverse_source.config.setting_names import where_to_set
from dataverse_source.errors import ConfigurationError, ConnectionFailedError, safe_url

__all__ = ["is_loopback", "network_fault", "new_session", "timeouts"]

# How long to wait for a connection; an answer may take longer (a page of a wide table).
CONNECT_TIMEOUT = 30.0
# As many as requests at once may be (max_concurrency): a connection that finds no place is thrown
# away after each answer.
MAX_CONNECTIONS = 208
# Tries for a name that is not found, or a proxy that does not let us pass.
SELDOM_PASSES = 3
# OpenSSL's X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_EMAIL_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH.
_NAME_MISMATCH = (62, 63, 64)
# What older and newer versions of OpenSSL say.
_NO_TLS = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE")


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
    """Stands in for the login of a ``.netrc`` file, which would replace the bearer token."""
    return request


def new_session(
    *, ca_bundle: str | None = None, pool_size: int = MAX_CONNECTIONS
) -> requests.Session:
    """A session for the login service and for Dataverse; may be used by many threads.

    TLS certificates are checked against ``ca_bundle``, else ``REQUESTS_CA_BUNDLE`` or
    ``CURL_CA_BUNDLE``, else the authorities that come with requests. Proxies are taken from
    the environment. Cookies are not kept: Dataverse's affinity cookie would pin all requests to
    one web server, and its limits count per server (docs: "Send parallel requests"). It does
    not retry by itself.

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
    adapter = HTTPAdapter(pool_connections=4, pool_maxsize=pool_size)
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
    """Whether ``host`` is this machine, so that plain HTTP never leaves it."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def network_fault(error: Exception, url: str, *, setting: str) -> TransientError:
    """What a failed connection means, in words, and how often it is worth another try.

    Args:
        error: what requests raised.
        url: what was asked for.
        setting: the setting that ``url`` comes from, to name in the remedy.

    Returns:
        The fault for `retry.run`; its ``error`` is a `ConnectionFailedError`.
    """
    host = urlsplit(url).hostname or url
    what, remedy = _explain(error, host, setting)
    if setting in remedy:
        remedy = f"{remedy} It is set as {where_to_set(setting)}."
    failed = ConnectionFailedError(what, where=safe_url(url), why=_words(error), remedy=remedy)
    return TransientError(failed, attempts=_attempts(error))


def _attempts(error: Exception) -> int | None:
    """Tries in all: one if nothing will change, few if it seldom does, None for the usual."""
    if not is_transient_error(error):
        return 1
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError) or _is_plain_http(cause):
            return 1
        if isinstance(cause, requests.exceptions.ProxyError):
            return SELDOM_PASSES
        if isinstance(cause, socket.gaierror) and cause.errno != socket.EAI_AGAIN:
            return SELDOM_PASSES
    return None


def _is_plain_http(cause: BaseException) -> bool:
    """What OpenSSL says when it meets a server that does not speak TLS."""
    return isinstance(cause, ssl.SSLError) and cause.reason in _NO_TLS


def _explain(error: Exception, host: str, setting: str) -> tuple[str, str]:
    """What happened and what to do, from the causes of ``error``."""
    if isinstance(error, (requests.exceptions.ProxyError, requests.exceptions.InvalidProxyURL)):
        return (
            f"No connection to {host}: the proxy could not be used",
            "Check HTTPS_PROXY, HTTP_PROXY and NO_PROXY in the environment: address, user and "
            "password of the proxy, and whether it lets this host pass.",
        )
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return _untrusted(cause, host, setting)
        if isinstance(cause, socket.gaierror):
            return (
                f"The host name {host} was not found",
                f"Check {setting} for a slip of the pen, and that this machine can look up names.",
            )
        if isinstance(cause, ConnectionRefusedError):
            return (
                f"{host} refused the connection",
                f"Check host and port of {setting}, that the service runs, and firewalls between.",
            )
        if isinstance(cause, TimeoutError):
            return (
                f"{host} did not answer in time",
                "Check the network and firewalls; for slow answers raise request_timeout or "
                "lower page_size.",
            )
        if _is_plain_http(cause):
            return (
                f"{host} does not speak TLS on this port",
                f"Check scheme and port of {setting}.",
            )
    return (
        f"The connection to {host} broke",
        "Check the network, firewalls and proxies between this machine and the service.",
    )


def _untrusted(cause: ssl.SSLCertVerificationError, host: str, setting: str) -> tuple[str, str]:
    if cause.verify_code in _NAME_MISMATCH:
        return (
            f"The certificate of {host} is for another name",
            f"Check {setting}; a proxy or firewall that answers in its place shows like this too.",
        )
    return (
        f"The certificate of {host} is not trusted",
        "If a company proxy or a test server signs its own certificates, set ca_bundle (or "
        "REQUESTS_CA_BUNDLE) to the PEM file of its authority. The setting is "
        f"{where_to_set('ca_bundle')}.",
    )


def _words(error: Exception) -> str:
    """The innermost cause's words: the outer ones repeat the URL with its query."""
    innermost = list(_causes(error))[-1]
    return f"{type(innermost).__name__}: {innermost}"


def _causes(error: BaseException) -> Iterator[BaseException]:
    """``error`` and what it wraps, outermost first."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        inner = [getattr(current, "reason", None), *current.args]
        current = (
            next((cause for cause in inner if isinstance(cause, BaseException)), None)
            or current.__cause__
            or current.__context__
        )
