"""Every error code of the contract, produced through the real server, each with a whole problem document."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from dataclasses import replace

import pytest

import names
import signing
from client import Answer, Client, Signed, ask_raw, expect, host_port, refused
from signing import Request
from world import World

Producer = Callable[[World], Answer]
PRODUCERS: dict[str, Producer] = {}

# Produced by a test of their own, since they need a server of their own.
ELSEWHERE = {
    "rate_limited": "test_rate_limits.py",
    "unavailable": "test_outage.py",
    "idempotency_in_progress": "test_outage.py",
}
# Not before their channels are there, or never on purpose.
NOT_YET = {
    "card_declined": "the card channel",
    "channel_declined": "the other channels",
    "risk_blocked": "risk rules",
    "internal": "a fault of the server's own",
}


def produces(code: str) -> Callable[[Producer], Producer]:
    def register(producer: Producer) -> Producer:
        assert code not in PRODUCERS
        PRODUCERS[code] = producer
        return producer

    return register


def test_every_code_is_produced_somewhere() -> None:
    known = PRODUCERS.keys() | ELSEWHERE.keys() | NOT_YET.keys()
    assert known == names.CODES.keys()


def raw(fq: World, path: str, text: str) -> Answer:
    url = fq.deployment.url_for(path)
    host, port = host_port(url)
    return ask_raw(url, text.replace("HOST", f"{host}:{port}").encode("latin-1"), within=20)


@produces("malformed_json")
def _(fq: World) -> Answer:
    return fq.admin.post("/v1/users", b"{")


@produces("unknown_field")
def _(fq: World) -> Answer:
    return fq.admin.post("/v1/users", {"name": "x", "nmae": "y"})


@produces("missing_field")
def _(fq: World) -> Answer:
    return fq.admin.post("/v1/users", {})


@produces("invalid_field")
def _(fq: World) -> Answer:
    return fq.admin.post("/v1/users", {"name": 7})


@produces("amount_not_positive")
def _(fq: World) -> Answer:
    return fq.admin.post("/v1/orders", fq.order_body({"id": "usr_0123456789012"}, 0))


@produces("bad_request")
def _(fq: World) -> Answer:
    return raw(fq, "/healthz", "GET /healthz HTTP/1.1\r\nHost: HOST\r\nBad Name: x\r\n\r\n")


@produces("signature_missing")
def _(fq: World) -> Answer:
    return fq.deployment.anonymous().get("/v1/users")


class Skewed:
    """Signs as another does, at another time."""

    def __init__(self, inner: Signed, seconds: int) -> None:
        self.inner, self.seconds = inner, seconds

    def headers(self, request: Request) -> tuple[signing.Header, ...]:
        parameters: list[signing.Parameter] = [
            ("created", int(time.time()) + self.seconds), ("keyid", self.inner.key_id),
        ]  # fmt: skip
        components = signing.required_components(request)
        return signing.signature_headers(request, self.inner.key.sign, components, parameters)


def signed(client: Client) -> Signed:
    assert isinstance(client.credentials, Signed)
    return client.credentials


@produces("signature_invalid")
def _(fq: World) -> Answer:
    mine = signed(fq.admin)
    other = signing.SigningKey("hmac-sha256", b"x" * 32)
    return fq.admin.request("GET", "/v1/users", credentials=replace(mine, key=other))


@produces("signature_expired")
def _(fq: World) -> Answer:
    return fq.admin.request("GET", "/v1/users", credentials=Skewed(signed(fq.admin), -302))


class Repeated:
    """Signs each request with one nonce."""

    def __init__(self, inner: Signed) -> None:
        self.inner, self.nonce = inner, uuid.uuid4().hex

    def headers(self, request: Request) -> tuple[signing.Header, ...]:
        digest = ("Content-Digest", signing.content_digest(request.body))
        request = request.with_headers(digest)
        parameters: list[signing.Parameter] = [
            ("created", int(time.time())), ("nonce", self.nonce), ("keyid", self.inner.key_id),
        ]  # fmt: skip
        components = signing.required_components(request)
        more = signing.signature_headers(request, self.inner.key.sign, components, parameters)
        return (digest, *more)


@produces("nonce_reused")
def _(fq: World) -> Answer:
    credentials = Repeated(signed(fq.admin))
    expect(fq.admin.post("/v1/users", {"name": "x"}, credentials=credentials), 201)
    return fq.admin.post("/v1/users", {"name": "x"}, credentials=credentials)


@produces("key_unknown")
def _(fq: World) -> Answer:
    credentials = replace(signed(fq.admin), key_id="key_0123456789012")
    return fq.admin.request("GET", "/v1/users", credentials=credentials)


@produces("key_revoked")
def _(fq: World) -> Answer:
    client = fq.client("read")
    done = fq.deployment.cli("keys", "revoke", client.key_id)
    assert done.returncode == 0, done.stderr
    return client.get("/v1/users")


@produces("insufficient_balance")
def _(fq: World) -> Answer:
    return fq.try_pay(fq.order(fq.merchant()), fq.payer())


@produces("not_allowed")
def _(fq: World) -> Answer:
    return fq.client("read").post("/v1/users", {"name": "x"})


def _unknown(code: str, path: str) -> None:
    produces(code)(lambda fq: fq.admin.get(path))


for _code, _path in (
    ("user_not_found", "/v1/users/usr_0123456789012"),
    ("order_not_found", "/v1/orders/ord_0123456789012"),
    ("payment_not_found", "/v1/payments/pay_0123456789012"),
    ("refund_not_found", "/v1/refunds/ref_0123456789012"),
    ("topup_not_found", "/v1/topups/top_0123456789012"),
    ("account_not_found", "/v1/accounts/acc_0123456789012"),
    ("event_not_found", "/v1/events/evt_0123456789012"),
    ("route_not_found", "/v1/nothing"),
):
    _unknown(_code, _path)


@produces("method_not_allowed")
def _(fq: World) -> Answer:
    return fq.admin.request("DELETE", "/v1/users")


@produces("not_acceptable")
def _(fq: World) -> Answer:
    return fq.admin.request("GET", "/v1/users", headers=[("Accept", "text/html")])


@produces("request_timeout")
def _(fq: World) -> Answer:
    return raw(fq, "/healthz", "GET /healthz HTTP/1.1\r\nHost: HOST\r\n")


@produces("length_required")
def _(fq: World) -> Answer:
    return raw(fq, "/v1/orders", "POST /v1/orders HTTP/1.1\r\nHost: HOST\r\n\r\n")


@produces("precondition_failed")
def _(fq: World) -> Answer:
    path = f"/v1/users/{fq.user()['id']}"
    return fq.admin.patch(path, {"name": "x"}, headers=[("If-Match", '"999"')])


@produces("content_too_large")
def _(fq: World) -> Answer:
    return fq.admin.post("/v1/users", b" " * (64 * 1024 + 1))


@produces("uri_too_long")
def _(fq: World) -> Answer:
    return raw(fq, "/healthz", f"GET /{'a' * 12_000} HTTP/1.1\r\nHost: HOST\r\n\r\n")


@produces("unsupported_media_type")
def _(fq: World) -> Answer:
    return fq.admin.post("/v1/users", b"<x/>", headers=[("Content-Type", "text/xml")])


@produces("expectation_failed")
def _(fq: World) -> Answer:
    text = "POST /v1/orders HTTP/1.1\r\nHost: HOST\r\nExpect: tea\r\nContent-Length: 2\r\n\r\n{}"
    return raw(fq, "/v1/orders", text)


@produces("request_header_fields_too_large")
def _(fq: World) -> Answer:
    return raw(fq, "/healthz", f"GET /healthz HTTP/1.1\r\nHost: HOST\r\nX: {'a' * 20_000}\r\n\r\n")


@produces("not_implemented")
def _(fq: World) -> Answer:
    return raw(fq, "/healthz", "BREW /healthz HTTP/1.1\r\nHost: HOST\r\n\r\n")


@produces("http_version_not_supported")
def _(fq: World) -> Answer:
    return raw(fq, "/healthz", "GET /healthz HTTP/2.0\r\nHost: HOST\r\n\r\n")


@produces("order_already_paid")
def _(fq: World) -> Answer:
    sale = fq.sale()
    return fq.try_pay(sale.order, sale.payer)


@produces("order_not_payable")
def _(fq: World) -> Answer:
    order = fq.order(fq.merchant())
    fq.act(order, "cancel")
    return fq.try_pay(order, fq.payer(5000))


@produces("payment_not_refundable")
def _(fq: World) -> Answer:
    sale = fq.sale()
    fq.refund(sale.payment)
    return fq.admin.post("/v1/refunds", {"payment_id": sale.payment["id"]})


@produces("reference_taken")
def _(fq: World) -> Answer:
    payee = fq.merchant()
    fq.order(payee, reference="one")
    return fq.admin.post("/v1/orders", fq.order_body(payee, reference="one"))


@produces("state_conflict")
def _(fq: World) -> Answer:
    return fq.admin.post(f"/v1/payments/{fq.sale().payment['id']}/capture")


@produces("amount_mismatch")
def _(fq: World) -> Answer:
    return fq.try_pay(fq.order(fq.merchant(), 100), fq.payer(100), amount=99)


@produces("currency_mismatch")
def _(fq: World) -> Answer:
    return fq.try_pay(fq.order(fq.merchant(), 100), fq.payer(100), currency="USD")


@produces("payer_mismatch")
def _(fq: World) -> Answer:
    order = fq.order(fq.merchant(), 100, payer_id=fq.payer()["id"])
    return fq.try_pay(order, fq.payer(100))


@produces("payer_is_payee")
def _(fq: World) -> Answer:
    both = fq.user(balance=100)
    return fq.try_pay(fq.order(both, 100), both)


@produces("refund_exceeds_payment")
def _(fq: World) -> Answer:
    return fq.admin.post("/v1/refunds", {"payment_id": fq.sale(100).payment["id"], "amount": 101})


@produces("capture_exceeds_payment")
def _(fq: World) -> Answer:
    return fq.admin.post(f"/v1/payments/{fq.authorized(100).payment['id']}/capture", {"amount": 101})


@produces("idempotency_key_reused")
def _(fq: World) -> Answer:
    key = uuid.uuid4().hex
    expect(fq.admin.post("/v1/users", {"name": "x"}, key=key), 201)
    return fq.admin.post("/v1/users", {"name": "y"}, key=key)


@produces("user_frozen")
def _(fq: World) -> Answer:
    payer = fq.payer(100)
    fq.act(payer, "freeze")
    return fq.try_pay(fq.order(fq.merchant(), 100), payer)


@produces("bulk_aborted")
def _(fq: World) -> Answer:
    payee, payer = fq.merchant(), fq.payer(200)
    good, bad = (fq.payment_body(order, payer) for order in fq.orders(payee, 2))
    body = {"payments": [good, {**bad, "amount": 1}], "atomic": True}
    whole = fq.admin.post("/v1/payments/bulk", body)
    first = expect(whole)["data"][0]
    # An item's problem has the whole's request id; its own status and media type are in the body.
    import http.client
    import json

    headers = http.client.HTTPMessage()
    headers["Content-Type"] = "application/problem+json"
    headers["Request-Id"] = whole.header("Request-Id") or ""
    return Answer(first["status"], headers, json.dumps(first["body"]).encode())


def test_where_type_leads_each_code_is_explained(fq: World) -> None:
    anybody = fq.deployment.anonymous()
    for code, status in names.CODES.items():
        page = anybody.get(f"/problems/{code}")
        assert page.status == 200 and page.header("Content-Type") == "text/plain; charset=utf-8", code
        text = page.body.decode()
        assert text.startswith(f"{code} ({status})\n\n") and text.endswith("。\n"), text
        assert "{" not in text, text  # no blank of a sentence is left to see
    refused(anybody.get("/problems/no_such_code"), "route_not_found")


# Behind all producers: the list is made when this line is read.
@pytest.mark.parametrize("code", sorted(PRODUCERS))
def test_produced(fq: World, code: str) -> None:
    problem = refused(PRODUCERS[code](fq), code)
    assert problem["title"].isascii() and problem["detail"].isascii()
    assert "{" not in problem["detail"], "a blank was not filled"
