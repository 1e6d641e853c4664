"""What a failed connection means, what to do about it, and whether to try again."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import requests

from dataverse_source.client.deadline import Deadline
from dataverse_source.client.retry import TransientError, is_transient_error
from dataverse_source.config.setting_names import where_to_set
from dataverse_source.errors import ConnectionFailedError, causes, safe_url

__all__ = ["network_fault", "within"]

# Tries for a name that is not found, or a proxy that refuses: another try seldom helps.
SELDOM_PASSES = 3
# OpenSSL's X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_EMAIL_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH.
_NAME_MISMATCH = (62, 63, 64)
# What older and newer versions of OpenSSL say.
_NO_TLS = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE")


def network_fault(error: Exception, url: str, *, setting: str) -> TransientError:
    """The error for a failed connection, and how often to try again.

    Args:
        error: what requests raised.
        url: of the request.
        setting: name of the setting that ``url`` comes from, for the remedy.

    Returns:
        For `retry.run`; its ``error`` is a `ConnectionFailedError`.
    """
    host = urlsplit(url).hostname or url
    what, remedy = _explain(error, host, setting)
    if setting in remedy:
        remedy = f"{remedy} It is set as {where_to_set(setting)}."
    failed = ConnectionFailedError(what, where=safe_url(url), why=_words(error), remedy=remedy)
    failed.timed_out = isinstance(error, requests.exceptions.ReadTimeout)
    return TransientError(failed, attempts=_attempts(error))


@contextmanager
def within(
    seconds: float, url: str, fault: Callable[[requests.RequestException], TransientError]
) -> Iterator[None]:
    """Sends a request in the ``with`` block, which ends with it when its time is up.

    Args:
        seconds: for the answer with its whole body.
        url: of the request.
        fault: makes the error for a failed connection.

    Raises:
        TransientError: the answer was not complete in time.
    """
    deadline = Deadline(seconds)
    try:
        with deadline:
            yield
    except (requests.RequestException, ValueError) as error:
        # ValueError: what Python's ssl says of a connection that the deadline has shut down.
        if deadline.expired:
            raise _too_slow(url, seconds) from error
        if not isinstance(error, requests.RequestException):
            raise
        raise fault(error) from error
    if deadline.expired:  # a body without a length ends where the connection does
        raise _too_slow(url, seconds)


def _too_slow(url: str, seconds: float) -> TransientError:
    """The error for an answer that was not complete when its time was up."""
    failed = ConnectionFailedError(
        "An answer came so slowly that it was given up",
        where=safe_url(url),
        why=f"not complete after {seconds:,.0f} seconds",
        remedy="Check the network and proxies in between; read smaller pages (page_size), or raise "
        "request_timeout.",
    )
    failed.timed_out = True
    return TransientError(failed, attempts=SELDOM_PASSES)


def _attempts(error: Exception) -> int | None:
    """Tries in all; None: as many as the policy grants."""
    if not is_transient_error(error):
        return 1
    for cause in causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError) or _is_plain_http(cause):
            return 1
        if isinstance(cause, requests.exceptions.ProxyError):
            return SELDOM_PASSES
        if isinstance(cause, socket.gaierror) and cause.errno != socket.EAI_AGAIN:
            return SELDOM_PASSES
    return None


def _is_plain_http(cause: BaseException) -> bool:
    """Whether OpenSSL says that the server does not speak TLS."""
    return isinstance(cause, ssl.SSLError) and cause.reason in _NO_TLS


def _explain(error: Exception, host: str, setting: str) -> tuple[str, str]:
    """What happened and what to do, from the causes of ``error``."""
    if isinstance(error, (requests.exceptions.ProxyError, requests.exceptions.InvalidProxyURL)):
        return (
            f"No connection to {host}: the proxy could not be used",
            "Check HTTPS_PROXY, HTTP_PROXY and NO_PROXY in the environment: address, user and "
            "password of the proxy, and whether it lets this host pass.",
        )
    for cause in causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return _untrusted(cause, host, setting)
        if isinstance(cause, socket.gaierror):
            return (
                f"The host name {host} was not found",
                f"Check {setting} for a typing error, and that this machine can look up names.",
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
    """The innermost cause's text: the outer ones repeat the URL with its query."""
    innermost = list(causes(error))[-1]
    return f"{type(innermost).__name__}: {innermost}"
