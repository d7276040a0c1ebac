"""Signatures over the wire: what must be refused is signed afresh here, each request with one fault."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding

import names
import signing
from client import Answer, Client, Signed, ask_raw, eventually, expect, host_port, refused, together
from conftest import Deploy
from signing import Parameter, Request, SigningKey, b64
from world import World


@dataclass
class Draft:
    """A signed write in the making; a fault changes one thing before or after the signature."""

    request: Request
    key_id: str
    key: SigningKey
    parameters: list[Parameter]
    components: list[str] | None = None
    label: str = "fq"
    base: Callable[[bytes], bytes] = lambda base: base
    encode: Callable[[bytes], str] = b64
    sign: Callable[[bytes], bytes] | None = None
    after: list[Callable[[Request], Request]] = field(default_factory=list)

    def set(self, name: str, value: str | int | None) -> None:
        self.parameters = [(n, v) for n, v in self.parameters if n != name]
        if value is not None:
            self.parameters.append((name, value))

    def finished(self) -> Request:
        components = self.components or signing.required_components(self.request)
        member = signing.inner_list(components, self.parameters)
        base = self.base(signing.signature_base(self.request, components, member))
        signature = (self.sign or self.key.sign)(base)
        request = self.request.with_headers(
            ("Signature-Input", f"{self.label}={member}"),
            ("Signature", f"{self.label}=:{self.encode(signature)}:"),
        )
        for change in self.after:
            request = change(request)
        return request


class Signer:
    def __init__(self, fq: World, algorithm: str) -> None:
        client = fq.client("admin", algorithm)
        assert isinstance(client.credentials, Signed)
        self.fq, self.key_id, self.key = fq, client.key_id, client.credentials.key

    def write(self, target: str = "/v1/users", body: bytes | None = None) -> Draft:
        """POST /v1/users, right in all."""
        content = json.dumps({"name": "签名"}).encode() if body is None else body
        host, port = host_port(self.fq.deployment.url_for(target.partition("?")[0]))
        request = Request(
            "POST", target, f"{host}:{port}",
            (
                ("Content-Type", "application/json"),
                ("Content-Digest", signing.content_digest(content)),
                ("Idempotency-Key", uuid.uuid4().hex),
            ),
            content,
        )  # fmt: skip
        parameters: list[Parameter] = [
            ("created", int(time.time())), ("nonce", uuid.uuid4().hex), ("keyid", self.key_id),
        ]  # fmt: skip
        return Draft(request, self.key_id, self.key, parameters)

    def read(self, target: str = "/v1/users?limit=1") -> Draft:
        host, port = host_port(self.fq.deployment.url_for(target.partition("?")[0]))
        parameters: list[Parameter] = [("created", int(time.time())), ("keyid", self.key_id)]
        return Draft(Request("GET", target, f"{host}:{port}"), self.key_id, self.key, parameters)

    def send(self, request: Request) -> Answer:
        return ask_raw(self.fq.deployment.url_for(request.path), request.raw())


@pytest.fixture(scope="module")
def signers(fq: World) -> dict[str, Signer]:
    return {algorithm: Signer(fq, algorithm) for algorithm in signing.ALGORITHMS}


def header(name: str, change: Callable[[str], str]) -> Callable[[Request], Request]:
    """Changes one header's value after the signature."""

    def apply(request: Request) -> Request:
        values = [(n, change(v)) if n.lower() == name.lower() else (n, v) for n, v in request.headers]
        return replace(request, headers=tuple(values))

    return apply


@pytest.mark.parametrize("algorithm", signing.ALGORITHMS)
def test_right_signatures(signers: dict[str, Signer], algorithm: str) -> None:
    signer = signers[algorithm]
    expect(signer.send(signer.write().finished()), 201)
    expect(signer.send(signer.read().finished()))
    expect(signer.send(signer.read("/v1/users").finished()))  # @query is `?`
    with_algorithm = signer.write()
    with_algorithm.set("alg", algorithm)
    expect(signer.send(with_algorithm.finished()), 201)


