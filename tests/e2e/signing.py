"""The caller's half of authentication: RFC 9421 signatures, RFC 9530 digests, RFC 8785 canonical JSON.

Written from the standards alone and sharing no code with the server, so that the two check each other.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)

ALGORITHMS = ("hmac-sha256", "ecdsa-p256-sha256", "rsa-pss-sha512", "rsa-v1_5-sha256", "ed25519")
_PSS = padding.PSS(mgf=padding.MGF1(hashes.SHA512()), salt_length=64)

Header = tuple[str, str]
Parameter = tuple[str, "str | int"]


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


@dataclass(frozen=True)
class SigningKey:
    """A secret of one of the five algorithms: bytes for HMAC, else a private key."""

    algorithm: str
    secret: Any = field(repr=False)

    @classmethod
    def generate(cls, algorithm: str) -> SigningKey:
        """A fresh private key (the server makes the HMAC secrets itself)."""
        if algorithm == "ecdsa-p256-sha256":
            return cls(algorithm, ec.generate_private_key(ec.SECP256R1()))
        if algorithm in ("rsa-pss-sha512", "rsa-v1_5-sha256"):
            return cls(algorithm, rsa.generate_private_key(public_exponent=65537, key_size=2048))
        if algorithm == "ed25519":
            return cls(algorithm, ed25519.Ed25519PrivateKey.generate())
        raise ValueError(algorithm)

    def public_pem(self) -> bytes:
        public = self.secret.public_key()
        encoded: bytes = public.public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return encoded

    def private_pem(self) -> bytes:
        encoded: bytes = self.secret.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        return encoded

    def sign(self, message: bytes) -> bytes:
        signature: bytes
        if self.algorithm == "hmac-sha256":
            return hmac.new(self.secret, message, hashlib.sha256).digest()
        if self.algorithm == "ecdsa-p256-sha256":
            r, s = decode_dss_signature(self.secret.sign(message, ec.ECDSA(hashes.SHA256())))
            return r.to_bytes(32, "big") + s.to_bytes(32, "big")
        if self.algorithm == "rsa-pss-sha512":
            signature = self.secret.sign(message, _PSS, hashes.SHA512())
        elif self.algorithm == "rsa-v1_5-sha256":
            signature = self.secret.sign(message, padding.PKCS1v15(), hashes.SHA256())
        elif self.algorithm == "ed25519":
            signature = self.secret.sign(message)
        else:
            raise ValueError(self.algorithm)
        return signature


def verify(algorithm: str, key: Any, message: bytes, signature: bytes) -> bool:
    """Whether the signature holds; `key` is a public key, or the bytes of an HMAC secret."""
    if algorithm == "hmac-sha256":
        expected = hmac.new(key, message, hashlib.sha256).digest()
        return hmac.compare_digest(expected, signature)
    try:
        if algorithm == "ecdsa-p256-sha256":
            if len(signature) != 64:
                return False
            r, s = (int.from_bytes(half, "big") for half in (signature[:32], signature[32:]))
            key.verify(encode_dss_signature(r, s), message, ec.ECDSA(hashes.SHA256()))
        elif algorithm == "rsa-pss-sha512":
            key.verify(signature, message, _PSS, hashes.SHA512())
        elif algorithm == "rsa-v1_5-sha256":
            key.verify(signature, message, padding.PKCS1v15(), hashes.SHA256())
        elif algorithm == "ed25519":
            key.verify(signature, message)
        else:
            raise ValueError(algorithm)
    except InvalidSignature:
        return False
    return True


# RFC 9421: the signature base.


@dataclass(frozen=True)
class Request:
    """One HTTP request as it goes over the wire; `target` is path and query as sent."""

    method: str
    target: str
    authority: str
    headers: tuple[Header, ...] = ()
    body: bytes = b""
    scheme: str = "http"

    @property
    def path(self) -> str:
        return self.target.partition("?")[0] or "/"

    @property
    def query(self) -> str:
        return "?" + self.target.partition("?")[2]

    def values(self, name: str) -> list[str]:
        return [value.strip(" \t") for key, value in self.headers if key.lower() == name.lower()]

    def with_headers(self, *more: Header) -> Request:
        return replace(self, headers=self.headers + more)

    def without(self, *names: str) -> Request:
        gone = {name.lower() for name in names}
        return replace(self, headers=tuple(h for h in self.headers if h[0].lower() not in gone))

    def raw(self) -> bytes:
        """The request's bytes, Host and Content-Length included where a body is there."""
        lines = [f"{self.method} {self.target} HTTP/1.1", f"Host: {self.authority}"]
        lines += [f"{name}: {value}" for name, value in self.headers]
        if self.body or self.method not in ("GET", "HEAD"):
            lines.append(f"Content-Length: {len(self.body)}")
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + self.body


