"""Addresses: normalising, encoding, pinning."""

from __future__ import annotations

import json
import re
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataverse_source.client.urls import environment_base, paging_cookie, pinned, request_url
from dataverse_source.errors import ConfigurationError, ProtocolError
from tests.support.places import EXCHANGES

BASE = "https://contoso.crm4.dynamics.com"
ROOT = f"{BASE}/api/data/v9.2"


@pytest.mark.parametrize(
    ("written", "base"),
    [
        (BASE, BASE),
        (f" {BASE}/ ", BASE),
        ("contoso.crm4.dynamics.com", BASE),
        ("contoso.crm4.dynamics.com/", BASE),
        ("HTTPS://Contoso.CRM4.dynamics.com", BASE),
        (f"{BASE}:443/", BASE),
        (f"{BASE}/main.aspx?appid=1&forceUCI=1#x", BASE),
        (f"{BASE}/api/data/v9.2/", BASE),
        ("https://contoso.api.crm4.dynamics.com", "https://contoso.api.crm4.dynamics.com"),
        ("https://localhost:8443", "https://localhost:8443"),
        ("localhost:8443", "https://localhost:8443"),
        ("http://localhost:8080/", "http://localhost:8080"),
        ("http://127.0.0.1:80", "http://127.0.0.1"),
        ("http://127.9.8.7:81", "http://127.9.8.7:81"),
        ("http://[::1]:81/", "http://[::1]:81"),
    ],
)
def test_environment_base(written: str, base: str) -> None:
    assert environment_base(written) == base


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("", "no host name"),
        ("https://", "no host name"),
        ("https:///accounts", "no host name"),
        ("https://con toso", "no host name"),
        ("http://contoso.crm4.dynamics.com", "starts with http://"),
        ("https:/contoso.crm4.dynamics.com", "no :// between https"),
        ("https//contoso.crm4.dynamics.com", "https://contoso.crm4.dynamics.com"),
        ("http:contoso.crm4.dynamics.com", "Write https://"),
        ("http://127.0.0.1.example.com", "starts with http://"),
        ("http://127.evil.example", "starts with http://"),
        ("http://localhost.example.com", "starts with http://"),
        ("ftp://contoso.crm4.dynamics.com", "does not start with https://"),
        ("https://user:pw@contoso.crm4.dynamics.com", "user name or password"),
        ("https://contoso.crm4.dynamics.com:port", "is no address"),
        ("https://contoso.crm4.dynamics.com:99999", "is no address"),
        ("https://[::1", "is no address"),
        ("https://make.powerapps.com/environments/x/home", "the address of a portal"),
    ],
)
def test_environment_base_refuses(written: str, says: str) -> None:
    with pytest.raises(ConfigurationError, match="environment_url") as caught:
        environment_base(written)
    assert says in str(caught.value)
    assert "pw" not in str(caught.value)


def test_request_url_keeps_odata_readable() -> None:
    query = {"$select": "name,accountid", "$filter": "name eq 'A&B #1 100%+'"}
    assert request_url(ROOT, "accounts", query) == (
        f"{ROOT}/accounts?$select=name,accountid&$filter=name%20eq%20'A%26B%20%231%20100%25%2B'"
    )
    path = "EntityDefinitions(LogicalName='account')/Attributes"
    assert request_url(ROOT, path) == f"{ROOT}/{path}"
    assert request_url(ROOT, "/accounts", {}) == f"{ROOT}/accounts"


words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


@given(path=words, query=st.dictionaries(words, words))
def test_what_goes_into_a_url_comes_out_again(path: str, query: dict[str, str]) -> None:
    url = request_url(ROOT, path, query)
    parts = urlsplit(url)
    assert url.isascii()
    assert parts.netloc == "contoso.crm4.dynamics.com"
    assert unquote(parts.path) == "/api/data/v9.2/" + path.lstrip("/")
    assert dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(query))) == query
    assert pinned(url, BASE) == url


@pytest.mark.parametrize(
    "link",
    [
        f"{BASE}/api/data/v9.2/accounts?$skiptoken=%3Ccookie%20pagingcookie=%22%253ccookie%22/%3E",
        f"{BASE}:443/api/data/v9.2/accounts",
        "https://CONTOSO.crm4.dynamics.com/x",
        f"{BASE}/a/../b?x=%2f&y=a+b",
    ],
)
def test_links_to_the_environment_stay_as_they_are(link: str) -> None:
    assert pinned(link, BASE) == link