def sha512(draft: Draft) -> None:
    digest = signing.content_digest(draft.request.body, "sha-512")
    draft.request = header("Content-Digest", lambda old: digest)(draft.request)


def both_digests(draft: Draft) -> None:
    digest = signing.content_digest(draft.request.body, "sha-512")
    draft.request = header("Content-Digest", lambda old: f"{old}, {digest}, md5=:AAAA:")(draft.request)


def more_covered(draft: Draft) -> None:
    draft.request = draft.request.with_headers(("Date", "Mon, 23 Nov 2026 10:00:00 GMT"))
    draft.components = [*signing.required_components(draft.request), "date"]


def other_order(draft: Draft) -> None:
    draft.components = signing.required_components(draft.request)[::-1]
    draft.parameters = draft.parameters[::-1]


def almost_old(draft: Draft) -> None:
    draft.set("created", int(time.time()) - 290)


def almost_ahead(draft: Draft) -> None:
    draft.set("created", int(time.time()) + 50)


def with_expires(draft: Draft) -> None:
    draft.set("expires", int(time.time()) + 60)
    draft.set("tag", "shop")


def respaced(draft: Draft) -> None:
    draft.after.append(header("Signature-Input", lambda value: re.sub(";", "; ", value)))


def strangers_second(draft: Draft) -> None:
    created = int(time.time())
    proxy = f'proxy=("@method");created={created};keyid="key_0123456789012"'
    draft.after.append(header("Signature-Input", lambda value: f"{value}, {proxy}"))
    draft.after.append(header("Signature", lambda value: f"{value}, proxy=:AAAA:"))


def strangers_first(draft: Draft) -> None:
    created = int(time.time())
    proxy = f'proxy=("@method");created={created};keyid="key_0123456789012"'
    draft.after.append(header("Signature-Input", lambda value: f"{proxy}, {value}"))
    draft.after.append(header("Signature", lambda value: f"proxy=:AAAA:, {value}"))


def upper_case_host(draft: Draft) -> None:
    port = draft.request.authority.partition(":")[2]
    draft.request = replace(draft.request, authority=f"LocalHost:{port}")


ALSO_RIGHT = [
    sha512, both_digests, more_covered, other_order, almost_old, almost_ahead, with_expires, respaced,
    strangers_second, strangers_first, upper_case_host,
]  # fmt: skip


@pytest.mark.parametrize("change", ALSO_RIGHT, ids=lambda change: change.__name__)
def test_what_is_right_too(signers: dict[str, Signer], change: Callable[[Draft], None]) -> None:
    signer = signers["hmac-sha256"]
    draft = signer.write()
    change(draft)
    expect(signer.send(draft.finished()), 201)


def test_a_query_is_covered_on_a_write(signers: dict[str, Signer]) -> None:
    signer = signers["hmac-sha256"]
    draft = signer.write("/v1/users?x=1")
    refused(signer.send(draft.finished()), "invalid_field", "x")  # signed right, but no such parameter
    draft = signer.write("/v1/users?x=1")
    draft.components = [c for c in signing.required_components(draft.request) if c != "@query"]
    refused(signer.send(draft.finished()), "signature_invalid")


# Faults: each is one change, and the code that the answer must name.

FAULTS: dict[str, tuple[Callable[[Draft], None], str]] = {}


def fault(code: str = "signature_invalid") -> Callable[[Callable[[Draft], None]], Callable[[Draft], None]]:
    def register(change: Callable[[Draft], None]) -> Callable[[Draft], None]:
        FAULTS[change.__name__] = (change, code)
        return change

    return register


@fault("signature_missing")
def unsigned(draft: Draft) -> None:
    draft.after.append(lambda request: request.without("Signature", "Signature-Input"))


@fault("signature_expired")
def created_too_old(draft: Draft) -> None:
    draft.set("created", int(time.time()) - 302)


