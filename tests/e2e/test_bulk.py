"""Bulk: one result an item, in order, each what the single call would have answered; atomic: all or none."""

from __future__ import annotations

import pytest

import names
from client import check_problem, expect, pages, refused
from world import Json, World


def statuses(results: list[Json]) -> list[int]:
    return [one["status"] for one in results]


def bulk(fq: World, payments: list[Json], **fields: object) -> list[Json]:
    answer = expect(fq.admin.post("/v1/payments/bulk", {"payments": payments, **fields}))
    assert answer["object"] == "list" and len(answer["data"]) == len(payments)
    results: list[Json] = answer["data"]
    for one in results:
        if one["status"] != 201:
            check_problem(one["body"], one["body"]["code"])
            assert one["status"] == names.CODES[one["body"]["code"]]
    return results


def test_each_item_gets_its_own_answer(fq: World) -> None:
    payee, payer, poor = fq.merchant(), fq.payer(1000), fq.payer()
    first, second, third = fq.orders(payee, 3, 100)
    results = bulk(fq, [
        fq.payment_body(first, payer),
        fq.payment_body(second, poor),
        {**fq.payment_body(second, payer), "amount": 99},
        fq.payment_body(first, payer),  # paid by the item before
        {**fq.payment_body(third, payer), "user_id": "usr_0123456789012"},
        {**fq.payment_body(third, payer), "amout": 1},
        fq.payment_body(third, payer),
    ])  # fmt: skip
    assert statuses(results) == [201, 402, 422, 409, 404, 400, 201]
    codes = [one["body"].get("code") for one in results]
    assert codes == [
        None, "insufficient_balance", "amount_mismatch", "order_already_paid", "user_not_found",
        "unknown_field", None,
    ]  # fmt: skip
    assert results[0]["body"]["object"] == "payment" and fq.get(results[0]["body"]) == results[0]["body"]
    assert fq.balance(payer) == (800, 0, 0)


def test_later_items_see_the_earlier(fq: World) -> None:
    """Money that one item brings the payee, the next may spend."""
    rich, middle, last = fq.payer(100), fq.user(), fq.merchant()
    to_middle, to_last = fq.order(middle, 100), fq.order(last, 100)
    results = bulk(fq, [fq.payment_body(to_middle, rich), fq.payment_body(to_last, middle)])
    assert statuses(results) == [201, 201]
    assert fq.balance(last) == (100, 0, 0) and fq.balance(middle) == (0, 0, 0)


def test_atomic_all(fq: World) -> None:
    payee, payer = fq.merchant(), fq.payer(500)
    orders = fq.orders(payee, 5, 100)
    results = bulk(fq, [fq.payment_body(order, payer) for order in orders], atomic=True)
    assert statuses(results) == [201] * 5
    assert fq.balance(payer) == (0, 0, 0) and fq.balance(payee) == (500, 0, 0)


@pytest.mark.parametrize("bad", [0, 2, 4])
def test_atomic_none(fq: World, bad: int) -> None:
    payee, payer = fq.merchant(), fq.payer(1000)
    orders = fq.orders(payee, 5, 100)
    payments = [fq.payment_body(order, payer) for order in orders]
    payments[bad]["amount"] = 99
    results = bulk(fq, payments, atomic=True)
    codes = [one["body"]["code"] for one in results]
    assert codes == ["amount_mismatch" if n == bad else "bulk_aborted" for n in range(5)]
    assert fq.balance(payer) == (1000, 0, 0) and fq.balance(payee) == (0, 0, 0)
    for order in orders:
        assert fq.get(order)["status"] == "pending"
        assert pages(fq.admin, "/v1/payments", order_id=order["id"]) == []


def test_an_atomic_bulk_that_runs_out_of_money_changes_nothing(fq: World) -> None:
    payee, payer = fq.merchant(), fq.payer(250)
    orders = fq.orders(payee, 3, 100)
    results = bulk(fq, [fq.payment_body(order, payer) for order in orders], atomic=True)
    assert [one["body"]["code"] for one in results] == [
        "bulk_aborted", "bulk_aborted", "insufficient_balance",
    ]  # fmt: skip
    assert fq.balance(payer) == (250, 0, 0)
    kept = bulk(fq, [fq.payment_body(order, payer) for order in orders])
    assert statuses(kept) == [201, 201, 402]


def test_a_thousand_and_no_more(fq: World) -> None:
    payee, payer = fq.merchant(), fq.payer(1000)
    orders = fq.orders(payee, 1000, 1)
    payments = [fq.payment_body(order, payer) for order in orders]
    results = bulk(fq, payments)
    assert statuses(results) == [201] * 1000
    assert fq.balance(payer) == (0, 0, 0) and fq.balance(payee) == (1000, 0, 0)
    answer = fq.admin.post("/v1/payments/bulk", {"payments": [*payments, payments[0]]})
    refused(answer, "invalid_field", "payments")
    answer = fq.admin.post("/v1/orders/bulk", {"orders": [fq.order_body(payee, 1)] * 1001})
    refused(answer, "invalid_field", "orders")


def test_the_bulks_own_fields_are_checked(fq: World) -> None:
    refused(fq.admin.post("/v1/payments/bulk", {}), "missing_field", "payments")
    refused(fq.admin.post("/v1/payments/bulk", {"payments": {}}), "invalid_field", "payments")
    wrong: Json = {"payments": [], "atomic": "yes"}
    refused(fq.admin.post("/v1/payments/bulk", wrong), "invalid_field")
    misspelt: Json = {"payments": [], "atomik": True}
    refused(fq.admin.post("/v1/payments/bulk", misspelt), "unknown_field", "atomik")


def test_a_bulk_may_be_a_mebibyte(fq: World) -> None:
    payee = fq.merchant()
    orders = [fq.order_body(payee, 1, metadata={"k": "x" * 500})] * 900
    answer = fq.admin.post("/v1/orders/bulk", {"orders": orders})  # some 600 KiB
    assert statuses(expect(answer)["data"]) == [201] * 900
    padded = fq.order_body(payee, 1, metadata={f"k{n}": "x" * 500 for n in range(20)})
    refused(fq.admin.post("/v1/orders/bulk", {"orders": [padded] * 200}), "content_too_large")


def test_orders_in_bulk(fq: World) -> None:
    payee = fq.merchant()
    orders = [
        fq.order_body(payee, 100, reference="B-1"),
        fq.order_body(payee, 0),
        fq.order_body(payee, 100, reference="B-1"),
        fq.order_body({"id": "usr_0123456789012"}, 100),
    ]
    results = expect(fq.admin.post("/v1/orders/bulk", {"orders": orders}))["data"]
    assert statuses(results) == [201, 400, 409, 404]
    atomic = {"orders": [fq.order_body(payee, 7), fq.order_body(payee, 0)], "atomic": True}
    results = expect(fq.admin.post("/v1/orders/bulk", atomic))["data"]
    assert [one["body"]["code"] for one in results] == ["bulk_aborted", "amount_not_positive"]
    made = pages(fq.admin, "/v1/orders", user_id=payee["id"])
    assert [one["amount"] for one in made] == [100]


def test_a_payers_bulk_pays_for_himself_only(fq: World) -> None:
    payee, payer, other = fq.merchant(), fq.payer(100), fq.payer(100)
    first, second = fq.orders(payee, 2, 100)
    own = fq.client(f"payer:{payer['id']}")
    body = {"payments": [fq.payment_body(first, payer), fq.payment_body(second, other)]}
    results = expect(own.post("/v1/payments/bulk", body))["data"]
    assert statuses(results) == [201, 404]
    assert fq.balance(other) == (100, 0, 0)
