"""A hundred clients at one moment: one order, one wallet, one payment to refund, one idempotency key."""

from __future__ import annotations

import collections
import uuid

from client import Answer, expect, pages, together
from world import World

CLIENTS = 100


def outcomes(answers: list[Answer]) -> dict[str, int]:
    counted: collections.Counter[str] = collections.Counter()
    for answer in answers:
        counted[str(answer.status) if answer.status < 400 else answer.json()["code"]] += 1
    return dict(counted)


def test_a_hundred_pay_one_order(fq: World) -> None:
    payee = fq.merchant()
    payers = [fq.payer(100) for _ in range(10)]
    order = fq.order(payee, 100)
    answers = together(CLIENTS, lambda n: fq.try_pay(order, payers[n % 10]))
    # Who has paid has no money left, yet the order is looked at first.
    assert outcomes(answers) == {"201": 1, "order_already_paid": CLIENTS - 1}
    assert fq.balance(payee) == (100, 0, 0)
    assert sum(fq.balance(payer)[0] for payer in payers) == 900
    assert len(pages(fq.admin, "/v1/payments", order_id=order["id"])) == 1


def test_a_hundred_spend_one_wallet(fq: World) -> None:
    payee, payer = fq.merchant(), fq.payer(1000)
    orders = fq.orders(payee, CLIENTS, 100)
    answers = together(CLIENTS, lambda n: fq.try_pay(orders[n], payer))
    assert outcomes(answers) == {"201": 10, "insufficient_balance": CLIENTS - 10}
    assert fq.balance(payer) == (0, 0, 0) and fq.balance(payee) == (1000, 0, 0)
    fq.check_balances_from_entries(payer)


def test_a_hundred_hold_and_spend_one_wallet(fq: World) -> None:
    payee, payer = fq.merchant(), fq.payer(1000)
    orders = fq.orders(payee, CLIENTS, 100)

    def work(n: int) -> Answer:
        return fq.try_pay(orders[n], payer, capture="manual" if n % 2 else "automatic")

    answers = together(CLIENTS, work)
    assert outcomes(answers) == {"201": 10, "insufficient_balance": CLIENTS - 10}
    available, pending, held = fq.balance(payer)
    assert (available, pending) == (0, 0) and held + fq.balance(payee)[0] == 1000


def test_a_hundred_refund_one_payment(fq: World) -> None:
    sale = fq.sale(100)
    body = {"payment_id": sale.payment["id"], "amount": 7}
    answers = together(CLIENTS, lambda n: fq.admin.post("/v1/refunds", body))
    assert outcomes(answers) == {"201": 14, "refund_exceeds_payment": CLIENTS - 14}
    assert fq.get(sale.payment)["amount_refunded"] == 98
    assert fq.balance(sale.payer) == (98, 0, 0) and fq.balance(sale.payee) == (2, 0, 0)


def test_a_hundred_refund_the_whole(fq: World) -> None:
    sale = fq.sale(100)
    body = {"payment_id": sale.payment["id"]}
    answers = together(CLIENTS, lambda n: fq.admin.post("/v1/refunds", body))
    assert outcomes(answers) == {"201": 1, "payment_not_refundable": CLIENTS - 1}
    assert fq.balance(sale.payer) == (100, 0, 0)


def test_a_hundred_use_one_idempotency_key(fq: World) -> None:
    payer, order = fq.payer(10_000), fq.order(fq.merchant(), 100)
    body, key = fq.payment_body(order, payer), uuid.uuid4().hex
    answers = together(CLIENTS, lambda n: fq.admin.post("/v1/payments", body, key=key))
    shown = [expect(answer, 201) for answer in answers]
    assert all(one == shown[0] for one in shown)
    assert sum(answer.replayed for answer in answers) == CLIENTS - 1
    assert fq.balance(payer) == (9900, 0, 0)


def test_a_hundred_use_one_key_for_different_orders(fq: World) -> None:
    payer, payee, key = fq.payer(10_000), fq.merchant(), uuid.uuid4().hex
    orders = fq.orders(payee, CLIENTS, 100)

    def work(n: int) -> Answer:
        return fq.admin.post("/v1/payments", fq.payment_body(orders[n], payer), key=key)

    assert outcomes(together(CLIENTS, work)) == {"201": 1, "idempotency_key_reused": CLIENTS - 1}
    assert fq.balance(payer) == (9900, 0, 0)


def test_a_hundred_capture_one_authorisation(fq: World) -> None:
    sale = fq.authorized(100)
    path = f"/v1/payments/{sale.payment['id']}/capture"
    answers = together(CLIENTS, lambda n: fq.admin.post(path, {"amount": 60}))
    assert outcomes(answers) == {"200": 1, "state_conflict": CLIENTS - 1}
    assert fq.balance(sale.payer) == (40, 0, 0) and fq.balance(sale.payee) == (60, 0, 0)


def test_capture_races_cancel(fq: World) -> None:
    for _ in range(5):
        sale = fq.authorized(100)
        path = f"/v1/payments/{sale.payment['id']}"
        verbs = ["capture", "cancel"] * 5
        answers = together(10, lambda n: fq.admin.post(f"{path}/{verbs[n]}"))  # noqa: B023
        assert outcomes(answers) == {"200": 1, "state_conflict": 9}
        payer, payee = fq.balance(sale.payer), fq.balance(sale.payee)
        assert (payer, payee) in [((0, 0, 0), (100, 0, 0)), ((100, 0, 0), (0, 0, 0))]


def test_pay_races_cancel_of_the_order(fq: World) -> None:
    """Either the order is paid or it is cancelled; never both, never neither."""
    for _ in range(10):
        payer, order = fq.payer(100), fq.order(fq.merchant(), 100)

        def work(n: int) -> Answer:
            if n:
                return fq.admin.post(f"/v1/orders/{order['id']}/cancel")  # noqa: B023
            return fq.try_pay(order, payer)  # noqa: B023

        paid, cancelled = together(2, work)
        status = fq.get(order)["status"]
        if paid.status == 201:
            assert cancelled.json()["code"] == "order_already_paid" and status == "paid"
        else:
            assert paid.json()["code"] == "order_not_payable" and cancelled.status == 200
            assert status == "cancelled" and fq.balance(payer) == (100, 0, 0)


def test_one_reference_at_once(fq: World) -> None:
    payee = fq.merchant()
    body = fq.order_body(payee, 100, reference="race")
    answers = together(20, lambda n: fq.admin.post("/v1/orders", body))
    assert outcomes(answers) == {"201": 1, "reference_taken": 19}


def test_money_runs_in_circles_and_none_is_lost(fq: World) -> None:
    """Ten users pay each other in both directions at once: each ends with what he began with."""
    users = [fq.user(balance=1000) for _ in range(10)]
    orders = [fq.orders(payee, 10, 90) for payee in users]

    def work(n: int) -> list[int]:
        payees = [(n + turn) % 10 for turn in range(1, 10)]
        return [fq.try_pay(orders[payee][n], users[n]).status for payee in payees]

    assert together(10, work) == [[201] * 9] * 10
    for user in users:
        assert fq.balance(user) == (1000, 0, 0)
        fq.check_balances_from_entries(user)