@fault("signature_expired")
def created_too_far_ahead(draft: Draft) -> None:
    draft.set("created", int(time.time()) + 65)


@fault("signature_expired")
def expires_past(draft: Draft) -> None:
    draft.set("expires", int(time.time()) - 1)


@fault()
def no_created(draft: Draft) -> None:
    draft.set("created", None)


@fault()
def created_as_string(draft: Draft) -> None:
    draft.set("created", str(int(time.time())))


@fault()
def no_nonce(draft: Draft) -> None:
    draft.set("nonce", None)


@fault("key_unknown")
def unknown_key(draft: Draft) -> None:
    draft.set("keyid", "key_0123456789012")


@fault("key_unknown")
def keyid_of_no_key(draft: Draft) -> None:
    draft.set("keyid", "nobody-knows")


def _uncovered(component: str) -> None:
    def change(draft: Draft) -> None:
        covered = signing.required_components(draft.request)
        draft.components = [one for one in covered if one != component]

    change.__name__ = f"not_covering_{component.lstrip('@')}"
    fault()(change)


for _component in ("@method", "@authority", "@path", "content-digest", "content-type", "idempotency-key"):
    _uncovered(_component)


@fault()
def body_changed(draft: Draft) -> None:
    draft.after.append(lambda r: replace(r, body=r.body.replace(b"name", b"nome")))


@fault()
def body_and_digest_changed(draft: Draft) -> None:
    body = json.dumps({"name": "别人"}).encode()
    draft.after.append(lambda r: replace(r, body=body))
    draft.after.append(header("Content-Digest", lambda old: signing.content_digest(body)))


@fault()
def white_space_added_to_the_body(draft: Draft) -> None:
    draft.after.append(lambda r: replace(r, body=r.body + b" "))


@fault()
def method_changed(draft: Draft) -> None:
    draft.request = replace(draft.request, method="PATCH")
    draft.after.append(lambda r: replace(r, method="POST"))


@fault()
def path_changed(draft: Draft) -> None:
    draft.request = replace(draft.request, target="/v1/orders")
    draft.after.append(lambda r: replace(r, target="/v1/users"))


@fault()
def query_added(draft: Draft) -> None:
    draft.after.append(lambda r: replace(r, target=r.target + "?a=b"))


@fault()
def host_changed(draft: Draft) -> None:
    draft.after.append(lambda r: replace(r, authority="other.example"))


@fault()
def idempotency_key_changed(draft: Draft) -> None:
    draft.after.append(header("Idempotency-Key", lambda old: old[::-1] + "x"))


@fault()
def content_type_changed(draft: Draft) -> None:
    draft.after.append(header("Content-Type", lambda old: "application/json; charset=utf-8"))


@fault()
def digest_sha1_only(draft: Draft) -> None:
    digest = f"sha=:{b64(hashlib.sha1(draft.request.body).digest())}:"
    draft.request = header("Content-Digest", lambda old: digest)(draft.request)


@fault()
def one_digest_wrong(draft: Draft) -> None:
    wrong = signing.content_digest(b"other", "sha-512")
    draft.request = header("Content-Digest", lambda old: f"{old}, {wrong}")(draft.request)


@fault()
def digest_absent(draft: Draft) -> None:
    draft.request = draft.request.without("Content-Digest")
    covered = ["@method", "@authority", "@path", "content-type", "idempotency-key"]
    draft.components = covered


@fault()
def digest_hex(draft: Draft) -> None:
    digest = f"sha-256=:{hashlib.sha256(draft.request.body).hexdigest()}:"
    draft.request = header("Content-Digest", lambda old: digest)(draft.request)


@fault()
def alg_differs(draft: Draft) -> None:
    draft.set("alg", "ed25519")


@fault()
def signature_truncated(draft: Draft) -> None:
    draft.encode = lambda signature: b64(signature[:-1])


@fault()
def signature_with_a_byte_more(draft: Draft) -> None:
    draft.encode = lambda signature: b64(signature + b"\0")


