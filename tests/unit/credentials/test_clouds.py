"""Login services of the clouds, AD FS servers, and whom a secret may be sent to."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dataverse_source.credentials.clouds import Authority, configured_authority, find_authority
from dataverse_source.credentials.sign_in import Login
from dataverse_source.errors import ConfigurationError

ID = "11111111-2222-3333-4444-555555555555"
OURS = "https://contoso.crm4.dynamics.com"


def nobody() -> tuple[str, str]:
    raise AssertionError("the environment was asked though all is known")


def says(host: str, tenant: str) -> Callable[[], tuple[str, str]]:
    return lambda: (host, tenant)


@pytest.mark.parametrize(
    ("environment", "login"),
    [
        ("https://contoso.crm.dynamics.com", "https://login.microsoftonline.com"),
        ("https://contoso.api.crm4.dynamics.com", "https://login.microsoftonline.com"),
        ("https://contoso.crm21.dynamics.com", "https://login.microsoftonline.com"),
        ("https://agency.crm9.dynamics.com", "https://login.microsoftonline.com"),  # GCC
        ("https://agency.crm.microsoftdynamics.us", "https://login.microsoftonline.us"),
        ("https://agency.api.crm.microsoftdynamics.us", "https://login.microsoftonline.us"),
        ("https://fleet.crm.appsplatform.us", "https://login.microsoftonline.us"),
        ("https://contoso.crm.dynamics.cn", "https://login.partner.microsoftonline.cn"),
    ],
)
def test_the_cloud_follows_from_the_environment(environment: str, login: str) -> None:
    for tenant in (ID, "contoso.onmicrosoft.com"):
        found = find_authority(Login(tenant_id=tenant), environment, nobody)
        assert found == Authority(login, tenant)
        assert found.url == f"{login}/{tenant}"
        assert found.scope(environment) == f"{environment}/.default"
    asked = says("login.windows.net", ID)
    assert find_authority(Login(), environment, asked).host == login


@pytest.mark.parametrize(
    "environment",
    [
        "https://contoso.crm4.dynamics.com.evil.example",
        "https://crm4-dynamics.com",
        "https://127.0.0.1:5000",
    ],
)
def test_other_domains_are_no_cloud(environment: str) -> None:
    set_host = Login(authority_host="login.example", tenant_id=ID)
    assert find_authority(set_host, environment, nobody).host == "https://login.example"
    with pytest.raises(ConfigurationError) as caught:
        find_authority(Login(), environment, says("evil.example", ID))
    assert "SOURCES__DATAVERSE__CREDENTIALS__AUTHORITY_HOST" in str(caught.value)


def test_a_secret_goes_only_where_the_user_or_microsoft_says() -> None:
    """The environment may be a wrong one: its word alone moves no secret to another host."""
    asked = says("evil.example", ID)
    assert find_authority(Login(), OURS, asked).host == ("https://login.microsoftonline.com")
    set_host = Login(authority_host="https://login.example/")
    assert find_authority(set_host, OURS, asked) == Authority("https://login.example", ID)
    custom = find_authority(Login(), "https://crm.contoso.com", says("login.chinacloudapi.cn", ID))
    assert custom.host == "https://login.partner.microsoftonline.cn"


@pytest.mark.parametrize("tenant", ["common", "organizations", "a%2fb", "x y"])
def test_an_environment_that_names_no_tenant(tenant: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        find_authority(Login(), OURS, says("login.windows.net", tenant))
    assert "SOURCES__DATAVERSE__CREDENTIALS__TENANT_ID" in str(caught.value)


@pytest.mark.parametrize(
    "settings",
    [
        {"authority_host": "https://adfs.contoso.com/adfs"},
        {"authority_host": "adfs.contoso.com/ADFS/"},
        {"authority_host": "https://adfs.contoso.com/adfs", "tenant_id": ID},
        {"authority_host": "https://adfs.contoso.com", "tenant_id": "adfs"},
        {"authority_host": "https://adfs.contoso.com", "tenant_id": "ADFS"},
    ],
)
def test_ad_fs(settings: dict[str, str]) -> None:
    environment = "https://contoso.crm.contoso.com"
    found = find_authority(Login(**settings), environment, nobody)
    assert found.url == "https://adfs.contoso.com/adfs"
    assert found.is_adfs
    assert found.scope(environment) == f"{environment}/openid"


def test_ad_fs_needs_its_host() -> None:
    with pytest.raises(ConfigurationError, match="lacks authority_host") as caught:
        configured_authority(Login(tenant_id="adfs"), OURS)
    assert "SOURCES__DATAVERSE__CREDENTIALS__AUTHORITY_HOST" in str(caught.value)
    asked = says("adfs.contoso.com", "adfs")
    for settings in (Login(), Login(authority_host="adfs.evil.org")):
        with pytest.raises(ConfigurationError) as caught:
            find_authority(settings, "https://org.contoso.com", asked)
        assert "https://adfs.contoso.com/adfs" in str(caught.value)


def test_a_secret_in_place_of_the_tenant_is_not_shown() -> None:
    secret = "fz~X3C.1u-_7Xq8s~5l.0Q7YhN2gk.D3_b"
    with pytest.raises(ConfigurationError, match="tenant_id contains a secret") as caught:
        find_authority(Login(tenant_id=secret), OURS, nobody)
    assert secret not in str(caught.value)