def _authority(request: Request) -> str:
    default_port = ":443" if request.scheme == "https" else ":80"
    return request.authority.lower().removesuffix(default_port)


def component_value(request: Request, name: str) -> str:
    if name == "@method":
        return request.method
    if name == "@authority":
        return _authority(request)
    if name == "@scheme":
        return request.scheme
    if name == "@target-uri":
        return f"{request.scheme}://{_authority(request)}{request.target}"
    if name == "@path":
        return request.path
    if name == "@query":
        return request.query
    if name.startswith("@"):
        raise ValueError(name)
    values = request.values(name)
    if not values:
        raise ValueError(f"no such field: {name}")
    return ", ".join(values)


def quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def inner_list(components: Sequence[str], parameters: Sequence[Parameter]) -> str:
    """The value of a Signature-Input member."""
    names = " ".join(f'"{name}"' for name in components)
    shown = "".join(
        f";{key}={value}" if isinstance(value, int) else f";{key}={quoted(value)}"
        for key, value in parameters
    )
    return f"({names}){shown}"


def signature_base(request: Request, components: Sequence[str], member: str) -> bytes:
    lines = [f'"{name}": {component_value(request, name)}' for name in components]
    lines.append(f'"@signature-params": {member}')
    return "\n".join(lines).encode("ascii")


def content_digest(body: bytes, algorithm: str = "sha-256") -> str:
    digest = hashlib.new(algorithm.replace("-", ""), body).digest()
    return f"{algorithm}=:{b64(digest)}:"


def required_components(request: Request) -> list[str]:
    """What api.md wants covered, no more."""
    components = ["@method", "@authority", "@path"]
    if request.method in ("GET", "HEAD"):
        return [*components, "@query"]
    if "?" in request.target:
        components.append("@query")
    if request.body:
        components += ["content-digest", "content-type"]
    if request.values("idempotency-key"):
        components.append("idempotency-key")
    return components


def signature_headers(
    request: Request,
    sign: Callable[[bytes], bytes],
    components: Sequence[str],
    parameters: Sequence[Parameter],
    label: str = "fq",
) -> tuple[Header, Header]:
    member = inner_list(components, parameters)
    signature = sign(signature_base(request, components, member))
    return (
        ("Signature-Input", f"{label}={member}"),
        ("Signature", f"{label}=:{b64(signature)}:"),
    )


# RFC 8785: canonical JSON, of what the short form may hold (no fractions).


def canonical(value: Any) -> bytes:
    return _canonical(value).encode("utf-8")


def _canonical(value: Any) -> str:
    if isinstance(value, dict):
        keys = sorted(value, key=lambda key: key.encode("utf-16-be"))
        return "{" + ",".join(f"{_canonical(key)}:{_canonical(value[key])}" for key in keys) + "}"
    if isinstance(value, list):
        return "[" + ",".join(_canonical(item) for item in value) + "]"
    if value is None or isinstance(value, (bool, str)):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, int):
        return str(value)
    raise TypeError(f"not canonical here: {value!r}")


def sign_body(body: dict[str, Any], key: SigningKey) -> dict[str, Any]:
    """The short form's body with its signature over everything else."""
    unsigned = {name: value for name, value in body.items() if name != "signature"}
    return {**unsigned, "signature": b64(key.sign(canonical(unsigned)))}