@fault()
def signature_empty(draft: Draft) -> None:
    draft.encode = lambda signature: ""


@fault()
def signature_hex(draft: Draft) -> None:
    draft.encode = lambda signature: b64(signature.hex().encode())


@fault()
def signature_zeros(draft: Draft) -> None:
    draft.encode = lambda signature: b64(bytes(len(signature)))


@fault()
def signature_not_bytes(draft: Draft) -> None:
    draft.after.append(header("Signature", lambda old: 'fq="text"'))


@fault()
def base_with_final_line_feed(draft: Draft) -> None:
    draft.base = lambda base: base + b"\n"


@fault()
def base_with_crlf(draft: Draft) -> None:
    draft.base = lambda base: base.replace(b"\n", b"\r\n")


@fault()
def parameters_sorted_by_the_signer(draft: Draft) -> None:
    shown = draft.parameters
    in_order = signing.inner_list(signing.required_components(draft.request), sorted(shown))

    def rebase(base: bytes) -> bytes:
        lines = base.split(b"\n")
        return b"\n".join([*lines[:-1], b'"@signature-params": ' + in_order.encode()])

    draft.parameters = [("nonce", shown[1][1]), ("created", shown[0][1]), shown[2]]
    draft.base = rebase


@fault()
def labels_do_not_match(draft: Draft) -> None:
    draft.after.append(header("Signature", lambda old: old.replace("fq=", "qf=", 1)))


@fault()
def label_twice(draft: Draft) -> None:
    draft.after.append(header("Signature", lambda old: f"{old}, {old}"))


@fault()
def component_twice(draft: Draft) -> None:
    draft.components = [*signing.required_components(draft.request), "@method"]


@fault()
def input_is_no_inner_list(draft: Draft) -> None:
    draft.after.append(header("Signature-Input", lambda old: "fq=7"))


@fault()
def five_signatures(draft: Draft) -> None:
    more = ", ".join(f'l{n}=("@method");created=1;keyid="nobody"' for n in range(4))
    values = ", ".join(f"l{n}=:AAAA:" for n in range(4))
    draft.after.append(header("Signature-Input", lambda old: f"{old}, {more}"))
    draft.after.append(header("Signature", lambda old: f"{old}, {values}"))


@pytest.mark.parametrize("name", sorted(FAULTS))
def test_one_fault_is_refused(signers: dict[str, Signer], name: str) -> None:
    change, code = FAULTS[name]
    signer = signers["hmac-sha256"]
    draft = signer.write()
    change(draft)
    refused(signer.send(draft.finished()), code)


def test_base64url_is_refused(signers: dict[str, Signer]) -> None:
    signer = signers["hmac-sha256"]
    for _ in range(64):  # until a signature has a character that the alphabets disagree on
        draft = signer.write()
        plain = draft.finished()
        if re.search(r"[+/]", plain.values("Signature")[0]):
            changed = header("Signature", lambda v: v.replace("+", "-").replace("/", "_"))(plain)
            refused(signer.send(changed), "signature_invalid")
            return
    raise AssertionError("no such signature in 64")


def test_ecdsa_is_r_and_s_not_der(signers: dict[str, Signer]) -> None:
    signer = signers["ecdsa-p256-sha256"]
    draft = signer.write()
    draft.sign = lambda base: bytes(signer.key.secret.sign(base, ec.ECDSA(hashes.SHA256())))
    refused(signer.send(draft.finished()), "signature_invalid")


@pytest.mark.parametrize("salt, mask", [(32, hashes.SHA512()), (64, hashes.SHA256())])
def test_pss_parameters_are_the_rfcs(
    signers: dict[str, Signer], salt: int, mask: hashes.HashAlgorithm
) -> None:
    signer = signers["rsa-pss-sha512"]
    draft = signer.write()
    pss = padding.PSS(mgf=padding.MGF1(mask), salt_length=salt)
    draft.sign = lambda base: bytes(signer.key.secret.sign(base, pss, hashes.SHA512()))
    refused(signer.send(draft.finished()), "signature_invalid")


