"""API keys: made and revoked beside a running server, shown once, bound to their algorithm and scope."""

from __future__ import annotations

import base64
import json
import time
from pathlib import Path

import pytest

import signing
from client import Bearer, Client, Signed, eventually, expect, refused
from conftest import Deploy
from feiqian import VECTORS, command
from signing import SigningKey
from world import World


@pytest.mark.parametrize("algorithm", [*signing.ALGORITHMS, "bearer"])
def test_a_new_key_is_known_at_the_next_request(fq: World, algorithm: str) -> None:
    client = fq.client("admin", algorithm)
    expect(client.get("/v1/payments"))
    expect(client.post("/v1/users", {"name": "x"}), 201)
    expect(client.get("/v1/orders"))


def test_what_create_prints(fq: World) -> None:
    made = fq.deployment.make_key("read", "hmac-sha256")
    assert len(base64.b64decode(made["secret"], validate=True)) == 32
    made = fq.deployment.make_key("read", "bearer")
    assert made["secret"].startswith("fq_test_") and len(made["secret"]) >= 40
    made = fq.deployment.make_key("read", "ed25519", SigningKey.generate("ed25519"))
    assert made.get("secret") is None


def test_a_revoked_key_is_refused_everywhere_within_a_second(fq: World) -> None:
    client = fq.client("admin")
    for path in ("/v1/users", "/v1/orders", "/v1/payments"):
        expect(client.get(path))
    done = fq.deployment.cli("keys", "revoke", client.key_id)
    assert done.returncode == 0, done.stderr
    start = time.monotonic()
    for path in ("/v1/users", "/v1/orders", "/v1/payments"):
        left = max(0.05, start + 1.0 - time.monotonic())
        eventually(lambda: client.get(path).status, lambda s: s == 401, within=left)  # noqa: B023
        refused(client.get(path), "key_revoked")


def test_revoking_what_is_not_there(fq: World) -> None:
    assert fq.deployment.cli("keys", "revoke", "key_0123456789012").returncode == 1
    assert fq.deployment.cli("keys", "revoke", "nonsense").returncode == 2


def test_keys_are_listed_without_their_secrets(fq: World) -> None:
    made = fq.deployment.make_key("read", "hmac-sha256")
    bearer = fq.deployment.make_key("read", "bearer")
    done = fq.deployment.cli("keys", "list", "--output", "json")
    assert done.returncode == 0, done.stderr
    assert made["id"] in done.stdout and bearer["id"] in done.stdout
    assert made["secret"] not in done.stdout and bearer["secret"] not in done.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["--scope", "king", "--algorithm", "hmac-sha256"],
        ["--scope", "merchant:", "--algorithm", "hmac-sha256"],
        ["--scope", "merchant:usr_1", "--algorithm", "hmac-sha256"],
        ["--scope", "merchant:ord_0123456789012", "--algorithm", "hmac-sha256"],
        ["--scope", "admin", "--algorithm", "md5"],
        ["--scope", "admin"],
        ["--algorithm", "hmac-sha256"],
        ["--scope", "admin", "--algorithm", "ed25519"],  # which public key?
    ],
)
def test_wrong_usage(fq: World, arguments: list[str]) -> None:
    done = fq.deployment.cli("keys", "create", *arguments, "--output", "json")
    assert done.returncode == 2, (done.returncode, done.stdout, done.stderr)
    assert done.stderr and not done.stdout


def test_a_public_key_of_another_kind_is_refused(fq: World) -> None:
    folder = fq.deployment.folder
    rsa = folder / "rsa.pem"
    rsa.write_bytes(SigningKey.generate("rsa-pss-sha512").public_pem())
    nonsense = folder / "nonsense.pem"
    nonsense.write_text("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n")
    for file in (rsa, nonsense, VECTORS / "jcs.json"):
        done = fq.deployment.cli(
            "keys", "create", "--scope", "admin", "--algorithm", "ed25519",
            "--public-key", file, "--output", "json",
        )  # fmt: skip
        assert done.returncode == 2, (done.returncode, done.stderr)


