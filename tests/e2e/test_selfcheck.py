"""The tests' own tools, against the published vectors: a wrong signer here would blame the server."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization

import names
import signing
from feiqian import ROOT, vectors
from postgres import Postgres
from signing import Request, SigningKey

KEYS = {key["keyid"]: key for key in vectors("rfc9421")["keys"]}
DETERMINISTIC = ("hmac-sha256", "rsa-v1_5-sha256", "ed25519")


def key_of(keyid: str, algorithm: str) -> tuple[SigningKey, Any]:
    """A test key of the vectors, and what verifies for it."""
    entry = KEYS[keyid]
    if algorithm == "hmac-sha256":
        secret = base64.b64decode(entry["secret_base64"])
        return SigningKey(algorithm, secret), secret
    private = serialization.load_pem_private_key(entry["private_pem_pkcs8"].encode(), None)
    return SigningKey(algorithm, private), private.public_key()


def parse_request(text: str) -> Request:
    head, _, body = text.partition("\r\n\r\n")
    first, *lines = head.split("\r\n")
    method, target, _ = first.split(" ")
    headers = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines)]
    authority = next(value for name, value in headers if name.lower() == "host")
    return Request(method, target, authority, tuple(headers), body.encode("utf-8"), "https")


def parse_member(text: str) -> tuple[list[str], list[signing.Parameter]]:
    inner, _, rest = text.partition(")")
    components = re.findall(r'"([^"]+)"', inner)
    parameters: list[signing.Parameter] = []
    for name, value in re.findall(r';\s*([a-z]+)=("(?:[^"\\]|\\.)*"|-?\d+)', rest):
        parameters.append((name, value[1:-1] if value.startswith('"') else int(value)))
    return components, parameters


VALID = [case for case in vectors("signed-requests")["cases"] if case["expect"] == "valid"]


@pytest.mark.parametrize("case", VALID, ids=lambda case: case["id"])
def test_signer_makes_the_vectors_base_and_signature(case: dict[str, Any]) -> None:
    request = parse_request(case["request"])
    label = "sig1"
    members = dict(
        re.findall(r"([a-z0-9_-]+)=(\(.*?\)(?:; ?[a-z]+=(?:\"[^\"]*\"|\d+))*)",
                   ", ".join(request.values("signature-input")))
    )  # fmt: skip
    if label not in members or case["keyid"] not in members[label]:
        label = next(name for name, member in members.items() if case["keyid"] in member)
    components, parameters = parse_member(members[label])
    base = signing.signature_base(request, components, signing.inner_list(components, parameters))
    if "base" in case:
        assert base.decode() == case["base"]

    signatures = dict(re.findall(r"([a-z0-9_-]+)=:([^:]*):", ", ".join(request.values("signature"))))
    wire = base64.b64decode(signatures[label])
    key, public = key_of(case["keyid"], case["alg_of_key"])
    assert signing.verify(case["alg_of_key"], public, base, wire)
    assert signing.verify(case["alg_of_key"], public, base, key.sign(base))
    if case["alg_of_key"] in DETERMINISTIC:
        assert key.sign(base) == wire


def test_rfc_examples_verify() -> None:
    examples = [example for example in vectors("rfc9421")["examples"] if example["expect"] == "valid"]
    assert examples
    for example in examples:
        _, public = key_of(example["keyid"], example["alg"])
        signature = base64.b64decode(example["signature"].partition("=:")[2].rstrip(":"))
        assert signing.verify(example["alg"], public, example["base"].encode(), signature)


@pytest.mark.parametrize("algorithm", signing.ALGORITHMS[1:])
def test_generated_keys_sign_and_verify(algorithm: str) -> None:
    key = SigningKey.generate(algorithm)
    signature = key.sign(b"flying money")
    assert signing.verify(algorithm, key.secret.public_key(), b"flying money", signature)
    assert not signing.verify(algorithm, key.secret.public_key(), b"lying money", signature)
    assert key.public_pem().startswith(b"-----BEGIN PUBLIC KEY-----")
    assert key.private_pem().startswith(b"-----BEGIN PRIVATE KEY-----")


SHORT = [case for case in vectors("short-form")["cases"] if case["expect"] == "valid"]


@pytest.mark.parametrize("case", SHORT, ids=lambda case: case["id"])
def test_canonical_json_is_the_vectors(case: dict[str, Any]) -> None:
    body = json.loads(case["body"])
    unsigned = {name: value for name, value in body.items() if name != "signature"}
    assert signing.canonical(unsigned).decode() == case["canonical"]
    key, public = key_of(case["key_id"], case["alg_of_key"])
    wire = base64.b64decode(case["signature"])
    assert signing.verify(case["alg_of_key"], public, case["canonical"].encode(), wire)
    if case["alg_of_key"] in DETERMINISTIC:
        assert signing.sign_body(body, key)["signature"] == case["signature"]


def test_content_digests_are_the_vectors() -> None:
    for case in vectors("content-digest")["cases"]:
        if case["expect"] == "match" and re.fullmatch(r"sha-(256|512)=:[^:]*:", case["content_digest"]):
            algorithm = case["content_digest"].partition("=")[0]
            body = case.get("body", "").encode()
            assert signing.content_digest(body, algorithm) == case["content_digest"], case


def test_contract_lists_the_codes_of_the_tests() -> None:
    import yaml

    contract = yaml.safe_load((ROOT / "api" / "openapi.yaml").read_text("utf-8"))
    listed = contract["components"]["schemas"]["ErrorCode"]["enum"]
    assert sorted(listed) == sorted(names.CODES)


def test_contract_has_every_endpoint() -> None:
    import yaml

    contract = yaml.safe_load((ROOT / "api" / "openapi.yaml").read_text("utf-8"))
    listed = {
        (method.upper(), path)
        for path, methods in contract["paths"].items()
        for method in methods
        if method != "parameters"
    }
    printed = (ROOT / "docs" / "reference" / "endpoints.md").read_text("utf-8")
    assert set(re.findall(r"^\| `([A-Z]+) (\S+)`", printed, re.MULTILINE)) == listed


def test_contract_is_valid_openapi_and_requests_are_strict() -> None:
    import yaml
    from openapi_spec_validator import validate

    contract = yaml.safe_load((ROOT / "api" / "openapi.yaml").read_text("utf-8"))
    validate(contract)
    components = contract["components"]

    def resolve(node: dict[str, Any]) -> dict[str, Any]:
        while "$ref" in node:
            found: Any = contract
            for part in node["$ref"].removeprefix("#/").split("/"):
                found = found[part]
            node = found
        return node

    def strict(node: dict[str, Any], where: str) -> None:
        node = resolve(node)
        if node.get("type") == "object" and "propertyNames" not in node:
            assert node.get("additionalProperties") is False, where
        for name, child in node.get("properties", {}).items():
            strict(child, f"{where}.{name}")
        if "items" in node:
            strict(node["items"], f"{where}[]")

    seen = 0
    for path, methods in contract["paths"].items():
        for method, operation in methods.items():
            if method not in ("get", "post", "patch", "delete"):
                continue
            for status, response in operation["responses"].items():
                if status.startswith(("4", "5")) and path != "/readyz":
                    assert "application/problem+json" in resolve(response)["content"], (path, status)
            if "requestBody" in operation:
                seen += 1
                content = resolve(operation["requestBody"])["content"]["application/json"]
                strict(content["schema"], f"{method} {path}")
    assert seen >= 15
    assert set(components["securitySchemes"]) == {"signature", "bearer"}


def test_contract_examples_fit_their_schemas() -> None:
    import yaml
    from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

    contract = yaml.safe_load((ROOT / "api" / "openapi.yaml").read_text("utf-8"))
    seen = 0
    for path, methods in contract["paths"].items():
        for method, operation in methods.items():
            body = operation.get("requestBody", {}) if isinstance(operation, dict) else {}
            media = body.get("content", {}).get("application/json", {})
            for name, example in media.get("examples", {}).items():
                schema = {**media["schema"], "components": contract["components"]}
                faults = list(Draft202012Validator(schema).iter_errors(example["value"]))
                assert not faults, (method, path, name, faults[0].message)
                seen += 1
    assert seen >= 10


def test_temporary_postgres_keeps_what_it_is_told() -> None:
    server = Postgres()
    try:
        server.start()
        for setting in ("fsync", "full_page_writes", "synchronous_commit"):
            assert server.sql("postgres", f"SHOW {setting}") == [["on"]]
        server.sql("postgres", "CREATE DATABASE kept")
        server.stop()
        server.start()
        assert ["kept"] in server.sql("postgres", "SELECT datname FROM pg_database")
    finally:
        server.remove()