def test_the_algorithm_is_the_keys(signers: dict[str, Signer]) -> None:
    """No algorithm of the message's own choice: not HMAC with a public key, not PSS for v1.5."""
    signer = signers["rsa-v1_5-sha256"]
    draft = signer.write()
    draft.sign = SigningKey("rsa-pss-sha512", signer.key.secret).sign
    refused(signer.send(draft.finished()), "signature_invalid")
    draft = signer.write()
    draft.set("alg", "hmac-sha256")
    draft.sign = SigningKey("hmac-sha256", signer.key.public_pem()).sign
    refused(signer.send(draft.finished()), "signature_invalid")
    draft = signer.write()
    draft.sign = SigningKey("hmac-sha256", signer.key.public_pem()).sign
    refused(signer.send(draft.finished()), "signature_invalid")


def test_a_read_must_cover_its_query(signers: dict[str, Signer]) -> None:
    signer = signers["hmac-sha256"]
    draft = signer.read()
    draft.components = ["@method", "@authority", "@path"]
    refused(signer.send(draft.finished()), "signature_invalid")
    draft = signer.read()
    changed = replace(draft.finished(), target="/v1/users?limit=2")
    refused(signer.send(changed), "signature_invalid")


def test_a_read_may_be_sent_again(signers: dict[str, Signer]) -> None:
    signer = signers["hmac-sha256"]
    request = signer.read().finished()
    expect(signer.send(request))
    expect(signer.send(request))


# Nonces.


def test_a_nonce_counts_once(signers: dict[str, Signer]) -> None:
    signer = signers["hmac-sha256"]
    draft = signer.write()
    request = draft.finished()
    user = expect(signer.send(request), 201)
    refused(signer.send(request), "nonce_reused")
    # A retry takes a new nonce and the old Idempotency-Key.
    draft.set("nonce", uuid.uuid4().hex)
    again = signer.send(draft.finished())
    assert again.replayed and expect(again, 201) == user


def test_a_nonce_is_kept_only_after_all_else_was_right(signers: dict[str, Signer]) -> None:
    signer = signers["hmac-sha256"]
    draft = signer.write()
    good = draft.finished()
    bad = replace(good, body=good.body + b" ")
    refused(signer.send(bad), "signature_invalid")
    expect(signer.send(good), 201)


def test_the_first_known_key_decides_also_when_it_was_never_seen(fq: World) -> None:
    """Which of two keys asks must not depend on what the server has in mind: a retry would be another's."""
    for first_is_right in (True, False):
        (first_id, first), (second_id, second) = (fq.deployment.credentials("admin") for _ in "ab")
        assert isinstance(first, Signed) and isinstance(second, Signed)
        host = "{}:{}".format(*host_port(fq.deployment.url_for("/v1/users")))
        request = Request("GET", "/v1/users?limit=1", host)
        components, headers = signing.required_components(request), []
        for label, key_id, key in (("one", first_id, first.key), ("two", second_id, second.key)):
            sign = key.sign if first_is_right or label == "two" else lambda base: bytes(32)
            parameters: list[Parameter] = [("created", int(time.time())), ("keyid", key_id)]
            headers += signing.signature_headers(request, sign, components, parameters, label)
        for _ in range(2):
            answer = ask_raw(fq.deployment.url_for("/v1/users"), request.with_headers(*headers).raw())
            if first_is_right:
                expect(answer)
            else:
                refused(answer, "signature_invalid")


def test_a_nonce_is_the_keys_own(fq: World, signers: dict[str, Signer]) -> None:
    one, two = signers["hmac-sha256"], signers["ed25519"]
    nonce = uuid.uuid4().hex
    for signer in (one, two):
        draft = signer.write()
        draft.set("nonce", nonce)
        expect(signer.send(draft.finished()), 201)


