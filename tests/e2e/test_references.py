"""References: the caller's own numbers, unique per payee and resource, and a filter of each list."""

from __future__ import annotations

import uuid

from client import expect, pages, refused
from world import World


def test_orders(fq: World) -> None:
    payee, other = fq.merchant(), fq.merchant()
    order = fq.order(payee, reference="A-1")
    refused(fq.admin.post("/v1/orders", fq.order_body(payee, reference="A-1")), "reference_taken")
    refused(fq.admin.post("/v1/orders", fq.order_body(payee, 5, reference="A-1")), "reference_taken")
    elsewhere = fq.order(other, reference="A-1")
    fq.order(payee, reference="a-1")
    found = pages(fq.admin, "/v1/orders", reference="A-1", user_id=payee["id"])
    assert [one["id"] for one in found] == [order["id"]]
    both = {one["id"] for one in pages(fq.admin, "/v1/orders", reference="A-1")}
    assert {order["id"], elsewhere["id"]} <= both


def test_payments(fq: World) -> None:
    payee, payer = fq.merchant(), fq.payer(300)
    first, second = fq.order(payee, 100), fq.order(payee, 100)
    payment = fq.pay(first, payer, reference="P-1")
    refused(fq.try_pay(second, payer, reference="P-1"), "reference_taken")
    fq.pay(second, payer, reference="P-2")
    fq.pay(fq.order(fq.merchant(), 100), payer, reference="P-1")
    found = pages(fq.admin, "/v1/payments", reference="P-1", order_id=first["id"])
    assert [one["id"] for one in found] == [payment["id"]]


def test_refunds(fq: World) -> None:
    sale = fq.sale(100)
    refund = fq.refund(sale.payment, 10, reference="F-1")
    body = {"payment_id": sale.payment["id"], "amount": 10, "reference": "F-1"}
    refused(fq.admin.post("/v1/refunds", body), "reference_taken")
    assert fq.balance(sale.payer) == (10, 0, 0)
    other = fq.sale(100)
    fq.refund(other.payment, 10, reference="F-1")
    found = pages(fq.admin, "/v1/refunds", reference="F-1", payment_id=sale.payment["id"])
    assert [one["id"] for one in found] == [refund["id"]]


def test_topups(fq: World) -> None:
    user = fq.payer()
    topup = fq.topup(user, 10, reference="T-1")
    body = {"user_id": user["id"], "amount": 10, "currency": "CNY", "method": "sandbox"}
    refused(fq.admin.post("/v1/topups", {**body, "reference": "T-1"}), "reference_taken")
    fq.topup(fq.payer(), 10, reference="T-1")
    found = pages(fq.admin, "/v1/topups", reference="T-1", user_id=user["id"])
    assert [one["id"] for one in found] == [topup["id"]]


def test_each_resource_has_its_own(fq: World) -> None:
    payee, payer = fq.merchant(), fq.payer(100)
    order = fq.order(payee, 100, reference="X")
    payment = fq.pay(order, payer, reference="X")
    fq.refund(payment, 1, reference="X")


def test_a_refused_payment_does_not_keep_its_reference(fq: World) -> None:
    payee, payer = fq.merchant(), fq.payer()
    order = fq.order(payee, 100)
    refused(fq.try_pay(order, payer, reference="R-1"), "insufficient_balance")
    fq.topup(payer, 100)
    assert expect(fq.try_pay(order, payer, reference="R-1"), 201)["reference"] == "R-1"


def test_each_payees_is_found_among_many(fq: World) -> None:
    """More payees than a page holds use the same number, as small shops do that begin with 1."""
    count, reference = 110, f"common-{uuid.uuid4().hex}"
    payees, payer = [fq.merchant() for _ in range(count)], fq.payer(count)
    orders = [fq.order(payee, 1, reference=reference) for payee in payees]
    payments = [fq.pay(order, payer, reference=reference) for order in orders]
    for kind, made in (("orders", orders), ("payments", payments)):
        everything = pages(fq.admin, f"/v1/{kind}", reference=reference)
        assert [one["id"] for one in everything] == [one["id"] for one in made[::-1]]
        for payee, own in zip(payees, made, strict=True):
            found = pages(fq.admin, f"/v1/{kind}", reference=reference, user_id=payee["id"])
            assert [one["id"] for one in found] == [own["id"]]
    own = fq.client(f"merchant:{payees[0]['id']}")
    assert [one["id"] for one in pages(own, "/v1/orders", reference=reference)] == [orders[0]["id"]]
    assert [one["id"] for one in pages(own, "/v1/payments", reference=reference)] == [payments[0]["id"]]
    # A payer who has none of them is not told that others have.
    nobody = fq.client(f"payer:{fq.payer(1)['id']}")
    for path in ("/v1/orders", "/v1/payments"):
        assert expect(nobody.get(path, reference=reference))["has_more"] is False
    buyer = fq.client(f"payer:{payer['id']}")
    assert len(pages(buyer, "/v1/payments", reference=reference)) == count
