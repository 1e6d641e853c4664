"""Which way to sign in the settings mean, and that half of a set is never another identity."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from dataverse_source.credentials import DataverseCredentials
from dataverse_source.credentials.sign_in import identity, parsed
from dataverse_source.errors import ConfigurationError, may_be_secret

ID = "66666666-7777-8888-9999-000000000000"
PROOFS = {
    "client_secret": {"client_secret": "s3cret"},
    "certificate": {"certificate_path": "etl.pem"},
    "federated": {"assertion_path": "token"},
}


def kind_of(**settings: Any) -> str:
    return parsed(DataverseCredentials(**settings)).auth_type


def refused(**settings: Any) -> str:
    with pytest.raises(ConfigurationError) as caught:
        kind_of(**settings)
    return str(caught.value)


@pytest.mark.parametrize(("kind", "proof"), list(PROOFS.items()))
def test_the_proof_says_which_way_is_meant(kind: str, proof: dict[str, str]) -> None:
    assert kind_of(client_id=ID, **proof) == kind


@pytest.mark.parametrize("kind", ["managed_identity", "azure_cli"])
def test_ways_without_a_proof_have_to_be_named(kind: str) -> None:
    assert kind_of(auth_type=kind) == kind
    assert kind_of(auth_type=f" {kind.upper()}\n", client_id=ID) == kind
    assert "lacks client_secret" in refused(client_id=ID)


def test_a_named_way_wins_over_the_proofs_of_others() -> None:
    everything = {name: value for proof in PROOFS.values() for name, value in proof.items()}
    for kind in (*PROOFS, "managed_identity", "azure_cli"):
        assert kind_of(auth_type=kind, client_id=ID, **everything) == kind


@pytest.mark.parametrize(("one", "other"), list(itertools.combinations(PROOFS, 2)))
def test_two_proofs_are_no_answer(one: str, other: str) -> None:
    text = refused(client_id=ID, **PROOFS[one], **PROOFS[other])
    for name in (*PROOFS[one], *PROOFS[other]):
        assert name in text
        assert f"SOURCES__DATAVERSE__CREDENTIALS__{name.upper()}" in text
    assert f"auth_type to {one} or {other}" in text
    assert "s3cret" not in text


@pytest.mark.parametrize(
    ("settings", "missing"),
    [
        ({}, ["client_id", "client_secret"]),
        ({"tenant_id": ID}, ["client_id", "client_secret"]),
        ({"client_id": ID}, ["client_secret"]),
        ({"client_id": ID, "client_secret": " \n"}, ["client_secret"]),
        ({"client_id": "<configure me>", "client_secret": "x"}, ["client_id"]),
        ({"client_secret": "x"}, ["client_id"]),
        ({"certificate_path": "x"}, ["client_id"]),
        ({"client_id": ID, "certificate_password": "x"}, ["certificate_path"]),
        ({"client_id": ID, "private_key_path": "x"}, ["certificate_path"]),
        ({"assertion_path": "x"}, ["client_id"]),
        ({"auth_type": "federated"}, ["client_id", "assertion_path"]),
        ({"auth_type": "certificate", "client_id": ID, "client_secret": "x"}, ["certificate_path"]),
        ({"auth_type": "client_secret"}, ["client_id", "client_secret"]),
    ],
)
def test_all_that_is_missing_is_named_at_once(settings: dict[str, str], missing: list[str]) -> None:
    text = refused(**settings)
    assert f"The sign-in lacks {' and '.join(missing)}." in text
    assert ".dlt/secrets.toml" in text
    assert "[sources.dataverse.credentials]\n" in text
    for name in missing:
        assert f'    {name} = "..."' in text
        assert f"SOURCES__DATAVERSE__CREDENTIALS__{name.upper()}" in text
    for name in {"client_id", "tenant_id"} - set(missing):
        assert f"{name} =" not in text


def test_a_way_that_does_not_exist() -> None:
    text = refused(auth_type="certifcate", client_id=ID)
    assert "Unknown auth_type 'certifcate'" in text
    assert "Did you mean 'certificate'?" in text
    assert "managed_identity, azure_cli" in text
    assert "SOURCES__DATAVERSE__CREDENTIALS__AUTH_TYPE" in text


def test_ids_in_other_forms_are_one_id() -> None:
    forms = (ID, ID.upper(), f"{{{ID}}}", f" {{{ID.upper()}}}\n")
    assert {identity(parsed(DataverseCredentials(client_id=one, client_secret="x", tenant_id=one)))
            for one in forms} == {f"client_secret {ID} {ID}"}  # fmt: skip


@pytest.mark.parametrize("secret", ["xYz8Q~abcdefghijklmnopqrstuvwxyz0123456789", "a" * 43 + "="])
@pytest.mark.parametrize("name", ["tenant_id", "client_id", "auth_type", "authority_host"])
def test_a_secret_in_another_setting_is_named_and_not_shown(name: str, secret: str) -> None:
    settings = {"client_id": ID, "client_secret": "another", name: secret}
    text = refused(**settings)
    assert f"Setting {name} contains a secret" in text
    assert "client_secret in [sources.dataverse.credentials]" in text
    assert secret not in text


OLDER = "fz~X3C.1u-_7Xq8s~5l.0Q7YhN2gk.D3_b"
"""As Entra made them before 2021: 34 characters, with nothing that marks them."""


@pytest.mark.parametrize("name", ["client_id", "auth_type"])
def test_a_secret_of_an_older_form_is_not_shown(name: str) -> None:
    text = refused(**{"client_id": ID, "client_secret": "another", name: OLDER})
    assert f"Setting {name} contains a secret" in text
    assert OLDER.lower() not in text.lower()


@pytest.mark.parametrize(
    "name",
    [ID, f"{{{ID.upper()}}}", "Contoso_Dataverse-Loader_2026_Production", "a.b.c@contoso2026.com",
     "certs/Contoso-2026.Production.pem"],
)  # fmt: skip
def test_names_and_ids_are_no_secrets(name: str) -> None:
    assert not may_be_secret(name)


def test_the_same_secret_in_two_settings_is_not_shown() -> None:
    text = refused(client_id="s3cret-of-this-app", client_secret="s3cret-of-this-app")
    assert "Setting client_id contains a secret" in text
    assert "s3cret-of-this-app" not in text