@pytest.mark.parametrize(
    "link",
    [
        "https://evil.example/api/data/v9.2/accounts",
        "http://contoso.crm4.dynamics.com/api/data/v9.2/accounts",
        "https://contoso.crm4.dynamics.com:444/x",
        "https://contoso.crm4.dynamics.com.evil.example/x",
        "https://contoso.crm4.dynamics.com@evil.example/x",
        "https://evil.example\\@contoso.crm4.dynamics.com/x",
        "https://user:pw@contoso.crm4.dynamics.com/x",
        "https://contoso.crm4.dynamics.com\t/x",
        f" {BASE}/x",
        f"{BASE}/x\r\nHost: evil.example",
        "//contoso.crm4.dynamics.com/x",
        "/api/data/v9.2/accounts",
        "accounts?$skiptoken=2",
        "https://[::1/x",
        "",
    ],
)
def test_links_elsewhere_are_refused(link: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        pinned(link, BASE)
    assert "pw" not in str(caught.value)


@given(st.text(max_size=40))
def test_no_text_before_the_path_leads_elsewhere(text: str) -> None:
    for link in (f"https://{text}", f"https://{text}contoso.crm4.dynamics.com/", f"{BASE}{text}"):
        try:
            url = pinned(link, BASE)
        except ProtocolError:
            continue
        assert urlsplit(url).hostname == "contoso.crm4.dynamics.com"
        assert urlsplit(url).port in (None, 443)


def test_characters_that_would_spoil_a_link() -> None:
    link = f"{BASE}/x?$filter=name eq 'C# 100%'&$skiptoken=%3c%253c"
    assert pinned(link, BASE) == f"{BASE}/x?$filter=name eq 'C%23 100%25'&$skiptoken=%3c%253c"


def cookie_link(page: int, last: str) -> str:
    """A next link in the form of docs "Page results using OData"."""
    inner = (
        f"%253ccookie%2520page%253d%2522{page - 1}%2522%253e%253caccountid%2520last%253d%2522%257b"
        f"{last}%257d%2522%2520first%253d%2522%257bA%257d%2522%2520%252f%253e%253c%252fcookie%253e"
    )
    return (
        f"{BASE}/api/data/v9.2/accounts?$select=name&$skiptoken=%3Ccookie%20pagenumber=%22{page}%22"
        f"%20pagingcookie=%22{inner}%22%20istracking=%22False%22%20/%3E"
    )


def test_paging_cookie_is_what_it_points_at() -> None:
    assert paging_cookie(cookie_link(2, "B")) == (
        '<cookie ><accountid last="{B}" first="{A}" /></cookie>'
    )
    assert paging_cookie(cookie_link(2, "B")) == paging_cookie(cookie_link(3, "B"))
    assert paging_cookie(cookie_link(2, "B")) != paging_cookie(cookie_link(3, "C"))


@pytest.mark.parametrize(
    "link",
    [
        f"{BASE}/api/data/v9.2/accounts?$select=name",
        f"{BASE}/api/data/v9.2/accounts?$skiptoken=last",
        f"{BASE}/x?$skiptoken=%3Ccookie%20pagenumber=%222%22%20pagingcookie=%22%22%20/%3E",
        f"{BASE}/x?$deltatoken=919042%2108%2f22%2f2017%2008%3a10%3a44",
    ],
)
def test_links_without_a_cookie(link: str) -> None:
    assert paging_cookie(link) is None


def test_next_links_of_the_documentation() -> None:
    text = "\n".join(
        json.dumps(json.loads(line).get("response"))
        for line in EXCHANGES.read_text(encoding="utf-8").splitlines()
    )
    links = set(re.findall(r'@odata\.nextLink\\?":\s*\\?"([^"\\]+)', text))
    cookies = [link for link in links if "pagingcookie" in link]
    assert cookies
    for link in cookies:
        url = re.sub(r"^(\[Organization URI\]|https?://[^/]+)", BASE, link)
        assert pinned(url, BASE) == url
        assert re.search(r' last="', paging_cookie(url) or "")
