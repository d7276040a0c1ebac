"""`POST /payment/{order_id}`: the payment command for clients that can set no headers."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest

import names
import signing
from client import Answer, Client, Signed, check_problem
from world import Json, World

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def decimal(identifier: str) -> int:
    number = 0
    for character in identifier.partition("_")[2]:
        number = number * 32 + CROCKFORD.index(character)
    return number


class Payer:
    """Signs bodies with one key."""

    def __init__(self, fq: World, algorithm: str = "hmac-sha256", scope: str = "admin") -> None:
        client = fq.client(scope, algorithm)
        assert isinstance(client.credentials, Signed)
        self.fq, self.key, self.key_id = fq, client.credentials.key, client.key_id

    def body(self, order: Json, user: Json, **fields: Any) -> Json:
        return {
            "order_id": order["id"], "user_id": user["id"], "amount": order["amount"],
            "key_id": self.key_id, "nonce": uuid.uuid4().hex, "created": int(time.time()), **fields,
        }  # fmt: skip

    def send(self, body: Json, order_id: str, content_type: str = "text/plain", sign: bool = True) -> Answer:
        signed = signing.sign_body(body, self.key) if sign else body
        client = Client(self.fq.deployment.url_for, self.fq.deployment.anonymous().credentials)
        raw = json.dumps(signed).encode()
        headers = [("Content-Type", content_type)]
        return client.post(f"/payment/{order_id}", raw, key=None, headers=headers)

    def pay(self, order: Json, user: Json, **fields: Any) -> Answer:
        return self.send(self.body(order, user, **fields), order["id"])


@pytest.fixture(scope="module")
def caller(fq: World) -> Payer:
    return Payer(fq)


def refused(answer: Answer, code: str, error: str) -> Json:
    assert answer.status == names.CODES[code], f"expected {code}, got {answer}"
    media_type = (answer.header("Content-Type") or "").partition(";")[0]
    assert media_type == "application/problem+json"
    problem: Json = answer.json()
    check_problem(problem, code)
    assert problem["error"] == error, problem
    return problem


def paid(answer: Answer) -> Json:
    assert answer.status == 200, answer
    shown: Json = answer.json()
    assert shown["message"] == "支付成功" and shown["payment"]["status"] == "succeeded"
    payment: Json = shown["payment"]
    return payment


@pytest.mark.parametrize("algorithm", signing.ALGORITHMS)
def test_each_algorithm_pays(fq: World, algorithm: str) -> None:
    payer, order = fq.payer(100), fq.order(fq.merchant(), 100)
    payment = paid(Payer(fq, algorithm).pay(order, payer))
    assert payment["method"] == "balance" and payment["order_id"] == order["id"]
    assert fq.get(payment) == payment and fq.balance(payer) == (0, 0, 0)


@pytest.mark.parametrize(
    "content_type", ["application/json", "text/plain", "application/x-www-form-urlencoded"]
)
def test_the_content_type_is_not_looked_at(fq: World, caller: Payer, content_type: str) -> None:
    payer, order = fq.payer(100), fq.order(fq.merchant(), 100)
    paid(caller.send(caller.body(order, payer), order["id"], content_type))


def test_everything_else_of_a_payment_may_be_said(fq: World, caller: Payer) -> None:
    payer, order = fq.payer(100), fq.order(fq.merchant(), 100)
    metadata = {"备注": '午餐 "两份"\n', "€": "euro", "😀": "grin", "\ufb33": "dalet", "a/b": "\x7f\x01"}
    answer = caller.pay(order, payer, currency="CNY", method="balance", reference="s-1", metadata=metadata)
    payment = paid(answer)
    assert payment["metadata"] == metadata and payment["reference"] == "s-1"


def test_the_order_id_may_be_left_out_of_the_body(fq: World, caller: Payer) -> None:
    payer, order = fq.payer(100), fq.order(fq.merchant(), 100)
    body = caller.body(order, payer)
    del body["order_id"]
    paid(caller.send(body, order["id"]))


def test_manual_capture_is_not_yet_paid(fq: World, caller: Payer) -> None:
    payer, order = fq.payer(100), fq.order(fq.merchant(), 100)
    answer = caller.pay(order, payer, capture="manual")
    assert answer.status == 202, answer
    assert answer.json()["message"] == "支付处理中"
    assert answer.json()["payment"]["status"] == "authorized"


Spell = Callable[[str], Any]


@pytest.mark.parametrize("spell", [decimal, lambda i: str(decimal(i))], ids=["number", "digits"])
@pytest.mark.parametrize("in_path", [lambda i: str(decimal(i)), lambda i: i], ids=["decimal", "text"])
def test_ids_may_be_decimal(fq: World, caller: Payer, spell: Spell, in_path: Spell) -> None:
    payer, order = fq.payer(100), fq.order(fq.merchant(), 100)
    body = caller.body(order, payer, order_id=spell(order["id"]), user_id=spell(payer["id"]))
    payment = paid(caller.send(body, in_path(order["id"])))
    assert payment["order_id"] == order["id"] and payment["user_id"] == payer["id"]


@pytest.mark.parametrize("order_id", ["0", "-1", "007", "9223372036854775808", "1e3", "ord_x"])
def test_a_malformed_id_in_the_path_is_not_found(fq: World, caller: Payer, order_id: str) -> None:
    payer, order = fq.payer(100), fq.order(fq.merchant(), 100)
    body = caller.body(order, payer)
    del body["order_id"]
    refused(caller.send(body, order_id), "order_not_found", "用户或订单不存在")


def test_unknown_user_and_order(fq: World, caller: Payer) -> None:
    payer, order = fq.payer(100), fq.order(fq.merchant(), 100)
    nobody = {**payer, "id": "usr_0123456789012"}
    refused(caller.pay(order, nobody), "user_not_found", "用户或订单不存在")
    nothing = {**order, "id": "ord_0123456789012"}
    refused(caller.pay(nothing, payer), "order_not_found", "用户或订单不存在")


@pytest.mark.parametrize("amount", [0, -1])
def test_an_amount_that_is_not_positive(fq: World, caller: Payer, amount: int) -> None:
    payer, order = fq.payer(100), fq.order(fq.merchant(), 100)
    answer = caller.pay(order, payer, amount=amount)
    refused(answer, "amount_not_positive", "金额不能为负或零")


def test_a_wrong_signature(fq: World, caller: Payer) -> None:
    payer, order = fq.payer(100), fq.order(fq.merchant(), 100)
    signed = signing.sign_body(caller.body(order, payer, amount=1), caller.key)
    signed["amount"] = 100
    refused(caller.send(signed, order["id"], sign=False), "signature_invalid", "签名验证失败")
    assert fq.balance(payer) == (100, 0, 0)
    no_base64 = {**caller.body(order, payer), "signature": "not base64!"}
    refused(caller.send(no_base64, order["id"], sign=False), "signature_invalid", "签名验证失败")


def test_signed_with_signature_field_or_raw_order_is_wrong(fq: World, caller: Payer) -> None:
    payer, order = fq.payer(100), fq.order(fq.merchant(), 100)
    body = caller.body(order, payer)
    raw = signing.b64(caller.key.sign(json.dumps(body).encode()))
    answer = caller.send({**body, "signature": raw}, order["id"], sign=False)
    refused(answer, "signature_invalid", "签名验证失败")
    with_field = signing.canonical({**body, "signature": ""})
    signature = signing.b64(caller.key.sign(with_field))
    answer = caller.send({**body, "signature": signature}, order["id"], sign=False)
    refused(answer, "signature_invalid", "签名验证失败")


def test_what_is_missing(fq: World, caller: Payer) -> None:
    payer, order = fq.payer(100), fq.order(fq.merchant(), 100)
    unsigned = caller.send(caller.body(order, payer), order["id"], sign=False)
    refused(unsigned, "signature_missing", "签名验证失败")
    for field in ("key_id", "nonce", "created"):
        body = caller.body(order, payer)
        del body[field]
        problem = refused(caller.send(body, order["id"]), "missing_field", "缺少字段")
        assert problem["param"] == field
    for field in ("user_id", "amount"):
        body = caller.body(order, payer)
        del body[field]
        assert refused(caller.send(body, order["id"]), "missing_field", "缺少字段")["param"] == field


def test_who_is_calling(fq: World, caller: Payer) -> None:
    payer, order = fq.payer(100), fq.order(fq.merchant(), 100)
    body = caller.body(order, payer, key_id="key_0123456789012")
    refused(caller.send(body, order["id"]), "key_unknown", "签名验证失败")
    old = caller.pay(order, payer, created=int(time.time()) - 305)
    refused(old, "signature_expired", "签名验证失败")
    ahead = caller.pay(order, payer, created=int(time.time()) + 65)
    refused(ahead, "signature_expired", "签名验证失败")


def test_fields_are_checked(fq: World, caller: Payer) -> None:
    payer, order = fq.payer(100), fq.order(fq.merchant(), 100)
    assert refused(caller.pay(order, payer, amout=1), "unknown_field", "未知字段")["param"] == "amout"
    other = fq.order(fq.merchant(), 100)
    answer = caller.send(caller.body(other, payer), order["id"])
    refused(answer, "invalid_field", "字段无效")
    refused(caller.pay(order, payer, amount="100"), "invalid_field", "字段无效")
    refused(caller.pay(order, payer, method="cash"), "invalid_field", "字段无效")
    twice = json.dumps(signing.sign_body(caller.body(order, payer), caller.key))[:-1]
    raw = (twice + ',"amount":1}').encode()
    client = Client(fq.deployment.url_for, fq.deployment.anonymous().credentials)
    answer = client.post(f"/payment/{order['id']}", raw, key=None)
    refused(answer, "malformed_json", "JSON 格式错误")
    fraction = json.dumps(signing.sign_body(caller.body(order, payer), caller.key))
    raw = fraction.replace('"amount": 100', '"amount": 100.0').encode()
    answer = client.post(f"/payment/{order['id']}", raw, key=None)
    refused(answer, "invalid_field", "字段无效")


def test_the_rules_of_payments_hold(fq: World, caller: Payer) -> None:
    payer, order = fq.payer(99), fq.order(fq.merchant(), 100)
    refused(caller.pay(order, payer), "insufficient_balance", "余额不足")
    refused(caller.pay(order, payer, amount=99), "amount_mismatch", "金额不符")
    refused(caller.pay(order, payer, currency="USD"), "currency_mismatch", "币种不符")
    fq.topup(payer, 1)
    paid(caller.pay(order, payer))
    refused(caller.pay(order, payer), "order_already_paid", "订单已支付")


def test_the_same_nonce_gets_the_first_answer(fq: World, caller: Payer) -> None:
    """Also when signed anew at another time; another body under it is refused."""
    payer, order = fq.payer(500), fq.order(fq.merchant(), 100)
    body = caller.body(order, payer)
    first = caller.send(body, order["id"])
    paid(first)
    assert not first.replayed
    for created in (body["created"], body["created"] - 7, body["created"] + 7):
        again = caller.send({**body, "created": created}, order["id"])
        assert again.status == 200 and again.replayed and again.json() == first.json()
    other = caller.send({**body, "metadata": {"k": "v"}}, order["id"])
    refused(other, "idempotency_key_reused", "幂等键被重复使用")
    assert fq.balance(payer) == (400, 0, 0)


def test_nonce_and_idempotency_key_share_one_space(fq: World, caller: Payer) -> None:
    payer, order = fq.payer(500), fq.order(fq.merchant(), 100)
    body = caller.body(order, payer)
    paid(caller.send(body, order["id"]))
    client = Client(fq.deployment.url_for, Signed(caller.key_id, caller.key))
    topup = {"user_id": payer["id"], "amount": 1, "currency": "CNY", "method": "sandbox"}
    answer = client.post("/v1/topups", topup, key=body["nonce"])
    assert answer.status == 422 and answer.json()["code"] == "idempotency_key_reused", answer


def test_a_payers_own_key_pays_and_no_others(fq: World) -> None:
    payer, other, order = fq.payer(100), fq.payer(100), fq.order(fq.merchant(), 100)
    own = Payer(fq, scope=f"payer:{payer['id']}")
    refused(own.pay(order, other), "user_not_found", "用户或订单不存在")
    reader = Payer(fq, scope="read")
    refused(reader.pay(order, payer), "not_allowed", "无权操作")
    paid(own.pay(order, payer))


def test_a_signature_is_over_all_of_a_body_that_grows_in_canonical_form(caller: Payer) -> None:
    """4,000 times 1e20, of 21 digits each, and long texts: what is wrong is the field, not the signature."""
    fq = caller.fq
    order, payer = fq.order(fq.merchant(), 100), fq.payer(100)
    body = caller.body(order, payer, zzz=[10**20] * 4000, zzzz="x" * 44000)
    signed = json.dumps(signing.sign_body(body, caller.key)).replace(str(10**20), "1e20")
    client = Client(fq.deployment.url_for, fq.deployment.anonymous().credentials)
    answer = client.post(f"/payment/{order['id']}", signed.replace(" ", "").encode(), key=None)
    assert answer.status == 400 and answer.json()["code"] == "unknown_field", answer
