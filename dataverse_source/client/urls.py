"""Addresses: the environment's base, request URLs, and links that Dataverse hands out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from dataverse_source.client.session import is_loopback
from dataverse_source.config.setting_names import where_to_set
from dataverse_source.errors import ConfigurationError, ProtocolError, safe_url

__all__ = ["environment_base", "paging_cookie", "pinned", "request_url", "secure_base"]

LONGEST_LINK = 65_536
"""Characters; Dataverse takes URLs of half that length (docs: "Compose HTTP requests")."""

_PORTALS = ("//make.powerapps.com", "//admin.powerplatform.microsoft.com", "//home.dynamics.com")
_DEFAULT_PORTS = {"https": 443, "http": 80}
# Left readable in paths, such as EntityDefinitions(LogicalName='account'), and in query values,
# such as name,accountid. All of them are allowed there by RFC 3986, section 3.
_SAFE_IN_PATH = "/()',=$:@!*"
_SAFE_IN_QUERY = "/()',=$:@!*"
_SAFE_IN_NAME = _SAFE_IN_QUERY.replace("=", "")

# Scheme, host and port as text, so that no two parsers can see different hosts in a link.
_LINK = re.compile(r"(https?://[^/?#]+)(/[^\x00-\x1f\x7f]*)", re.IGNORECASE)
# https:/contoso, https//contoso, https:contoso: what is left of the sign between scheme and host.
_BROKEN_SCHEME = re.compile(r"(https?)(:/?|/+)(?=[^/:])", re.IGNORECASE)
_LONE_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_COOKIE = re.compile(r'pagingcookie="([^"]*)"')
_PAGE_NUMBER = re.compile(r'\bpage="\d+"')


def environment_base(url: str) -> str:
    """Scheme, host and port of the environment, without a slash at the end.

    A path is cut off: people copy ``https://contoso.crm4.dynamics.com/main.aspx`` from the
    browser, or ``.../api/data/v9.2/`` from documentation, and mean the same environment.
    A missing scheme means https.

    Raises:
        ConfigurationError: there is no host, it is that of a portal, or the scheme is not https;
            plain ``http`` is taken for this machine only: the token would be sent unencrypted.
    """
    base = secure_base(
        url, setting="environment_url", example="https://contoso.crm4.dynamics.com", path_ok=True
    )
    if base.endswith(_PORTALS):
        raise ConfigurationError(
            "environment_url is the address of a portal, not of an environment",
            where=base,
            remedy="Copy the environment's own address: Power Platform admin center, Environments, "
            f"your environment, Environment URL. Set {where_to_set('environment_url')}.",
        )
    return base


def secure_base(url: str, *, setting: str, example: str, path_ok: bool) -> str:
    """Checks a base address and brings it to the form ``scheme://host[:port]``.

    Args:
        url: as the user wrote it.
        setting: its name, for messages.
        example: what it may look like, for messages.
        path_ok: whether a path is cut off, or refused.

    Raises:
        ConfigurationError: see `environment_base`.
    """
    text = url.strip()
    remedy = f"Set {where_to_set(setting)}, to an address such as {example}."
    broken = _BROKEN_SCHEME.match(text)
    if broken:
        raise ConfigurationError(
            f"{setting} has no :// between {broken[1]} and the host",
            where=safe_url(f"https://{text[broken.end() :]}"),
            remedy=f"Write https:// before the host. {remedy}",
        )
    if "://" not in text:
        text = f"https://{text}"
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise ConfigurationError(
            f"{setting} is no address", why=str(error), remedy=remedy
        ) from error
    if not re.fullmatch(r"[A-Za-z0-9._:-]+", host):
        raise ConfigurationError(f"{setting} holds no host name", remedy=remedy)
    if parts.username is not None:
        raise ConfigurationError(
            f"{setting} holds a user name or password",
            where=safe_url(text),
            remedy=f"{remedy} Who signs in is set by the credentials.",
        )
    if parts.scheme == "http" and not is_loopback(host):
        raise ConfigurationError(
            f"{setting} starts with http://",
            where=safe_url(text),
            remedy="Use https://: over http:// the token and the rows would be sent unencrypted. "
            f"Set {where_to_set(setting)}.",
        )
    if parts.scheme not in _DEFAULT_PORTS:
        raise ConfigurationError(f"{setting} does not start with https://", remedy=remedy)
    if not path_ok and (parts.path.strip("/") or parts.query):
        raise ConfigurationError(
            f"{setting} holds more than a host", where=safe_url(text), remedy=remedy
        )
    host = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{host}{_port_text(parts.scheme, port)}"


def _port_text(scheme: str, port: int | None) -> str:
    return "" if port is None or port == _DEFAULT_PORTS[scheme] else f":{port}"


def request_url(root: str, path: str, query: Mapping[str, str] | None = None) -> str:
    """An absolute URL with everything percent-encoded that needs it.

    Args:
        root: such as ``https://contoso.crm4.dynamics.com/api/data/v9.2``.
        path: below the root, not encoded: ``accounts``.
        query: names and values, not encoded.
    """
    url = f"{root}/{quote(path.lstrip('/'), safe=_SAFE_IN_PATH)}"
    if not query:
        return url
    pairs = (
        f"{quote(name, safe=_SAFE_IN_NAME)}={quote(value, safe=_SAFE_IN_QUERY)}"
        for name, value in query.items()
    )
    return f"{url}?{'&'.join(pairs)}"


def pinned(link: str, base: str) -> str:
    """``link`` if it leads to the host of ``base``: the bearer token goes nowhere else.

    The text stays as it is, but for two characters that can mean nothing else in a link: a
    percent sign that starts no escape becomes ``%25`` (urllib3 would encode every other percent
    sign once more because of it), and a number sign becomes ``%23`` (what follows would be lost).
    On the wire urllib3 writes the hex digits of escapes as capitals, which RFC 3986 (section
    2.1) calls the same URL, and escapes what a request line can't carry.

    Raises:
        ProtocolError: scheme, host or port differ, or the text is no absolute URL.
    """
    if len(link) > LONGEST_LINK:
        raise ProtocolError(
            "A link is longer than any URL may be",
            where=safe_url(link[:200]),
            why=f"{len(link):,} characters",
            remedy="This is a fault of the server. Try another page_size or select.",
        )
    match = _LINK.fullmatch(link)
    default_port = _DEFAULT_PORTS[urlsplit(base).scheme]
    if match is None or match[1].lower() not in (base, f"{base}:{default_port}"):
        raise ProtocolError(
            "A link leads to another host than environment_url; the token was not sent there",
            where=match[1].rpartition("@")[2] if match else None,
            why=f"environment_url is {base}",
            remedy="Set environment_url to the host that Dataverse uses in its links. If "
            "environment_url was changed: links stored by earlier runs lead to the old one.",
        )
    return match[1] + _LONE_PERCENT.sub("%25", match[2]).replace("#", "%23")


def paging_cookie(link: str) -> str | None:
    """What the paging cookie of a next link points at, None if it has none.

    Docs "Page results using OData": ``$skiptoken`` holds ``<cookie pagenumber="2"
    pagingcookie="..."/>``, whose inner text is percent-encoded once more than the link. The
    page number inside is left out: it grows also when the cookie is stuck.
    """
    for name, value in parse_qsl(urlsplit(link).query):
        if name != "$skiptoken":
            continue
        outer = _COOKIE.search(value)
        inner = _PAGE_NUMBER.sub("", unquote(unquote(outer[1]))) if outer else ""
        if " last" in inner:
            return inner
    return None
