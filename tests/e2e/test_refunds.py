"""Refunds: partial, repeated, never more than was captured, and only of money that the payee still has."""

from __future__ import annotations

from client import expect, pages, refused
from world import World


def test_partial_and_repeated(fq: World) -> None:
    sale = fq.sale(1000)
    for number in range(1, 5):
        refund = fq.refund(sale.payment, 200)
        assert refund["amount"] == 200 and refund["currency"] == "CNY"
        assert fq.get(sale.payment)["amount_refunded"] == 200 * number
        assert fq.get(sale.order)["status"] == "partially_refunded"
    assert fq.refund(sale.payment)["amount"] == 200
    assert fq.get(sale.order)["status"] == "refunded"
    assert fq.get(sale.payment)["status"] == "succeeded"
    assert fq.balance(sale.payer) == (1000, 0, 0) and fq.balance(sale.payee) == (0, 0, 0)
    found = pages(fq.admin, "/v1/refunds", payment_id=sale.payment["id"])
    assert [refund["amount"] for refund in found] == [200] * 5


def test_never_more_than_was_paid(fq: World) -> None:
    sale = fq.sale(1000)
    fq.topup(sale.payee, 5000)
    body = {"payment_id": sale.payment["id"], "amount": 1001}
    refused(fq.admin.post("/v1/refunds", body), "refund_exceeds_payment")
    fq.refund(sale.payment, 999)
    refused(fq.admin.post("/v1/refunds", {**body, "amount": 2}), "refund_exceeds_payment")
    fq.refund(sale.payment, 1)
    refused(fq.admin.post("/v1/refunds", {**body, "amount": 1}), "payment_not_refundable")
    refused(fq.admin.post("/v1/refunds", {"payment_id": sale.payment["id"]}), "payment_not_refundable")
    assert fq.balance(sale.payee) == (5000, 0, 0)


def test_the_payee_must_have_the_money(fq: World) -> None:
    sale = fq.sale(1000)
    # The merchant is also a payer and has spent 400 of what he got.
    expect(fq.admin.patch(f"/v1/users/{sale.payee['id']}", {"roles": ["merchant", "payer"]}))
    fq.pay(fq.order(fq.merchant(), 400), sale.payee)
    body = {"payment_id": sale.payment["id"], "amount": 601}
    refused(fq.admin.post("/v1/refunds", body), "insufficient_balance")
    assert fq.get(sale.payment)["amount_refunded"] == 0
    fq.refund(sale.payment, 600)
    assert fq.balance(sale.payee) == (0, 0, 0) and fq.balance(sale.payer) == (600, 0, 0)


def test_the_frozen_are_still_refunded(fq: World) -> None:
    sale = fq.sale(100)
    fq.act(sale.payer, "freeze")
    fq.act(sale.payee, "freeze")
    fq.refund(sale.payment, 60)
    assert fq.balance(sale.payer) == (60, 0, 0)


def test_a_cancelled_payment_is_not_refundable(fq: World) -> None:
    sale = fq.authorized()
    fq.act(sale.payment, "cancel")
    refused(fq.admin.post("/v1/refunds", {"payment_id": sale.payment["id"]}), "payment_not_refundable")


def test_an_unknown_payment_is_not_found(fq: World) -> None:
    body = {"payment_id": "pay_0123456789012", "amount": 1}
    refused(fq.admin.post("/v1/refunds", body), "payment_not_found")


def test_the_entries_of_a_payment_show_its_refunds(fq: World) -> None:
    sale = fq.sale(100)
    first, second = fq.refund(sale.payment, 30), fq.refund(sale.payment, 20)
    entries = pages(fq.admin, f"/v1/payments/{sale.payment['id']}/entries")
    shown = {entry["refund_id"] for entry in entries if entry.get("refund_id")}
    assert shown == {first["id"], second["id"]}
    for user in (sale.payer, sale.payee):
        fq.check_balances_from_entries(user)
