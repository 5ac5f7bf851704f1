"""Key pairs belong to users; a private key is told once."""

from __future__ import annotations

import hashlib
from base64 import b64decode
from typing import Any
from urllib.parse import quote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from starlette.testclient import TestClient

from freehold.access import Caller
from freehold.compute.keypair import KeyPair
from tests.support.service import Service, admin, build, enrol, tenant

KEYPAIRS = "/compute/v2.1/os-keypairs"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f ann@home"


def _at(version: str) -> dict[str, str]:
    return {"OpenStack-API-Version": f"compute {version}"}


@pytest.fixture
def caller() -> Caller:
    """The user."""
    return tenant()


@pytest.fixture
def client(service: Service, caller: Caller) -> TestClient:
    """The user over HTTP."""
    return service.client(caller)


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> TestClient:
    """A user of a service in which nothing stays."""
    return build(tmp_path_factory.mktemp("clean")).client(tenant())


def _post(client: TestClient, version: str = "2.1", **fields: Any) -> Any:
    return client.post(KEYPAIRS, json={"keypair": fields}, headers=_at(version))


def _names(client: TestClient, query: str = "", version: str = "2.35") -> list[str]:
    answer = client.get(f"{KEYPAIRS}{query}", headers=_at(version))
    assert answer.status_code == 200, answer.text
    return [entry["keypair"]["name"] for entry in answer.json()["keypairs"]]


def test_a_public_key_is_kept_with_its_fingerprint(client: TestClient, caller: Caller) -> None:
    answer = _post(client, "2.2", name="laptop", public_key=KEY)
    expected = {
        "name": "laptop",
        "public_key": KEY,
        "fingerprint": hashlib.md5(b64decode(KEY.split()[1])).digest().hex(":"),
        "type": "ssh",
        "user_id": caller.user_id,
    }
    assert (answer.status_code, answer.json()) == (201, {"keypair": expected})
    shown = client.get(f"{KEYPAIRS}/laptop", headers=_at("2.2")).json()["keypair"]
    assert expected.items() <= shown.items()
    assert (shown["deleted"], shown["deleted_at"]) == (False, None)
    listed = client.get(KEYPAIRS, headers=_at("2.2")).json()["keypairs"]
    assert listed == [{"keypair": {k: v for k, v in expected.items() if k != "user_id"}}]


def test_the_first_microversion_knows_no_types(client: TestClient) -> None:
    answer = _post(client, name="laptop", public_key=KEY)
    assert answer.status_code == 200
    assert "type" not in answer.json()["keypair"]
    assert "type" not in client.get(f"{KEYPAIRS}/laptop").json()["keypair"]
    assert client.delete(f"{KEYPAIRS}/laptop").status_code == 202


def test_a_private_key_is_told_once_and_kept_nowhere(service: Service, client: TestClient) -> None:
    made = _post(client, "2.2", name="made").json()["keypair"]
    private = serialization.load_pem_private_key(made["private_key"].encode(), None)
    line = private.public_key().public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    )
    assert made["public_key"].startswith(line.decode())
    assert "private_key" not in client.get(f"{KEYPAIRS}/made").json()["keypair"]
    secret = made["private_key"].splitlines()[2].encode()
    for file in service.config.secret_file.parent.rglob("*"):
        assert not file.is_file() or secret not in file.read_bytes(), file


def test_a_certificate_can_be_made_and_kept(client: TestClient, caller: Caller) -> None:
    made = _post(client, "2.2", name="windows", type="x509").json()["keypair"]
    certificate = x509.load_pem_x509_certificate(made["public_key"].encode())
    private = serialization.load_pem_private_key(made["private_key"].encode(), None)
    assert private.public_key() == certificate.public_key()
    assert made["fingerprint"] == certificate.fingerprint(hashes.SHA1()).hex(":")
    assert made["type"] == "x509"
    again = _post(client, "2.2", name="sent", type="x509", public_key=made["public_key"])
    assert again.json()["keypair"]["fingerprint"] == made["fingerprint"]
    assert _post(client, "2.2", name="bad", type="x509", public_key=KEY).status_code == 400