def test_a_short_rsa_key_is_refused(fq: World) -> None:
    from cryptography.hazmat.primitives.asymmetric import rsa

    small = SigningKey("rsa-pss-sha512", rsa.generate_private_key(public_exponent=65537, key_size=1024))
    file = fq.deployment.folder / "small.pem"
    file.write_bytes(small.public_pem())
    done = fq.deployment.cli(
        "keys", "create", "--scope", "admin", "--algorithm", "rsa-pss-sha512", "--public-key", file,
    )  # fmt: skip
    assert done.returncode == 2, (done.returncode, done.stderr)


def test_keys_without_a_server(deploy: Deploy) -> None:
    """Made before the first start and between two, they are there afterwards."""
    own = deploy(start=False)
    if own.kind.shape == "split" and own.kind.store == "sqlite":
        own.start()  # makes the folders
        own.stop()
    made = own.make_key("admin", "hmac-sha256")
    own.start()
    key = SigningKey("hmac-sha256", base64.b64decode(made["secret"]))
    client = Client(own.url_for, Signed(made["id"], key))
    expect(client.get("/v1/users"))
    own.stop()
    bearer = own.make_key("read", "bearer")
    own.start()
    expect(client.get("/v1/users"))
    expect(Client(own.url_for, Bearer(bearer["secret"])).get("/v1/users"))
    own.stop()


def test_secrets_are_in_no_log_and_no_file(deploy: Deploy) -> None:
    own = deploy()
    fq = World(own)
    bearer = own.make_key("admin", "bearer")
    user = fq.user(
        email="very.secret@example.com", phone="+8613912345678", password="correct horse battery",
    )  # fmt: skip
    client = Client(own.url_for, Bearer(bearer["secret"]))
    expect(client.get(f"/v1/users/{user['id']}"))
    fq.admin.post(f"/v1/users/{user['id']}/verify_password", {"password": "wrong horse battery"})
    refused(client.post("/v1/users", {"name": "x", "password": "short secret"}), "invalid_field")
    mine = fq.admin.credentials
    assert isinstance(mine, Signed)
    own.stop()
    words = [
        b"very.secret", b"13912345678", b"correct horse", b"wrong horse", b"short secret",
        bearer["secret"].encode(), base64.b64encode(mine.key.secret),
    ]  # fmt: skip
    files = [path for path in own.folder.rglob("*") if path.is_file()]
    assert files
    for path in files:
        held = path.read_bytes()
        for word in words:
            assert word not in held, (path.name, word)
        if path.suffix != ".log":
            assert mine.key.secret not in held, path.name


def test_a_data_folder_is_its_owners_only(deploy: Deploy) -> None:
    own = deploy()
    if own.kind.store == "sqlite":
        for path in (own.folder / "data").rglob("*"):
            assert path.stat().st_mode & 0o077 == 0, path
    own.stop()


def test_create_prints_one_json_object(fq: World) -> None:
    done = fq.deployment.cli("keys", "create", "--scope", "read", "--algorithm", "bearer", "--output", "json")
    assert set(json.loads(done.stdout)) >= {"id", "algorithm", "scope", "secret"}


def test_a_key_is_not_put_into_another_services_folder(tmp_path: Path) -> None:
    """Split on SQLite, each service has its own folder; a key in a new user database beside order.db is nobody's."""
    folder = tmp_path / "order"
    done = command("db", "migrate", "--data", folder, "--server-services", "order")
    assert done.returncode == 0, done.stderr
    done = command("keys", "create", "--data", folder, "--scope", "admin", "--algorithm", "hmac-sha256")
    assert done.returncode == 3 and "no user database" in done.stderr, done
    assert not (folder / "user.db").exists()
