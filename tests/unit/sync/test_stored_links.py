"""Links that are kept short and come back as they were."""

from __future__ import annotations

import pytest

from dataverse_source.sync.read.stored_links import (
    delta_link_version,
    restore,
    selected,
    shorten,
)

URL = "https://org.crm4.dynamics.com"
ROOT = "/api/data/v9.2/accounts"


@pytest.mark.parametrize(
    "query",
    [
        "$select=accountid,name&$deltatoken=919042%2108%2f22%2f2017%2008%3a10%3a44",
        "%24select=accountid,name&%24deltatoken=1%21x",
        "$deltatoken=1%21x&$select=accountid,name",
        "$select=accountid,name&$skiptoken=%3Ccookie%20pagingcookie=%22%253c%22%20/%3E",
    ],
)
def test_a_link_comes_back_as_it_was_but_for_the_spelling_of_select(query: str) -> None:
    short = shorten(f"{URL}{ROOT}?{query}")
    assert "name" not in short
    assert not short.startswith("https")
    plain = query.replace("%24select", "$select")
    assert restore(short, URL, "accountid,name") == f"{URL}{ROOT}?{plain}"


def test_another_select_and_none() -> None:
    short = shorten(f"{URL}{ROOT}?$select=accountid&$deltatoken=1%21x")
    assert restore(short, URL, "accountid,name").endswith(
        "?$select=accountid,name&$deltatoken=1%21x"
    )
    assert restore(short, URL, None) == f"{URL}{ROOT}?&$deltatoken=1%21x".replace("?&", "?")


def test_a_link_without_select_gets_one() -> None:
    short = shorten(f"{URL}{ROOT}?$deltatoken=1%21x")
    assert restore(short, URL, "name") == f"{URL}{ROOT}?$select=name&$deltatoken=1%21x"


@pytest.mark.parametrize(
    ("link", "version"),
    [
        ("x?$deltatoken=919042%2108%2f22", 919042),
        ("x?$deltatoken=919042!08", 919042),
        ("x?$deltatoken=opaque", None),
        ("x", None),
    ],
)
def test_version_of_a_token(link: str, version: int | None) -> None:
    assert delta_link_version(link) == version


def test_what_a_link_selects() -> None:
    assert selected("x?$select=accountid&$deltatoken=1") == "accountid"
    assert selected("x?%24select=accountid%2cname&$deltatoken=1") == "accountid,name"
    assert selected("x?$deltatoken=1") is None