@pytest.mark.parametrize(
    ("version", "fields"),
    [
        ("2.1", {"public_key": "rubbish"}),
        ("2.1", {"public_key": "ssh-ed25519 AAAA"}),
        ("2.1", {"public_key": "ssh-ed25519 ééé"}),
        ("2.1", {"public_key": ""}),
        ("2.1", {"public_key": f"{KEY}\n{KEY}"}),
        ("2.1", {"public_key": "x" * 20000}),
        ("2.1", {"public_key": KEY, "name": ""}),
        ("2.1", {"public_key": KEY, "name": "n" * 256}),
        ("2.1", {"public_key": KEY, "name": "a\0b"}),
        ("2.1", {"public_key": KEY, "name": "two\nlines"}),
        ("2.1", {"public_key": KEY, "name": " edge"}),
        ("2.1", {"public_key": KEY, "name": "key_/.\\@:"}),
        ("2.91", {"public_key": KEY, "name": "ann@home.example"}),
        ("2.92", {"public_key": KEY, "name": "{{ 7*7 }}"}),
        ("2.92", {"public_key": KEY, "name": "a/b?c=é"}),
        ("2.1", {"public_key": KEY, "type": "ssh"}),
        ("2.2", {"public_key": KEY, "type": "pgp"}),
        ("2.2", {"public_key": KEY, "user_id": "someone"}),
        ("2.1", {"public_key": KEY, "colour": "red"}),
        ("2.92", {}),
    ],
)
def test_what_is_no_key_pair_is_refused(
    clean: TestClient, version: str, fields: dict[str, Any]
) -> None:
    answer = _post(clean, version, **({"name": "x"} | fields))
    assert answer.status_code == 400
    assert _names(clean) == []


@pytest.mark.parametrize("name", ["a b_c-1", "ann@home.example", "49"])
def test_a_name_is_only_a_name(client: TestClient, name: str) -> None:
    path = f"{KEYPAIRS}/{quote(name, safe='')}"
    assert _post(client, "2.92", name=name, public_key=KEY).status_code == 201
    assert client.get(path).json()["keypair"]["name"] == name
    assert client.delete(path, headers=_at("2.2")).status_code == 204
    assert client.get(path).status_code == 404


def test_a_name_is_taken_once_by_each_user(service: Service, client: TestClient) -> None:
    assert _post(client, name="x", public_key=KEY).status_code == 200
    assert _post(client, name="x", public_key=KEY).status_code == 409
    assert _post(service.client(tenant()), name="x", public_key=KEY).status_code == 200


def test_key_pairs_of_others_are_for_operators_from_2_10(
    service: Service, client: TestClient, caller: Caller
) -> None:
    _post(client, name="x", public_key=KEY)
    stranger, operator = service.client(tenant()), service.client(admin())
    query = f"?user_id={caller.user_id}"
    assert stranger.get(f"{KEYPAIRS}/x").status_code == 404
    assert stranger.delete(f"{KEYPAIRS}/x").status_code == 404
    assert stranger.get(f"{KEYPAIRS}{query}", headers=_at("2.10")).status_code == 403
    assert stranger.get(f"{KEYPAIRS}/x{query}", headers=_at("2.10")).status_code == 403
    assert stranger.delete(f"{KEYPAIRS}/x{query}", headers=_at("2.10")).status_code == 403
    theirs = _post(stranger, "2.10", name="y", public_key=KEY, user_id=caller.user_id)
    assert theirs.status_code == 403
    assert _names(operator, query, "2.10") == ["x"]
    assert _names(operator, query, "2.9") == []
    made = _post(operator, "2.10", name="y", public_key=KEY, user_id=caller.user_id)
    assert made.json()["keypair"]["user_id"] == caller.user_id
    assert _names(client) == ["x", "y"]
    assert operator.delete(f"{KEYPAIRS}/y{query}", headers=_at("2.10")).status_code == 204


def test_lists_have_pages_from_2_35(client: TestClient) -> None:
    for name in ("a", "b", "c"):
        _post(client, name=name, public_key=KEY)
    assert _names(client, "?limit=1", "2.34") == ["a", "b", "c"]
    first = client.get(f"{KEYPAIRS}?limit=2", headers=_at("2.35")).json()
    (link,) = first["keypairs_links"]
    assert link["href"].endswith("/compute/v2.1/os-keypairs?limit=2&marker=b")
    assert _names(client, "?limit=2&marker=b") == ["c"]
    assert client.get(f"{KEYPAIRS}?marker=zzz", headers=_at("2.35")).status_code == 400


def test_a_user_has_as_many_as_the_quota_says(
    service: Service, client: TestClient, caller: Caller
) -> None:
    enrol(service, caller)
    path = f"/compute/v2.1/os-quota-sets/{caller.project_id}"
    assert service.client(admin()).put(path, json={"quota_set": {"key_pairs": 1}}).is_success
    assert _post(client, name="a", public_key=KEY).status_code == 200
    answer = _post(client, name="b", public_key=KEY)
    assert answer.status_code == 403
    assert answer.json()["forbidden"]["message"] == "Quota exceeded, too many key pairs."
    with service.store.read() as session:
        assert session.query(KeyPair).count() == 1
