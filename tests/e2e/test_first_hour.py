"""The first hour of a new user: two users, a top-up, an order, a payment, a refund, and the ledger of it all."""

from __future__ import annotations

import re

from client import Client, expect, pages
from world import World

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def test_from_nothing_to_a_refunded_order(fq: World) -> None:
    admin = fq.admin
    payee = expect(admin.post("/v1/users", {"name": "茶馆", "roles": ["merchant"]}), 201)
    payer = expect(admin.post("/v1/users", {"name": "王小明"}), 201)
    assert payer["roles"] == ["payer"] and payer["status"] == "active"
    assert payer["object"] == "user" and re.fullmatch("usr_[0-7][0-9A-HJKMNP-TV-Z]{12}", payer["id"])
    assert fq.balances(payer) == []

    topup = fq.topup(payer, 10_000)
    assert topup["id"].startswith("top_") and topup["amount"] == 10_000
    assert fq.balances(payer) == [{"currency": "CNY", "available": 10_000, "pending": 0, "held": 0}]

    order = fq.order(payee, 1999, reference="tea-1", metadata={"table": "7"})
    assert order["object"] == "order" and order["status"] == "pending"
    assert (order["amount_paid"], order["amount_refunded"]) == (0, 0)
    assert order["checkout_url"] and order["metadata"] == {"table": "7"}

    payment = fq.pay(order, payer)
    assert payment["object"] == "payment" and payment["status"] == "succeeded"
    assert payment["order_id"] == order["id"] and payment["user_id"] == payer["id"]
    assert (payment["amount"], payment["amount_captured"], payment["amount_refunded"]) == (1999, 1999, 0)
    assert payment["fee"] == 0 and payment["currency"] == "CNY" and payment["method"] == "balance"
    assert fq.balance(payer) == (8001, 0, 0) and fq.balance(payee) == (1999, 0, 0)
    paid = fq.get(order)
    assert paid["status"] == "paid" and paid["amount_paid"] == 1999

    refund = fq.refund(payment, 500, reason="少了一包")
    assert refund["payment_id"] == payment["id"] and refund["amount"] == 500
    assert fq.balance(payer) == (8501, 0, 0) and fq.balance(payee) == (1499, 0, 0)
    assert fq.get(order)["status"] == "partially_refunded"
    assert fq.refund(payment)["amount"] == 1499
    done = fq.get(order)
    assert done["status"] == "refunded" and done["amount_refunded"] == 1999
    assert fq.get(payment)["amount_refunded"] == 1999
    assert fq.balance(payer) == (10_000, 0, 0) and fq.balance(payee) == (0, 0, 0)

    entries = pages(admin, payment["entries_url"])
    assert entries and {entry["payment_id"] for entry in entries} == {payment["id"]}
    assert {entry["refund_id"] for entry in entries if entry.get("refund_id")}
    assert all(TIME.fullmatch(entry["created_at"]) for entry in entries)
    for user in (payer, payee):
        fq.check_balances_from_entries(user)


def test_the_first_curl_with_a_bearer_key(fq: World, bearer: Client) -> None:
    payer, payee = fq.payer(100), fq.merchant()
    order = expect(bearer.post("/v1/orders", fq.order_body(payee, 100), key=None), 201)
    payment = expect(bearer.post("/v1/payments", fq.payment_body(order, payer)), 201)
    assert payment["status"] == "succeeded"


def test_resources_carry_what_every_resource_carries(fq: World) -> None:
    sale = fq.sale()
    refund = fq.refund(sale.payment, 1)
    topup = fq.topup(sale.payer, 1)
    order = fq.get(sale.order)
    for resource in (sale.payer, order, sale.payment, refund, topup):
        for field in ("id", "object", "created_at", "updated_at", "version", "status"):
            assert field in resource, (field, resource)
        assert TIME.fullmatch(resource["created_at"]) and TIME.fullmatch(resource["updated_at"])
        assert resource["updated_at"] >= resource["created_at"]
        assert isinstance(resource["version"], int) and resource["version"] >= 1
    for resource in (sale.payer, order, sale.payment, refund):
        assert isinstance(resource["metadata"], dict)


def test_the_etag_is_the_version(fq: World) -> None:
    sale = fq.sale()
    for path in (f"/v1/users/{sale.payer['id']}", f"/v1/payments/{sale.payment['id']}"):
        answer = fq.admin.get(path)
        assert answer.header("ETag") == f'"{expect(answer)["version"]}"'
    before = fq.get(sale.payment)["version"]
    fq.refund(sale.payment, 1)
    assert fq.get(sale.payment)["version"] > before


def test_what_was_created_is_what_is_read(fq: World) -> None:
    payee = fq.merchant()
    items = [{"name": "龙井茶", "quantity": 2, "unit_amount": 50}]
    order = fq.order(
        payee, 100, items=items, reference="r-1", return_url="https://shop.example/done",
        expires_in=3600, metadata={"注": "两份"},
    )  # fmt: skip
    assert order["items"] == items and order["return_url"] == "https://shop.example/done"
    assert fq.get(order) == order
    payer = fq.payer(100)
    payment = fq.pay(order, payer, reference="p-1", metadata={"k": "v"})
    assert payment["reference"] == "p-1" and payment["metadata"] == {"k": "v"}
    assert fq.get(payment) == payment
    refund = fq.refund(payment, 40, reason="why", reference="f-1", metadata={"k": "w"})
    assert refund["reason"] == "why" and refund["metadata"] == {"k": "w"}
    assert fq.get(refund) == refund
    topup = fq.topup(payer, 7, reference="t-1")
    assert topup["reference"] == "t-1" and fq.get(topup) == topup


def test_currencies_are_kept_apart(fq: World) -> None:
    payer, payee = fq.payer(), fq.merchant()
    for currency, amount in (("CNY", 1999), ("JPY", 500), ("KWD", 12_345)):
        fq.topup(payer, amount, currency)
        fq.pay(fq.order(payee, amount - 1, currency), payer)
    assert fq.balance(payer, "JPY") == (1, 0, 0)
    assert fq.balance(payee, "KWD") == (12_344, 0, 0)
    assert sorted(row["currency"] for row in fq.balances(payee)) == ["CNY", "JPY", "KWD"]
    fq.check_balances_from_entries(payee)


def test_an_order_can_be_cancelled_once(fq: World) -> None:
    order = fq.order(fq.merchant())
    assert fq.act(order, "cancel")["status"] == "cancelled"
    assert fq.get(order)["status"] == "cancelled"


def test_the_largest_amount_goes_through(fq: World) -> None:
    largest = 2**53 - 1
    sale = fq.sale(largest)
    assert sale.payment["amount"] == largest and fq.balance(sale.payee) == (largest, 0, 0)
    fq.refund(sale.payment)