def test_a_nonce_sent_by_many_at_once_counts_once(signers: dict[str, Signer]) -> None:
    signer = signers["hmac-sha256"]
    request = signer.write().finished()
    statuses = sorted(answer.status for answer in together(16, lambda _: signer.send(request)))
    assert statuses == [201] + [401] * 15


# Order of checks, and bearer keys.


def test_the_route_comes_before_the_signature(fq: World) -> None:
    nobody = fq.deployment.anonymous()
    refused(nobody.get("/v1/nothing"), "route_not_found")
    refused(nobody.request("DELETE", "/v1/users"), "method_not_allowed")
    refused(nobody.get("/v1/users"), "signature_missing")
    refused(nobody.get("/v1/users/usr_0123456789012"), "signature_missing")
    refused(nobody.post("/v1/payments", {"amout": 1}), "signature_missing")


def test_bearer_keys(fq: World, bearer: Client) -> None:
    expect(bearer.get("/v1/users"))
    for token in ("fq_test_unknown", "fq_test_" + "A" * 43, "nonsense"):
        answer = bearer.request(
            "GET", "/v1/users", credentials=fq.deployment.anonymous().credentials,
            headers=[("Authorization", f"Bearer {token}")],
        )  # fmt: skip
        refused(answer, "key_unknown")


def test_an_unauthorized_answer_names_how_to_authenticate(fq: World) -> None:
    answer = fq.deployment.anonymous().get("/v1/users")
    refused(answer, "signature_missing")
    assert answer.header("WWW-Authenticate")


# Answers are signed too.


def test_answers_are_signed_when_the_server_has_a_key(deploy: Deploy) -> None:
    key = SigningKey.generate("ed25519")
    own = deploy(start=False)
    path = own.folder / "signing.pem"
    path.touch(mode=0o600)
    path.write_bytes(key.private_pem())
    own.environment[names.SIGNING_KEY_FILE] = str(path)
    own.start()
    fq = World(own)
    signer = Signer(fq, "hmac-sha256")
    request = signer.write().finished()
    answer = signer.send(request)
    expect(answer, 201)
    assert answer.header("Content-Digest") == signing.content_digest(answer.body)
    found = re.fullmatch(r"([a-z0-9_*.-]+)=(\((.*?)\).*)", answer.header("Signature-Input") or "")
    assert found, answer.headers
    label, member, listed = found.groups()
    lines = []
    for component in listed.split(" "):
        name = component.strip('"')
        if name == "@status":
            lines.append(f"{component}: {answer.status}")
        elif component.startswith('"signature";req'):
            value = request.values("Signature")[0]
            lines.append(f"{component}: {value.partition('=')[2] if ';key=' in component else value}")
        else:
            lines.append(f"{component}: {answer.header(name)}")
    assert {'"@status"', '"content-digest"'} <= set(listed.split(" ")) and ";req" in listed
    base = "\n".join([*lines, f'"@signature-params": {member}']).encode()
    shown = re.fullmatch(rf"{re.escape(label)}=:(.*):", answer.header("Signature") or "")
    assert shown
    public = serialization.load_pem_public_key(key.public_pem())
    assert signing.verify("ed25519", public, base, base64.b64decode(shown.group(1)))


def test_a_live_server_takes_signatures_only(deploy: Deploy) -> None:
    live = deploy(mode="live")
    done = live.cli("keys", "create", "--scope", "admin", "--algorithm", "bearer", "--output", "json")
    assert done.returncode == 1, (done.returncode, done.stdout, done.stderr)
    client = live.client("admin", "ed25519")
    user = expect(client.post("/v1/users", {"name": "真"}), 201)
    topup = {"user_id": user["id"], "amount": 1, "currency": "CNY", "method": "sandbox"}
    refused(client.post("/v1/topups", topup), "invalid_field", "method")
    events = eventually(lambda: expect(client.get("/v1/users"))["data"])
    assert events[0]["id"] == user["id"]
    live.stop()
