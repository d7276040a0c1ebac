"""The refusals of a payment in the order of the contract: each step mends the fault before and meets the next."""

from __future__ import annotations

from client import Client, eventually, expect, pages, refused
from world import World


def test_refusals_come_in_the_contracts_order(fq: World) -> None:
    admin = fq.admin
    reader = fq.client("read")
    payee, payer, other = fq.merchant(), fq.payer(), fq.payer()
    named = fq.order(payee, 100, payer_id=other["id"])
    open_order = fq.order(payee, 100)
    fq.act(named, "cancel")
    fq.act(open_order, "cancel")
    fq.act(payer, "freeze")

    used_key = "used-" + payer["id"]
    expect(fq.admin.post("/v1/topups", {
        "user_id": other["id"], "amount": 1, "currency": "CNY", "method": "sandbox",
    }, key=used_key), 201)  # fmt: skip

    # Everything is wrong at once.
    body = {
        "order_id": "ord_0123456789012", "user_id": "usr_0123456789012", "amount": 0,
        "currency": "USD", "method": "balance",
    }  # fmt: skip
    broken = Client(fq.deployment.url_for, fq.deployment.anonymous().credentials)
    refused(broken.post("/v1/payments", body), "signature_missing")  # 401
    refused(reader.post("/v1/payments", body), "amount_not_positive")  # 400
    body["amount"] = 99
    refused(admin.post("/v1/payments", body, key=used_key), "idempotency_key_reused")  # replay
    refused(reader.post("/v1/payments", {**body, "order_id": named["id"]}), "user_not_found")  # 404
    body["user_id"] = payer["id"]
    refused(reader.post("/v1/payments", body), "order_not_found")
    body["order_id"] = named["id"]
    refused(reader.post("/v1/payments", body), "not_allowed")  # 403
    refused(admin.post("/v1/payments", body), "payer_mismatch")  # 422
    body["order_id"] = open_order["id"]
    refused(admin.post("/v1/payments", body), "user_frozen")
    fq.act(payer, "unfreeze")
    refused(admin.post("/v1/payments", {**body, "currency": "CNY"}), "amount_mismatch")
    body["amount"] = 100
    refused(admin.post("/v1/payments", body), "currency_mismatch")
    body["currency"] = "CNY"
    refused(admin.post("/v1/payments", body), "order_not_payable")  # 409
    body["order_id"] = fq.order(payee, 100)["id"]
    refused(admin.post("/v1/payments", body), "insufficient_balance")  # 402
    fq.topup(payer, 100)
    assert expect(admin.post("/v1/payments", body), 201)["status"] == "succeeded"


def test_payer_is_payee_comes_after_mismatch_and_before_frozen(fq: World) -> None:
    both, other = fq.user(balance=500), fq.payer()
    named = fq.order(both, 100, payer_id=other["id"])
    unnamed = fq.order(both, 100)
    fq.act(both, "freeze")
    refused(fq.try_pay(named, both), "payer_mismatch")
    refused(fq.try_pay(unnamed, both), "payer_is_payee")
    refused(fq.try_pay(unnamed, both, amount=7), "payer_is_payee")
    fq.act(both, "unfreeze")
    refused(fq.try_pay(unnamed, both), "payer_is_payee")
    assert fq.balance(both) == (500, 0, 0)


def test_a_frozen_payee_is_not_paid(fq: World) -> None:
    payee, payer = fq.merchant(), fq.payer(100)
    order = fq.order(payee, 100)
    fq.act(payee, "freeze")
    refused(fq.try_pay(order, payer), "user_frozen")
    fq.act(payee, "unfreeze")
    fq.pay(order, payer)


def test_a_frozen_payer_is_known_at_once(fq: World) -> None:
    """Freeze answers 200 when payment has acknowledged it: the next payment must be refused."""
    for _ in range(5):
        payee, payer = fq.merchant(), fq.payer(100)
        order = fq.order(payee, 100)
        fq.act(payer, "freeze")
        refused(fq.try_pay(order, payer), "user_frozen")


def test_roles_are_needed(fq: World) -> None:
    only_payer, only_merchant = fq.payer(100), fq.merchant()
    fq.topup(only_merchant, 100)
    refused(fq.admin.post("/v1/orders", fq.order_body(only_payer)), "not_allowed")
    order = fq.order(fq.merchant(), 100)
    refused(fq.try_pay(order, only_merchant), "not_allowed")
    fq.pay(order, only_payer)


def test_a_paid_order_is_not_paid_again(fq: World) -> None:
    sale = fq.sale()
    fq.topup(sale.payer, 5000)
    refused(fq.try_pay(sale.order, sale.payer), "order_already_paid")
    fq.refund(sale.payment, 1)
    refused(fq.try_pay(sale.order, sale.payer), "order_already_paid")
    assert fq.balance(sale.payer) == (5001, 0, 0)


def test_a_lapsed_order_is_not_payable(fq: World) -> None:
    payer = fq.payer(100)
    order = fq.order(fq.merchant(), 100, expires_in=1)
    eventually(lambda: fq.get(order)["status"], lambda status: status == "expired")
    refused(fq.try_pay(order, payer), "order_not_payable")
    refused(fq.admin.post(f"/v1/orders/{order['id']}/cancel"), "state_conflict")


def test_a_paid_order_does_not_lapse(fq: World) -> None:
    payer, payee = fq.payer(100), fq.merchant()
    paid = fq.order(payee, 100, expires_in=2)
    other = fq.order(payee, 100, expires_in=2)
    fq.pay(paid, payer)
    eventually(lambda: fq.get(other)["status"], lambda status: status == "expired")
    assert fq.get(paid)["status"] == "paid"


def test_a_refusal_leaves_no_payment(fq: World) -> None:
    payer = fq.payer(99)
    order = fq.order(fq.merchant(), 100)
    refused(fq.try_pay(order, payer), "insufficient_balance")
    refused(fq.try_pay(order, payer, amount=7), "amount_mismatch")
    assert pages(fq.admin, "/v1/payments", order_id=order["id"]) == []
    assert fq.balance(payer) == (99, 0, 0) and fq.get(order)["status"] == "pending"


def test_an_order_names_existing_users(fq: World) -> None:
    payee = fq.merchant()
    nobody = "usr_0123456789012"
    refused(fq.admin.post("/v1/orders", fq.order_body({"id": nobody})), "user_not_found")
    refused(fq.admin.post("/v1/orders", fq.order_body(payee, payer_id=nobody)), "user_not_found")


def test_cancelling_what_is_settled_is_a_conflict(fq: World) -> None:
    paid = fq.sale().order
    refused(fq.admin.post(f"/v1/orders/{paid['id']}/cancel"), "order_already_paid")
    assert fq.get(paid)["status"] == "paid"
    order = fq.order(fq.merchant())
    fq.act(order, "cancel")
    refused(fq.admin.post(f"/v1/orders/{order['id']}/cancel"), "state_conflict")


def test_a_named_payer_pays(fq: World) -> None:
    payer = fq.payer(100)
    order = fq.order(fq.merchant(), 100, payer_id=payer["id"])
    assert order["payer_id"] == payer["id"]
    fq.pay(order, payer)
